import { z } from "zod";
import type { Example } from "../../protocol/index.ts";

const nth = z.int().min(1).max(Number.MAX_SAFE_INTEGER);

/** What an upload may say about where an example came from. It stands beside the example and is never hashed. */
export const sourceSchema = z.strictObject({
  file: z.string().min(1).max(1_024),
  line: nth.exactOptional(),
  page: nth.exactOptional(),
  offset: z.int().min(0).max(Number.MAX_SAFE_INTEGER).exactOptional(),
  row: nth.exactOptional(),
  sheet: z.string().max(256).exactOptional(),
});

/** Where a row came from. `line`, `page` and `row` (of a DOCX: the paragraph) count from 1; `offset` counts bytes of the file from 0. */
export type Source = {
  readonly file: string;
  readonly line?: number;
  readonly page?: number;
  readonly offset?: number;
  readonly row?: number;
  readonly sheet?: string;
};

/** A place as editors write it: file, line or page. */
export function place({ file, line, page, row, offset }: Source): string {
  const rest =
    line !== undefined
      ? `:${line}`
      : page !== undefined
        ? ` page ${page}`
        : row !== undefined
          ? ` row ${row}`
          : offset !== undefined
            ? ` byte ${offset}`
            : "";
  return `${file}${rest}`;
}

/**
 * Why a row, or a whole file, became no example. `rows` counts what is refused together, where it is more than one; `columns` are those of
 * a table of which somebody must say what its columns are.
 */
export type Refusal = {
  readonly code: RefusalCode;
  readonly message: string;
  readonly rows?: number;
  readonly columns?: readonly string[];
};

/** What is known to go wrong, by name: programs branch on it. */
export type RefusalCode =
  | "bad-encoding"
  | "broken-csv"
  | "broken-docx"
  | "broken-json"
  | "broken-parquet"
  | "broken-pdf"
  | "cut-short"
  | "different-columns"
  | "empty-file"
  | "empty-row"
  | "encrypted"
  | "no-text"
  | "not-an-example"
  | "not-an-object"
  | "too-large"
  | "too-long"
  | "too-slow"
  | "unknown-columns"
  | "unknown-format"
  | "zip-bomb";

/** One outcome: an example, or the reason there is none. `notes` say what a reader should know of an example that was kept. */
export type ConvertedRow =
  | { readonly source: Source; readonly example: Example; readonly notes?: readonly string[] }
  | { readonly source: Source; readonly refused: Refusal };

/** A row by its columns. */
export type Row = Readonly<Record<string, unknown>>;

/** What a reader of tables gives. A row with nothing in it has no columns; `rows` counts several of those. */
export type RecordItem =
  | { readonly source: Source; readonly record: Row; readonly rows?: number }
  | { readonly source: Source; readonly refused: Refusal };

/** What a reader of documents gives: a heading (of level 1 to 6) or a paragraph. */
export type BlockItem =
  | { readonly source: Source; readonly text: string; readonly level?: number }
  | { readonly source: Source; readonly refused: Refusal };

/** What cannot be read on: the reader ends with it, and it becomes the last row. */
export class UnreadableError extends Error {
  override readonly name = "UnreadableError";
  readonly code: RefusalCode;
  readonly place: Omit<Source, "file">;
  /** Of a table, where the columns are what is not understood. */
  readonly columns: readonly string[] | undefined;

  constructor(
    code: RefusalCode,
    message: string,
    place: Omit<Source, "file"> = {},
    columns?: readonly string[],
  ) {
    super(message);
    this.code = code;
    this.place = place;
    this.columns = columns;
  }
}
