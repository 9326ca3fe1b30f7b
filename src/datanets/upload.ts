import { setImmediate } from "node:timers/promises";
import { z } from "zod";
import { type Digest, type Example, textDigest } from "../protocol/index.ts";
import { DatanetError } from "./errors.ts";
import { readExample } from "./example.ts";
import { type Source, sourceSchema } from "./formats/source.ts";
import { readJson } from "./json.ts";

/** Bounds on one upload. */
export type UploadLimits = {
  readonly lineBytesMax: number;
  readonly rowsMax: number;
  readonly totalBytesMax: number;
};

export const uploadLimits: UploadLimits = {
  lineBytesMax: 256 * 1024,
  rowsMax: 100_000,
  totalBytesMax: 64 * 1024 * 1024,
};

/** One row of an upload. `json` is its canonical JSON; `digest` is the Keccak-256 of that. */
export type UploadRow = {
  /** Line of the file, from 1. */
  readonly line: number;
  readonly example: Example;
  readonly json: string;
  readonly digest: Digest;
  /** Where the contributor says it came from; never hashed. */
  readonly source?: Source;
};

const rowsBetweenPauses = 500;
const newline = 0x0a;
const byteOrderMark = "\uFEFF";

/**
 * Reads JSON Lines as they arrive: one example (docs/protocol.md, section 3) a line, or `{"example": …, "source": …}`
 * with where it came from. A byte order mark at the very beginning, CRLF line ends and blank lines are allowed and are no rows; everything else must be an example that
 * a model can learn from.
 *
 * @throws DatanetError `malformed-upload` with `details` {line, column}, `too-large`, `empty-upload`.
 */
export async function readUpload(
  chunks: AsyncIterable<Uint8Array>,
  limits: UploadLimits = uploadLimits,
): Promise<UploadRow[]> {
  const rows: UploadRow[] = [];
  let line = 0;
  for await (const bytes of splitLines(chunks, limits)) {
    line++;
    // Blank lines are no rows, but they are work.
    if (line > 2 * limits.rowsMax + 1_000)
      throw new DatanetError(
        "too-large",
        `The upload has more than ${line - 1} lines, most of them blank. Take the blank lines out, or split it.`,
        { line },
      );
    // One chunk may hold thousands of lines: let the process answer others in between.
    if (line % rowsBetweenPauses === 0) await setImmediate();
    const text = decode(bytes, line);
    if (text.trim() === "") continue;
    if (rows.length >= limits.rowsMax) {
      throw new DatanetError(
        "too-large",
        `The upload has more than ${limits.rowsMax} rows. Split it into several contributions.`,
        { line },
      );
    }
    rows.push(readRow(text, line));
  }
  if (rows.length === 0) {
    throw new DatanetError(
      "empty-upload",
      'The upload holds no row. Expected one JSON object a line, such as {"prompt":"…","completion":"…"}.',
    );
  }
  return rows;
}

async function* splitLines(
  chunks: AsyncIterable<Uint8Array>,
  limits: UploadLimits,
): AsyncGenerator<Uint8Array> {
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let total = 0;
  let line = 1;
  const keep = (part: Uint8Array) => {
    pendingBytes += part.length;
    if (pendingBytes > limits.lineBytesMax) {
      throw new DatanetError(
        "too-large",
        `Line ${line} is longer than ${limits.lineBytesMax} bytes. Split the example, or check that lines end in a newline.`,
        { line },
      );
    }
    pending.push(part);
  };
  for await (const chunk of chunks) {
    total += chunk.length;
    if (total > limits.totalBytesMax) {
      throw new DatanetError(
        "too-large",
        `The upload is larger than ${limits.totalBytesMax} bytes. Split it into several contributions.`,
        { line },
      );
    }
    let from = 0;
    for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, from)) {
      keep(chunk.subarray(from, at));
      yield Buffer.concat(pending);
      pending = [];
      pendingBytes = 0;
      line++;
      from = at + 1;
    }
    if (from < chunk.length) keep(chunk.subarray(from));
  }
  if (pendingBytes > 0) yield Buffer.concat(pending);
}

function decode(bytes: Uint8Array, line: number): string {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw malformed(line, invalidColumn(bytes), "bytes that are not UTF-8; save the file as UTF-8");
  }
  return line === 1 && text.startsWith(byteOrderMark) ? text.slice(1) : text;
}

/** The column after the longest prefix that is UTF-8. */
function invalidColumn(bytes: Uint8Array): number {
  const lenient = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  for (let at = lenient.indexOf("\uFFFD"); at >= 0; at = lenient.indexOf("\uFFFD", at + 1)) {
    const prefix = Buffer.from(lenient.slice(0, at), "utf8");
    const genuine = bytes.subarray(prefix.length, prefix.length + 3);
    if (Buffer.compare(genuine, Buffer.from("\uFFFD", "utf8")) !== 0) return at + 1;
  }
  return 1;
}

function readRow(text: string, line: number): UploadRow {
  const read = readJson(text);
  if ("fault" in read) throw malformed(line, read.fault.column, read.fault.message);
  const { value, columnOf } = read;
  const sourced = typeof value === "object" && value !== null && "example" in value;
  const source = sourced ? sourceOf(value, line, columnOf) : undefined;
  const found = readExample(sourced ? value.example : value);
  if ("problem" in found) {
    const { path, message } = found.problem;
    throw malformed(line, columnOf(sourced ? ["example", ...path] : path), message);
  }
  return { line, ...found, digest: textDigest(found.json), ...(source === undefined ? {} : { source }) };
}

const sourcedSchema = z.strictObject({ example: z.unknown(), source: sourceSchema.exactOptional() });

function sourceOf(
  value: object,
  line: number,
  columnOf: (path: readonly PropertyKey[]) => number,
): Source | undefined {
  const parsed = sourcedSchema.safeParse(value);
  if (parsed.success) return parsed.data.source;
  const { path, message } = parsed.error.issues[0]!;
  throw malformed(line, columnOf(path), `${path.map(String).join(".") || "beside the example"}: ${message}`);
}

function malformed(line: number, column: number, what: string): DatanetError {
  return new DatanetError(
    "malformed-upload",
    `Line ${line}, column ${column}: ${what}. Nothing of this upload was stored.`,
    { line, column },
  );
}
