/** Text as it comes: whatever its encoding, as UTF-8 in bytes without a byte order mark; and its lines, each bounded. */

import { setImmediate } from "node:timers/promises";

/** How a text file's bytes spell text. */
export type TextEncoding = "utf-8" | "utf-16le" | "utf-16be";

const newline = 0x0a;

/** The encoding that a byte order mark announces, and that mark's length. Without one, a text is UTF-8. */
export function encodingOf(head: Uint8Array): { encoding: TextEncoding; markBytes: number } {
  const [a, b, c] = head;
  if (a === 0xff && b === 0xfe) return { encoding: "utf-16le", markBytes: 2 };
  if (a === 0xfe && b === 0xff) return { encoding: "utf-16be", markBytes: 2 };
  return { encoding: "utf-8", markBytes: a === 0xef && b === 0xbb && c === 0xbf ? 3 : 0 };
}

/** The text as UTF-8, without its byte order mark. Bytes that are no text in UTF-16 become U+FFFD; UTF-8 passes as it is. */
export async function* utf8Chunks(
  chunks: AsyncIterable<Uint8Array>,
  { encoding, markBytes }: { encoding: TextEncoding; markBytes: number },
): AsyncGenerator<Uint8Array> {
  let skip = markBytes;
  const decoder = encoding === "utf-8" ? undefined : new TextDecoder(encoding, { ignoreBOM: true });
  for await (const given of chunks) {
    const chunk = given.subarray(Math.min(skip, given.length));
    skip -= given.length - chunk.length;
    if (chunk.length === 0) continue;
    yield decoder === undefined ? chunk : Buffer.from(decoder.decode(chunk, { stream: true }), "utf8");
  }
  const rest = decoder?.decode() ?? "";
  if (rest !== "") yield Buffer.from(rest, "utf8");
}

/** A line without its end. `bytes` is undefined where it is longer than allowed: it was counted, not held. */
export type Line = {
  /** From 1. */
  readonly line: number;
  /** Bytes of UTF-8 before it, from 0. */
  readonly offset: number;
  readonly length: number;
  readonly bytes?: Uint8Array;
};

/**
 * Lines that end in LF, CRLF or with the text, those of a chunk at a time. One that is longer than `lineBytesMax` is told by its place
 * and length alone.
 */
export async function* splitLines(
  chunks: AsyncIterable<Uint8Array>,
  lineBytesMax: number,
): AsyncGenerator<Line[]> {
  let parts: Uint8Array[] = [];
  let length = 0;
  let line = 1;
  let offset = 0;
  const keep = (part: Uint8Array) => {
    length += part.length;
    if (length > lineBytesMax) parts = [];
    else parts.push(part);
  };
  const take = (): Line => {
    const place = { line, offset, length };
    if (length > lineBytesMax) return place;
    const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    return { ...place, bytes: bytes.at(-1) === 0x0d ? bytes.subarray(0, -1) : bytes };
  };
  for await (const chunk of chunks) {
    let from = 0;
    const lines: Line[] = [];
    for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, from)) {
      keep(chunk.subarray(from, at));
      lines.push(take());
      offset += length + 1;
      parts = [];
      length = 0;
      line++;
      from = at + 1;
    }
    if (from < chunk.length) keep(chunk.subarray(from));
    // One chunk may hold thousands of lines: let the process answer others in between.
    await setImmediate();
    yield lines;
  }
  if (length > 0) yield [take()];
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @returns the text, or undefined where the bytes are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Pieces of text, cut between characters. Bytes that are not UTF-8 become U+FFFD. */
export async function* textPieces(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  for await (const chunk of chunks) yield decoder.decode(chunk, { stream: true });
  const rest = decoder.decode();
  if (rest !== "") yield rest;
}

/** What is said of text that is not in an encoding that is read. */
export const badEncoding =
  "bytes that are not UTF-8. Save the file as UTF-8, or as UTF-16 with a byte order mark";
