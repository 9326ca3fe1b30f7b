/** A release's explain index for who checks it: up to 1 GiB, of which a few rows are read. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { ReadBytes } from "../attribution/index.ts";
import { bytesDigest, type Digest } from "../protocol/index.ts";
import { fileDigest } from "../store/index.ts";

export type ExplainBlob = {
  readonly digest: Digest;
  readonly length: number;
  readonly read: ReadBytes;
};

/** One that is in memory already. */
export const explainBlob = (bytes: Uint8Array): ExplainBlob => ({
  digest: bytesDigest(bytes),
  length: bytes.length,
  read: (at, length) => bytes.slice(at, at + length),
});

/** One in a file, read a piece at a time; the file must stay as it is. @throws what opening it throws */
export async function openExplainBlob(path: string): Promise<ExplainBlob> {
  const digest = await fileDigest(path);
  const within = <T>(act: (file: number) => T): T => {
    const file = openSync(path, "r");
    try {
      return act(file);
    } finally {
      closeSync(file);
    }
  };
  return {
    digest,
    length: within((file) => fstatSync(file).size),
    read: (at, length) =>
      within((file) => {
        const bytes = new Uint8Array(length);
        let done = 0;
        while (done < length) {
          const got = readSync(file, bytes, done, length - done, at + done);
          if (got === 0) throw new RangeError(`${path} ends after ${at + done} bytes.`);
          done += got;
        }
        return bytes;
      }),
  };
}
