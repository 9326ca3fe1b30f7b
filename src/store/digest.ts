import { createReadStream } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { createKeccak } from "hash-wasm";
import type { Digest } from "./blobs.ts";
import { StoreError } from "./errors.ts";

/** About 25 ms of hashing. */
const pieceBytes = 2 ** 21;
const short = await createKeccak(256);

/** The Keccak-256 digest of a file's bytes, read a piece at a time: memory does not grow with the file. */
export async function fileDigest(path: string): Promise<Digest> {
  const hasher = await createKeccak(256);
  for await (const piece of createReadStream(path, { highWaterMark: 2 ** 18 })) hasher.update(piece);
  return `0x${hasher.digest()}`;
}

/** The Keccak-256 digest of bytes. A hundred megabytes take a second, in which nobody else would get a turn: they are hashed in pieces. */
export async function digestOf(bytes: Uint8Array): Promise<Digest> {
  if (bytes.length <= pieceBytes) return `0x${short.init().update(bytes).digest()}`;
  const own = await createKeccak(256);
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    own.update(bytes.subarray(at, at + pieceBytes));
    await setImmediate();
  }
  return `0x${own.digest()}`;
}

/** @throws StoreError `blob-missing` for what is no digest, so that no name leads out of a store */
export function requireDigest(digest: Digest): Digest {
  if (/^0x[0-9a-f]{64}$/.test(digest)) return digest;
  throw new StoreError(
    "blob-missing",
    `"${digest}" names no blob: expected 0x and 64 lower-case hex digits. Check where the digest came from.`,
  );
}

/** Where a blob lies below its store's root: `ab/abcd…`. */
export const blobPlace = (digest: Digest): string => `${digest.slice(2, 4)}/${digest.slice(2)}`;
