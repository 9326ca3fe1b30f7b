import { setImmediate } from "node:timers/promises";
import { type CsvError, parse } from "csv-parse";
import { type FormatLimits, mebibytes } from "./limits.ts";
import { type RecordItem, type Refusal, UnreadableError } from "./source.ts";
import { badEncoding, textPieces } from "./text-bytes.ts";

/** A record as it came out of the parser, or why it did not; or blank lines. `line` is where it begins. */
type Found = { readonly line: number } & (
  | { readonly cells: readonly string[] }
  | { readonly empty: number }
  | { readonly refused: Refusal }
);

/**
 * Comma- or tab-separated values (RFC 4180) whose first record names the columns. Cells are text, whatever they look like: a formula
 * stays the text it is and is never computed. A row with nothing in its cells is one without columns.
 *
 * @throws UnreadableError `broken-csv`, `too-long`, `unknown-columns`
 */
export async function* readCsv(
  file: string,
  chunks: AsyncIterable<Uint8Array>,
  limits: FormatLimits,
  delimiter?: "\t",
): AsyncGenerator<RecordItem[]> {
  let columns: readonly string[] | undefined;
  let row = 0;
  for await (const batch of records(chunks, limits, delimiter)) {
    const items: RecordItem[] = [];
    for (const found of batch) {
      if (columns === undefined && "empty" in found) continue;
      if (columns === undefined) {
        if ("refused" in found)
          throw new UnreadableError("broken-csv", found.refused.message, { line: found.line });
        columns = "cells" in found ? columnNames(found.cells, limits) : undefined;
        continue;
      }
      const source = { file, line: found.line, row: row + 1 };
      row += "empty" in found ? found.empty : 1;
      if ("refused" in found) items.push({ source, refused: found.refused });
      else if ("empty" in found) items.push({ source, record: {}, rows: found.empty });
      else if (found.cells.every((cell) => cell.trim() === "")) items.push({ source, record: {} });
      else items.push({ source, ...recordOf(columns, found.cells) });
    }
    yield items;
  }
}

function recordOf(columns: readonly string[], cells: readonly string[]) {
  if (cells.length !== columns.length) {
    const message = `The row has ${cells.length} ${cells.length === 1 ? "cell" : "cells"}, the heading ${columns.length} ${columns.length === 1 ? "column" : "columns"}. Quote cells that hold the separator.`;
    return { refused: { code: "different-columns", message } as const };
  }
  if (cells.some((cell) => cell.includes("\uFFFD")))
    return {
      refused: {
        code: "bad-encoding",
        message: `The row holds U+FFFD, which stands for ${badEncoding}.`,
      } as const,
    };
  return { record: Object.fromEntries(columns.map((name, at) => [name, cells[at]!])) };
}

/** Columns without a name are called by their number, and a name that occurs again gets one. */
function columnNames(cells: readonly string[], { columnsMax }: FormatLimits): string[] {
  if (cells.length > columnsMax)
    throw new UnreadableError(
      "unknown-columns",
      `The heading has ${cells.length} columns, at most ${columnsMax} are read.`,
      {
        line: 1,
      },
    );
  const seen = new Map<string, number>();
  return cells.map((cell, at) => {
    const name = cell.trim() || `column ${at + 1}`;
    const times = (seen.get(name) ?? 0) + 1;
    seen.set(name, times);
    return times === 1 ? name : `${name} (${times})`;
  });
}

async function* records(
  chunks: AsyncIterable<Uint8Array>,
  { rowBytesMax }: FormatLimits,
  given?: "\t",
): AsyncGenerator<Found[]> {
  const queue: Found[] = [];
  let parser: ReturnType<typeof parse> | undefined;
  let failure: CsvError | undefined;
  // The parser counts a CRLF within quotes as two lines.
  let countedTwice = 0;
  let empties = 0;
  let next = 1;
  let endsLine = false;
  /** Blank lines since the last record, which ended before line `next`. */
  const countEmpties = (total: number) => {
    if (total > empties) queue.push({ line: next, empty: total - empties });
    empties = total;
  };
  const start = (delimiter: string) =>
    parse({
      delimiter,
      max_record_size: rowBytesMax,
      relax_column_count: true,
      relax_quotes: true,
      skip_empty_lines: true,
      skip_records_with_error: true,
      on_record: (cells: string[], { lines, empty_lines: empty }) => {
        countEmpties(empty);
        const breaks = cells.reduce((sum, cell) => sum + count(cell, "\n"), 0);
        countedTwice += cells.reduce((sum, cell) => sum + count(cell, "\r\n"), 0);
        queue.push({ line: lines - countedTwice - breaks, cells });
        next = lines - countedTwice + 1;
        return null;
      },
      on_skip: (error) => {
        if (error === undefined) return;
        const line = lineOf(error) - countedTwice;
        if (error.code === "CSV_MAX_RECORD_SIZE" || error.code === "CSV_QUOTE_NOT_CLOSED") failure = error;
        else queue.push({ line, refused: { code: "broken-csv", message: `${error.message}.` } });
      },
    }).resume();
  for await (const piece of textPieces(chunks)) {
    parser ??= start(given ?? separatorOf(piece));
    await push(parser, piece);
    endsLine = /[\r\n]$/.test(piece);
    await setImmediate();
    yield queue.splice(0);
    if (failure) break;
  }
  if (!failure && parser) {
    await end(parser);
    // The parser counts the end of the last line as an empty one.
    countEmpties(parser.info.empty_lines - (endsLine ? 1 : 0));
  }
  yield queue.splice(0);
  parser?.destroy();
  if (failure) throw stopped(failure, rowBytesMax, lineOf(failure) - countedTwice);
}

const lineOf = (error: CsvError): number => Number((error as { lines?: number }).lines ?? 1);

const push = (parser: ReturnType<typeof parse>, piece: string) =>
  new Promise<void>((resolve, reject) => {
    parser.write(piece, (error) => (error ? reject(error) : resolve()));
  });

const end = (parser: ReturnType<typeof parse>) =>
  new Promise<void>((resolve, reject) => {
    parser.once("error", reject).once("end", resolve).end();
  });

function stopped({ code }: CsvError, rowBytesMax: number, line: number): UnreadableError {
  const message =
    code === "CSV_QUOTE_NOT_CLOSED"
      ? "A quote is opened and never closed: what follows it is one endless cell."
      : `A row has more than ${mebibytes(rowBytesMax)}: a quote may be opened and not closed. Nothing behind it was read.`;
  return new UnreadableError(code === "CSV_QUOTE_NOT_CLOSED" ? "broken-csv" : "too-long", message, {
    line: Math.max(1, line),
  });
}

const count = (text: string, part: string): number => (text.includes(part) ? text.split(part).length - 1 : 0);

/** The separator that the heading holds most of, outside quotes. */
function separatorOf(piece: string): string {
  const heading = piece
    .slice(0, 64 * 1024)
    .split(/\r?\n|\r/, 1)[0]!
    .replace(/"[^"]*"/g, "");
  const found = [",", ";", "\t", "|"].map((mark) => ({ mark, times: count(heading, mark) }));
  return found.reduce((best, next) => (next.times > best.times ? next : best)).mark;
}
