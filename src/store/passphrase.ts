import { randomBytes, scrypt } from "node:crypto";
import { readerOf } from "./chunks.ts";
import { StoreError } from "./errors.ts";
import { seal, unseal } from "./seal.ts";

/**
 * Streams sealed with a passphrase: the key comes from scrypt (RFC 7914), whose settings and salt stand in front and are authenticated with every chunk.
 *
 *     "openledger/passphrase/1\n" (24 bytes) ‖ log₂ N, r, p (3) ‖ salt (16) ‖ a sealed stream
 */
const magic = Buffer.from("openledger/passphrase/1\n");
const saltBytes = 16;
const headBytes = magic.length + 3 + saltBytes;
/** 128 MiB and about half a second for each guess. */
const settings = { logN: 17, r: 8, p: 1 };
/** A file may not ask its reader for more than 1 GiB. */
const most = { logN: 20, r: 8, p: 4 };

function keyOf(passphrase: string, head: Buffer): Promise<Uint8Array> {
  const [logN = 0, r = 0, p = 0] = head.subarray(magic.length);
  if (!head.subarray(0, magic.length).equals(magic) || head.length < headBytes)
    throw new StoreError(
      "sealed-damaged",
      "This is no stream sealed with a passphrase. Check the file's origin.",
    );
  if (logN < 10 || logN > most.logN || r < 1 || r > most.r || p < 1 || p > most.p)
    throw new StoreError(
      "sealed-damaged",
      `The file asks for scrypt with N = 2^${logN}, r = ${r}, p = ${p}; at most 2^${most.logN}, ${most.r}, ${most.p} are computed here. Check the file's origin.`,
    );
  const options = { N: 2 ** logN, r, p, maxmem: 2 ** logN * r * 128 + 2 ** 24 };
  return new Promise((resolve, reject) =>
    scrypt(passphrase.normalize("NFKC"), head.subarray(headBytes - saltBytes), 32, options, (error, key) =>
      error === null ? resolve(new Uint8Array(key)) : reject(error),
    ),
  );
}

/** Whether a stream that begins so was sealed with a passphrase. */
export const isPassphraseSealed = (beginning: Uint8Array): boolean =>
  Buffer.from(beginning.subarray(0, magic.length)).equals(magic);

export async function* sealWithPassphrase(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  passphrase: string,
): AsyncGenerator<Uint8Array> {
  const { logN, r, p } = settings;
  const head = Buffer.concat([magic, Buffer.from([logN, r, p]), randomBytes(saltBytes)]);
  const key = await keyOf(passphrase, head);
  yield head;
  yield* seal(pieces, key, head);
}

/** @throws StoreError `sealed-wrong-key` for another passphrase, `sealed-damaged` */
export async function* unsealWithPassphrase(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  passphrase: string,
): AsyncGenerator<Uint8Array> {
  const reader = readerOf(pieces);
  const head = await reader.take(headBytes);
  try {
    yield* unseal(reader.rest(), await keyOf(passphrase, head), head);
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== "sealed-wrong-key") throw error;
    throw new StoreError(
      "sealed-wrong-key",
      "This was sealed with another passphrase (or its first bytes are damaged). Give the one it was made with.",
    );
  }
}
