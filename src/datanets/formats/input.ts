import { createReadStream, statSync } from "node:fs";
import { basename } from "node:path";
import { type FormatLimits, mebibytes } from "./limits.ts";
import { UnreadableError } from "./source.ts";

/** A file that somebody brings. */
export type InputFile = {
  readonly name: string;
  /** Its bytes, from the beginning. Asked for once. */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Where it lies on this machine, if it does: Parquet is then read in place, whatever its size. */
  readonly path?: string;
};

const chunkBytes = 256 * 1024;

/**
 * A file of this machine. Nothing is opened before it is read.
 *
 * @param onBytes is told how many bytes have been read so far
 */
export function fileInput(path: string, onBytes?: (bytes: number) => void): InputFile & { bytes: number } {
  async function* chunks() {
    let read = 0;
    for await (const chunk of createReadStream(path, { highWaterMark: chunkBytes })) {
      read += chunk.length;
      onBytes?.(read);
      yield chunk as Uint8Array;
    }
  }
  return { name: basename(path), path, bytes: statSync(path).size, chunks: chunks() };
}

/** The first bytes of a stream, and the stream with them still in it. */
export async function peek(
  chunks: AsyncIterable<Uint8Array>,
  bytes: number,
): Promise<{ head: Uint8Array; chunks: AsyncGenerator<Uint8Array> }> {
  const iterator = chunks[Symbol.asyncIterator]();
  const parts: Uint8Array[] = [];
  let length = 0;
  while (length < bytes) {
    const next = await iterator.next();
    if (next.done) break;
    parts.push(next.value);
    length += next.value.length;
  }
  async function* all() {
    try {
      yield* parts.splice(0);
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  }
  return { head: Buffer.concat(parts).subarray(0, bytes), chunks: all() };
}

/** @throws UnreadableError `too-large` */
export async function readWhole(
  chunks: AsyncIterable<Uint8Array>,
  what: string,
  { heldBytesMax }: FormatLimits,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    length += chunk.length;
    if (length > heldBytesMax)
      throw new UnreadableError(
        "too-large",
        `${what} is read whole, and this one has more than ${mebibytes(heldBytesMax)}. Split it into smaller files.`,
      );
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}
