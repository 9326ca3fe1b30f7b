import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { inChunks, readerOf } from "./chunks.ts";
import { StoreError } from "./errors.ts";

/**
 * Sealed streams: AES-256-GCM in chunks, as the STREAM construction has it (Hoang, Reyhanitabar, Rogaway, Vizár, "Online Authenticated-Encryption and its
 * Nonce-Reuse Misuse-Resistance", 2015). Each chunk's nonce is its number and whether it is the last, so that a chunk that is changed, moved, repeated or
 * left out is found, the last one too.
 *
 *     "openledger/sealed/1\n" (20 bytes) ‖ name of the key (16) ‖ salt (32) ‖ chunks of 65,536 bytes and a 16-byte tag, the last one shorter
 *
 * The chunks' key is HKDF-SHA-256(key, salt), new for each stream, so that no nonce repeats. Header and context are authenticated with every chunk.
 */
const magic = Buffer.from("openledger/sealed/1\n");
const chunkBytes = 65_536;
const tagBytes = 16;
const nameBytes = 16;
const saltBytes = 32;
const headBytes = magic.length + nameBytes + saltBytes;

/** A 256-bit key. */
export const newSealKey = (): Uint8Array => new Uint8Array(randomBytes(32));

/** A key's name, 32 hex digits: says which key it is and nothing about it. */
export const sealKeyName = (key: Uint8Array): string =>
  Buffer.from(hkdfSync("sha256", key, "", "openledger/sealed/1 name", nameBytes)).toString("hex");

const streamKey = (key: Uint8Array, salt: Uint8Array): Uint8Array =>
  new Uint8Array(hkdfSync("sha256", key, salt, "openledger/sealed/1 stream", 32));

/** 11 bytes of the chunk's number, one that says whether it is the last. */
function nonceOf(index: number, last: boolean): Uint8Array {
  const nonce = Buffer.alloc(12);
  nonce.writeUIntBE(index, 5, 6);
  nonce[11] = last ? 1 : 0;
  return nonce;
}

/**
 * @param key 32 bytes
 * @param context what belongs to the stream and does not stand in it; to be given again to {@link unseal}
 */
export async function* seal(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  key: Uint8Array,
  context: Uint8Array = new Uint8Array(),
): AsyncGenerator<Uint8Array> {
  const salt = randomBytes(saltBytes);
  const head = Buffer.concat([magic, Buffer.from(sealKeyName(key), "hex"), salt]);
  const own = streamKey(key, salt);
  const associated = Buffer.concat([head, context]);
  yield head;
  let index = 0;
  for await (const { chunk, last } of inChunks(pieces, chunkBytes)) {
    const cipher = createCipheriv("aes-256-gcm", own, nonceOf(index++, last));
    cipher.setAAD(associated);
    yield Buffer.concat([cipher.update(chunk), cipher.final(), cipher.getAuthTag()]);
  }
}

/**
 * Opens a sealed stream. What it has yielded is authentic, but only whole once it has ended: act on the end.
 *
 * @throws StoreError `sealed-wrong-key` naming both keys, `sealed-damaged` naming the chunk
 */
export async function* unseal(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  key: Uint8Array,
  context: Uint8Array = new Uint8Array(),
): AsyncGenerator<Uint8Array> {
  const reader = readerOf(pieces);
  const head = await reader.take(headBytes);
  if (head.length < headBytes || !head.subarray(0, magic.length).equals(magic))
    throw new StoreError(
      "sealed-damaged",
      `This is no sealed stream: expected "openledger/sealed/1" and ${headBytes} bytes of header, got ${head.length} bytes. Check the file's origin.`,
    );
  const name = head.subarray(magic.length, magic.length + nameBytes).toString("hex");
  if (name !== sealKeyName(key))
    throw new StoreError(
      "sealed-wrong-key",
      `This was sealed with the key ${name}; the key given is ${sealKeyName(key)}. Give the key it was sealed with.`,
    );
  const own = streamKey(key, head.subarray(magic.length + nameBytes));
  const associated = Buffer.concat([head, context]);
  let index = 0;
  for await (const { chunk, last } of inChunks(reader.rest(), chunkBytes + tagBytes)) {
    if (chunk.length < tagBytes) throw damaged(index);
    const decipher = createDecipheriv("aes-256-gcm", own, nonceOf(index, last));
    decipher.setAAD(associated);
    decipher.setAuthTag(chunk.subarray(chunk.length - tagBytes));
    let plain: Buffer;
    try {
      plain = Buffer.concat([decipher.update(chunk.subarray(0, chunk.length - tagBytes)), decipher.final()]);
    } catch {
      throw damaged(index);
    }
    if (plain.length > 0) yield plain;
    index++;
  }
}

const damaged = (index: number) =>
  new StoreError(
    "sealed-damaged",
    `A sealed stream is damaged or cut off at chunk ${index} (byte ${headBytes + index * (chunkBytes + tagBytes)}): it does not authenticate. Restore it from another copy.`,
  );
