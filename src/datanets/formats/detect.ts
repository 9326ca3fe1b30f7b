import { extname } from "node:path";
import { UnreadableError } from "./source.ts";
import { encodingOf, type TextEncoding } from "./text-bytes.ts";

/** Formats that can be brought. */
export const formats = ["jsonl", "json", "csv", "tsv", "parquet", "text", "markdown", "pdf", "docx"] as const;
export type Format = (typeof formats)[number];

/** Bytes that are looked at to tell formats apart. */
export const headBytes = 64 * 1024;

const byName: Readonly<Record<string, Format>> = {
  ".jsonl": "jsonl",
  ".ndjson": "jsonl",
  ".json": "json",
  ".csv": "csv",
  ".tsv": "tsv",
  ".tab": "tsv",
  ".parquet": "parquet",
  ".pq": "parquet",
  ".txt": "text",
  ".text": "text",
  ".md": "markdown",
  ".markdown": "markdown",
  ".pdf": "pdf",
  ".docx": "docx",
};

const startsWith = (head: Uint8Array, bytes: readonly number[]) =>
  bytes.every((byte, at) => head[at] === byte);
const ascii = (text: string) => [...text].map((character) => character.charCodeAt(0));

/** Files that begin in a way that is known, and are not read: what they are, and what to do. */
const others: readonly (readonly [begins: readonly number[], what: string])[] = [
  [[0x1f, 0x8b], "a gzip archive. Unpack it and bring what is in it"],
  [[0x28, 0xb5, 0x2f, 0xfd], "a Zstandard archive. Unpack it and bring what is in it"],
  [[0xd0, 0xcf, 0x11, 0xe0], "an old or encrypted Office file. Save it as .docx without a password"],
  [ascii("ARROW1"), "an Arrow file. Write it as Parquet"],
  [ascii("SQLite"), "an SQLite database. Export a table as CSV"],
  [ascii("{\\rtf"), "a rich text file. Save it as .docx"],
];

export type Detected = {
  readonly format: Format;
  readonly encoding: TextEncoding;
  readonly markBytes: number;
};

/**
 * What a file is: its content decides, and its name only between texts.
 *
 * @throws UnreadableError `empty-file`, `unknown-format`
 */
export function detectFormat(name: string, head: Uint8Array, given?: Format): Detected {
  if (head.length === 0) throw new UnreadableError("empty-file", "The file is empty: it has no bytes.");
  const text = { ...encodingOf(head) };
  if (given !== undefined) return { format: given, ...text };
  if (startsWith(head, ascii("PAR1"))) return { format: "parquet", ...text };
  if (Buffer.from(head.subarray(0, 1_024)).includes("%PDF-")) return { format: "pdf", ...text };
  if (startsWith(head, ascii("PK\x03\x04")) || startsWith(head, ascii("PK\x05\x06")))
    return { format: "docx", ...text };
  const known = others.find(([begins]) => startsWith(head, begins));
  if (known) throw new UnreadableError("unknown-format", `This is ${known[1]}.`);
  const named = byName[extname(name).toLowerCase()];
  if (named === "parquet" || named === "pdf" || named === "docx")
    throw new UnreadableError(
      "unknown-format",
      `The name says ${named}, but the file does not begin like one. It may be damaged, or something else under that name.`,
    );
  const begins = new TextDecoder(text.encoding).decode(head.subarray(text.markBytes));
  if (begins.includes("\0"))
    throw new UnreadableError(
      "unknown-format",
      `This is no format that is read, and no text. Known are: ${formats.join(", ")}; UTF-16 needs a byte order mark.`,
    );
  return { format: textFormat(begins, named), ...text };
}

/** Between texts: brackets say JSON, then the name decides, then tabs, then headings. */
function textFormat(text: string, named: Format | undefined): Format {
  const start = text.trimStart();
  if (named === "text" || named === "markdown" || named === "csv" || named === "tsv") return named;
  if (start.startsWith("[")) return "json";
  if (start.startsWith("{")) return isLines(start, named) ? "jsonl" : "json";
  if (named !== undefined) return named;
  const [first = "", second = ""] = text.split(/\r?\n/, 2);
  const tabs = first.split("\t").length;
  if (tabs > 1 && second.split("\t").length === tabs) return "tsv";
  return /^#{1,6} /m.test(text) ? "markdown" : "text";
}

/** Whether an object stands on each line: the first line is whole by itself, and it is not all there is of a `.json`. */
function isLines(start: string, named: Format | undefined): boolean {
  const end = start.indexOf("\n");
  const first = end < 0 ? start : start.slice(0, end);
  if (end < 0 || start.slice(end).trim() === "") return named !== "json";
  try {
    JSON.parse(first);
    return true;
  } catch {
    // A malformed line of JSON Lines is told by its place; an object that is spread over lines is JSON.
    return named === "jsonl" && first.trim() !== "{";
  }
}
