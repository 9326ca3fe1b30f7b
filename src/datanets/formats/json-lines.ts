import { readJson } from "../json.ts";
import { type FormatLimits, mebibytes } from "./limits.ts";
import type { RecordItem } from "./source.ts";
import { badEncoding, decodeUtf8, splitLines } from "./text-bytes.ts";

/** JSON Lines: an object a line. A blank line is a row without columns. */
export async function* readJsonLines(
  file: string,
  chunks: AsyncIterable<Uint8Array>,
  { rowBytesMax }: FormatLimits,
): AsyncGenerator<RecordItem[]> {
  for await (const lines of splitLines(chunks, rowBytesMax))
    yield lines.map(({ line, length, bytes }): RecordItem => {
      const source = { file, line };
      if (bytes === undefined) {
        const message = `The line has ${length} bytes; at most ${mebibytes(rowBytesMax)} are read. Split it, or check that lines end in a newline.`;
        return { source, refused: { code: "too-long", message } };
      }
      if (bytes.length === 0) return { source, record: {} };
      const text = decodeUtf8(bytes);
      if (text === undefined)
        return { source, refused: { code: "bad-encoding", message: `The line holds ${badEncoding}.` } };
      return text.trim() === "" ? { source, record: {} } : { source, ...readRecord(text) };
    });
}

/** A JSON text that is to be a row. */
export function readRecord(
  text: string,
):
  | { record: Record<string, unknown> }
  | { refused: { code: "broken-json" | "not-an-object"; message: string } } {
  const read = readJson(text);
  if ("fault" in read) {
    const { column, message } = read.fault;
    return { refused: { code: "broken-json", message: `Character ${column} of the row: ${message}.` } };
  }
  const { value } = read;
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return { record: value as Record<string, unknown> };
  const found = Array.isArray(value) ? "a list" : value === null ? "null" : `a ${typeof value}`;
  return {
    refused: { code: "not-an-object", message: `The row is ${found}; expected an object with columns.` },
  };
}
