/** Files of any format as rows, read by the node as they arrive there. No document is needed here. */
import { ownHeader, refusalOf } from "../../../api/refusal.ts";
import type { Schema } from "../../../api/types.ts";
import { counted } from "../../../lib/format.ts";

export type Example = Schema<"Example">;
export type Source = { file: string; line?: number; page?: number; row?: number; offset?: number };
/** A row that became an example; `notes` say what to know of it, such as that a cell looks like a formula. */
export type ReadRow = { source: Source; example: Example; notes?: readonly string[] };
/** What became no row, and why; `columns` where somebody must say what a table's columns are. */
export type Unread = {
  source: Source;
  refused: { code: string; message: string; rows?: number; columns?: string[] };
};
/** What a file is taken for. */
export type Shape =
  | { kind: "table"; format: string; shape: string; columns: string[]; unused: string[] }
  | { kind: "document"; format: string };
/** Which columns make an example, where a person says so. */
export type Mapping = { prompt?: string; completion: string; system?: string; as?: "chat" | "completion" };

/** Rows that are signed and sent together. `rows[n]` is line n + 1 of `body`. */
export type Part = { rows: ReadRow[]; body: Blob; last: boolean };

/** A part's bounds: half of what the node takes, and what a browser holds with ease. */
export const partLimits = { rows: 50_000, bytes: 24 * 2 ** 20 };

const lineCharsMax = 4 * 2 ** 20;

/** The values of JSON Lines as they arrive. @throws Error when a line is longer than any row */
export async function* jsonLines(body: ReadableStream<Uint8Array>): AsyncGenerator<unknown> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      const lines = rest.split("\n");
      rest = done ? "" : (lines.pop() as string);
      if (rest.length > lineCharsMax) throw new Error("The node sent a line that is too long.");
      for (const line of lines) if (line !== "") yield JSON.parse(line);
      if (done) return;
    }
  } finally {
    await reader.cancel().catch(() => {}); // whoever stopped, or the node, has ended it already
  }
}

export type Reading = {
  mappings: ReadonlyMap<string, Mapping>;
  signal: AbortSignal;
  onShape: (file: string, shape: Shape | null) => void;
  onUnread: (unread: Unread) => void;
  onRows: (file: string, rows: number) => void;
};

type Line = { shape: Shape | null } | ReadRow | Unread | { end: true };

async function* linesOf(file: File, mapping: Mapping | undefined, signal: AbortSignal) {
  const query = new URLSearchParams({ name: file.name.slice(-1_024) || "file", ...mapping });
  const response = await fetch(`/v1/datanets/convert?${query}`, {
    method: "POST",
    headers: { "content-type": "application/octet-stream", ...ownHeader },
    body: file,
    signal,
  });
  if (!response.ok || !response.body) throw await refusalOf(response);
  let ended = false;
  for await (const line of jsonLines(response.body) as AsyncGenerator<Line>) {
    ended = "end" in line;
    yield line;
  }
  if (!ended) throw new Error(`The node stopped reading ${file.name} before its end. Try again.`);
}

/** Reads a file's rows. A stream that a pause has cut is opened again, and what was read is skipped. */
async function* rowsOf(
  file: File,
  { mappings, signal, onShape, onUnread }: Reading,
): AsyncGenerator<ReadRow> {
  for (let read = 0, opened = 1; ; opened++) {
    let at = 0;
    try {
      for await (const line of linesOf(file, mappings.get(file.name), signal)) {
        if ("shape" in line) {
          if (read === 0) onShape(file.name, line.shape);
          continue;
        }
        if ("end" in line || at++ < read) continue;
        read++;
        if ("refused" in line) onUnread(line);
        else yield line;
      }
      return;
    } catch (error) {
      // Only what went on since the last time is worth another try.
      if (signal.aborted || at <= 1 || opened > 1_000) throw error;
    }
  }
}

/** Reads files one after the other, in parts that fit into a contribution each; a part is given out when the next row is not its. */
export async function* partsOf(
  files: readonly File[],
  reading: Reading,
  limits = partLimits,
): AsyncGenerator<Part> {
  let rows: ReadRow[] = [];
  let lines: string[] = [];
  let bytes = 0;
  for (const file of files) {
    let count = 0;
    for await (const row of rowsOf(file, reading)) {
      // Notes are for who looks, not for who takes the rows.
      const line = `${JSON.stringify({ source: row.source, example: row.example })}\n`;
      // Characters of UTF-16 have at most three bytes each.
      if (rows.length > 0 && (rows.length >= limits.rows || bytes + 3 * line.length > limits.bytes)) {
        yield { rows, body: new Blob(lines), last: false };
        [rows, lines, bytes] = [[], [], 0];
      }
      rows.push(row);
      lines.push(line);
      bytes += 3 * line.length;
      if (++count % 200 === 0) reading.onRows(file.name, count);
    }
    reading.onRows(file.name, count);
  }
  if (rows.length > 0) yield { rows, body: new Blob(lines), last: true };
}

/** Whether it is a file, or what is left of one, rather than a row of it. */
export const isFile = ({ source: { line, page, row, offset } }: Unread): boolean =>
  line === undefined && page === undefined && row === undefined && offset === undefined;

/** How much became no row: files and rows apart. */
export function unreadInWords({ files, rows }: { files: number; rows: number }): string {
  const parts = [...(files > 0 ? [counted(files, "file")] : []), ...(rows > 0 ? [counted(rows, "row")] : [])];
  return `${parts.join(" and ")} ${files + rows === 1 ? "was" : "were"} not read`;
}

/** A row's place as a person looks it up: file, line or page. */
export function place({ file, line, page, row }: Source): string {
  if (line !== undefined) return `${file}, line ${line}`;
  if (page !== undefined) return `${file}, page ${page}`;
  return row === undefined ? file : `${file}, row ${row}`;
}
