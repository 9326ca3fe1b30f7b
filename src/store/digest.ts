import { createReadStream } from "node:fs";
import { createKeccak } from "hash-wasm";
import type { Digest } from "./blobs.ts";

/** The Keccak-256 digest of a file's bytes, read a piece at a time: memory does not grow with the file. */
export async function fileDigest(path: string): Promise<Digest> {
  const hasher = await createKeccak(256);
  for await (const piece of createReadStream(path, { highWaterMark: 2 ** 18 })) hasher.update(piece);
  return `0x${hasher.digest()}`;
}
