import { z } from "zod";
import { chunkDefaults, createChunker } from "./chunks.ts";
import { readCsv } from "./csv.ts";
import { type Detected, detectFormat, type Format, formats, headBytes } from "./detect.ts";
import { readHeld } from "./held.ts";
import { type InputFile, peek, readWhole } from "./input.ts";
import { readJsonLines } from "./json-lines.ts";
import { readJsonValues } from "./json-values.ts";
import { type FormatLimits, formatLimits } from "./limits.ts";
import { mappingSchema } from "./mapping.ts";
import type { BlockItem, ConvertedRow, RecordItem } from "./source.ts";
import { UnreadableError } from "./source.ts";
import { checked, openTable, type TableShape } from "./table.ts";
import { readText } from "./text-blocks.ts";
import { utf8Chunks } from "./text-bytes.ts";

/** How a file is to be read; without any of it, the file decides. */
export const convertOptionsSchema = z.strictObject({
  format: z.enum(formats).exactOptional(),
  mapping: mappingSchema.exactOptional(),
  as: z.enum(["chat", "completion"]).exactOptional(),
  /** Characters of a document's chunk, and of the chunk before that it begins with. */
  characters: z.int().min(100).max(50_000).default(chunkDefaults.characters),
  overlap: z.int().min(0).max(10_000).default(chunkDefaults.overlap),
});
export type ConvertOptions = z.input<typeof convertOptionsSchema>;

/** What a file is taken for. */
export type FileShape = { readonly format: Format; readonly encoding: Detected["encoding"] } & (
  | ({ readonly kind: "table" } & TableShape)
  | { readonly kind: "document" }
);

/** A file that has been looked at: what it is, and its rows, many at a time. `shape` is undefined where they hold nothing but the reason. */
export type Conversion = {
  readonly shape: FileShape | undefined;
  readonly batches: AsyncGenerator<ConvertedRow[]>;
};

/**
 * Looks at the beginning of a file and says what it is taken for; its rows then come as they are asked for. What is wrong with a file is a
 * row of its own, the last one, and never an error.
 */
export async function openConversion(
  file: InputFile,
  given: ConvertOptions = {},
  limits: FormatLimits = formatLimits,
): Promise<Conversion> {
  const options = convertOptionsSchema.parse(given);
  try {
    const { head, chunks } = await peek(file.chunks, headBytes);
    const detected = detectFormat(file.name, head, options.format);
    return await openDetected({ ...file, chunks }, detected, options, limits);
  } catch (error) {
    if (!(error instanceof UnreadableError)) throw error;
    return { shape: undefined, batches: one(refusalOf(file.name, error)) };
  }
}

/** A text has as many rows as its length over that of one, each with the headings above it: all of them are not held together. */
const blocksAtOnce = 64;

/** From a file to examples with their source, one after the other; see {@link openConversion}. */
export async function* convert(
  file: InputFile,
  options: ConvertOptions = {},
  limits: FormatLimits = formatLimits,
): AsyncGenerator<ConvertedRow> {
  const { batches } = await openConversion(file, options, limits);
  for await (const rows of batches) yield* rows;
}

async function openDetected(
  file: InputFile,
  { format, ...text }: Detected,
  { mapping, as, characters, overlap }: z.output<typeof convertOptionsSchema>,
  limits: FormatLimits,
): Promise<Conversion> {
  const { name } = file;
  const chunks = { characters, overlap: Math.min(overlap, Math.floor(characters / 2)) };
  const { encoding } = text;
  const utf8 = () => utf8Chunks(file.chunks, text);
  const table = async (items: AsyncGenerator<RecordItem[]>): Promise<Conversion> => {
    const options = { ...(mapping ? { mapping } : {}), ...(as ? { as } : {}), chunks, limits };
    const opened = await openTable(items, options);
    return { shape: { kind: "table", format, encoding, ...opened.table }, batches: told(name, opened.rows) };
  };
  const document = (blocks: AsyncGenerator<BlockItem[]>): Conversion => {
    async function* rows(): AsyncGenerator<ConvertedRow[]> {
      const chunker = createChunker(chunks);
      const whole = (found: ConvertedRow[]) => found.map((row) => checked(row, limits));
      for await (const batch of blocks)
        for (let at = 0; at < batch.length; at += blocksAtOnce)
          yield whole(batch.slice(at, at + blocksAtOnce).flatMap((block) => chunker.add(block)));
      yield whole(chunker.end());
    }
    return { shape: { kind: "document", format, encoding }, batches: told(name, rows()) };
  };
  switch (format) {
    case "jsonl":
      return table(readJsonLines(name, utf8(), limits));
    case "json":
      return table(readJsonValues(name, utf8(), limits));
    case "csv":
      return table(readCsv(name, utf8(), limits));
    case "tsv":
      return table(readCsv(name, utf8(), limits, "\t"));
    case "text":
    case "markdown": {
      const markBytes = encoding === "utf-8" ? text.markBytes : undefined;
      return document(readText(name, utf8(), { markdown: format === "markdown", markBytes }, limits));
    }
    case "parquet": {
      const content =
        file.path === undefined
          ? { bytes: await whole(file, "A Parquet file that is sent", limits) }
          : { path: file.path };
      return table(readHeld({ format, file: name, content, limits }) as AsyncGenerator<RecordItem[]>);
    }
    case "pdf":
    case "docx": {
      const bytes = await whole(file, format === "pdf" ? "A PDF" : "A Word document", limits);
      return document(
        readHeld({ format, file: name, content: { bytes }, limits }) as AsyncGenerator<BlockItem[]>,
      );
    }
  }
}

const whole = (file: InputFile, what: string, limits: FormatLimits) => readWhole(file.chunks, what, limits);

/** The rows; what cannot be read on becomes the last one, and a file without any row says so. */
async function* told(file: string, batches: AsyncGenerator<ConvertedRow[]>): AsyncGenerator<ConvertedRow[]> {
  let any = false;
  try {
    for await (const rows of batches) {
      any ||= rows.length > 0;
      if (rows.length > 0) yield rows;
    }
  } catch (error) {
    if (!(error instanceof UnreadableError)) throw error;
    yield [refusalOf(file, error)];
    return;
  }
  if (!any)
    yield [
      { source: { file }, refused: { code: "empty-file", message: "The file holds no row and no text." } },
    ];
}

const refusalOf = (file: string, { place, code, message, columns }: UnreadableError): ConvertedRow => ({
  source: { file, ...place },
  refused: { code, message, ...(columns && { columns }) },
});

async function* one(row: ConvertedRow): AsyncGenerator<ConvertedRow[]> {
  yield [row];
}
