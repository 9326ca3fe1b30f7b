/** Files of any format as what is sent to a node: lines with their source, in parts that fit into a contribution each. */
import { readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import {
  type ConvertedRow,
  type ConvertOptions,
  type FileShape,
  fileInput,
  type InputFile,
  maskExample,
  openConversion,
  type Refusal,
  type Source,
  uploadLimits,
} from "../datanets/index.ts";
import { type Digest, type Example, exampleDigest, examplesDigest } from "../protocol/index.ts";
import { CliError, exitCodes } from "./errors.ts";
import { cannotRead } from "./files.ts";
import type { Io } from "./io.ts";
import { progressBar } from "./progress.ts";

/** Rows of one contribution. `rows[n]` is line n + 1 of `text`. */
export type Part = {
  readonly text: Uint8Array;
  readonly rows: readonly {
    readonly source: Source;
    readonly example: Example;
    readonly notes: readonly string[];
  }[];
};

/** What became no row. */
export type Unread = { readonly source: Source; readonly refused: Refusal };

/** What reading has found so far. */
export type Reading = {
  readonly shapes: { file: string; shape: FileShape }[];
  /** The first of what became no row, and how much there is of it. */
  readonly unread: Unread[];
  unreadRows: number;
};

export const startReading = (): Reading => ({ shapes: [], unread: [], unreadRows: 0 });

const unreadKept = 1_000;
const filesMax = 10_000;
/** Files that are read at a glance need no progress. */
const progressBytesMin = 8 * 2 ** 20;
/** Room for the rest of a part: the node counts line ends and sources, too. */
const partBytesMax = uploadLimits.totalBytesMax - 2 * uploadLimits.lineBytesMax;

/** The files that are named, and those within a folder that is named. @throws CliError where one cannot be read */
function inputs(paths: readonly string[], onBytes: (file: number, bytes: number) => void) {
  const found: { input: InputFile; bytes: number }[] = [];
  const add = (path: string, name?: string) => {
    const at = found.length;
    if (at >= filesMax)
      throw new CliError(`More than ${filesMax} files are too many at once.`, { exitCode: exitCodes.usage });
    const { bytes, ...input } = fileInput(path, (read) => onBytes(at, read));
    // A source's file has at most 1,024 characters.
    found.push({ input: { ...input, name: (name ?? input.name).slice(-1_024) }, bytes });
  };
  for (const path of paths) {
    try {
      if (path === "-") found.push({ input: { name: "standard input", chunks: process.stdin }, bytes: 0 });
      else if (!statSync(path).isDirectory()) add(path);
      else
        for (const entry of readdirSync(path, { recursive: true, withFileTypes: true }))
          if (entry.isFile() && !entry.name.startsWith(".")) {
            const inside = join(entry.parentPath, entry.name);
            add(inside, relative(path, inside));
          }
    } catch (cause) {
      if (cause instanceof CliError) throw cause;
      throw cannotRead(path, cause);
    }
  }
  return found;
}

/**
 * Reads files one after the other. A part is given out when the next row does not fit into it.
 *
 * @param reading is told of each file's shape, and of what became no row
 * @throws CliError at once where one of them is not there
 */
export function readParts(
  paths: readonly string[],
  options: ConvertOptions,
  reading: Reading,
  io: Io,
  limits = { rowsMax: uploadLimits.rowsMax, bytesMax: partBytesMax },
): AsyncGenerator<Part> {
  const read = new Map<number, number>();
  const files = inputs(paths, (file, bytes) => read.set(file, bytes));
  return partsOf(files, read, options, reading, io, limits);
}

/** @param read bytes that were read of each file so far */
async function* partsOf(
  files: ReturnType<typeof inputs>,
  read: ReadonlyMap<number, number>,
  options: ConvertOptions,
  reading: Reading,
  io: Io,
  { rowsMax, bytesMax }: { readonly rowsMax: number; readonly bytesMax: number },
): AsyncGenerator<Part> {
  const bytesAll = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const bar = bytesAll >= progressBytesMin ? progressBar(io, "reading") : undefined;
  const whole = files.map(({ bytes }) => bytes);
  let lines: Buffer[] = [];
  let rows: Part["rows"][number][] = [];
  let bytes = 0;
  const take = (): Part => {
    const part = { text: Buffer.concat(lines), rows };
    [lines, rows, bytes] = [[], [], 0];
    return part;
  };
  try {
    for (const [at, { input }] of files.entries()) {
      const { shape, batches } = await openConversion(input, options);
      if (shape) reading.shapes.push({ file: input.name, shape });
      for await (const batch of batches) {
        for (const row of batch) {
          if ("refused" in row) {
            remember(reading, row);
            continue;
          }
          const { source, example, notes = [] } = row;
          const line = Buffer.from(`${JSON.stringify({ example, source })}\n`, "utf8");
          if (rows.length >= rowsMax || bytes + line.length > bytesMax) yield take();
          lines.push(line);
          rows.push({ source, example, notes });
          bytes += line.length;
        }
        const done = whole.slice(0, at).reduce((sum, size) => sum + size, 0) + (read.get(at) ?? 0);
        bar?.update(done, bytesAll, `${rows.length} rows`);
      }
    }
  } finally {
    bar?.end();
  }
  if (rows.length > 0) yield take();
}

function remember(reading: Reading, row: Extract<ConvertedRow, { refused: unknown }>): void {
  reading.unreadRows += row.refused.rows ?? 1;
  if (reading.unread.length < unreadKept) reading.unread.push(row);
}

/**
 * What is signed must be what was read, whatever the node says: every digest is computed here as well, of masked rows where the Datanet
 * masks personal data.
 *
 * @throws CliError when the node's preview is of something else
 */
export function assertSameRows(
  part: Pick<Part, "rows">,
  preview: { readonly examplesDigest: Digest; readonly exampleCount: number; readonly mask?: boolean },
): void {
  const masked = (example: Example) => (preview.mask ? maskExample(example) : example);
  const digest = examplesDigest(part.rows.map(({ example }) => exampleDigest(masked(example))));
  if (digest === preview.examplesDigest && part.rows.length === preview.exampleCount) return;
  throw new CliError("The node's preview is not of these rows; nothing was signed.", {
    expected: `${part.rows.length} rows, digest ${digest}`,
    actual: `${preview.exampleCount} rows, digest ${preview.examplesDigest}`,
    fix: ["Use another node: this one asked for a signature over other rows than were sent."],
    code: "preview-mismatch",
  });
}
