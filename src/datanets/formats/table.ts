import { readExample } from "../example.ts";
import { type ChunkOptions, createChunker } from "./chunks.ts";
import type { FormatLimits } from "./limits.ts";
import { mebibytes } from "./limits.ts";
import { type MappedAs, type Mapping, mappedColumns, mapRow } from "./mapping.ts";
import {
  columnList,
  columnsOf,
  isAnswer,
  isExample,
  type Shape,
  type Shaped,
  shapeOf,
  shapeRow,
} from "./shapes.ts";
import {
  type ConvertedRow,
  type RecordItem,
  type Row,
  type Source,
  sourceSchema,
  UnreadableError,
} from "./source.ts";

export type TableOptions = {
  readonly mapping?: Mapping;
  readonly as?: MappedAs;
  readonly chunks: ChunkOptions;
  readonly limits: FormatLimits;
};

/** What the first rows say of a table. */
export type TableShape = {
  /** What the columns are taken for. */
  readonly shape: Shape["kind"] | "mapping";
  readonly columns: readonly string[];
  /** Columns that become part of no example. */
  readonly unused: readonly string[];
};

const firstRows = 20;
/** Rows that are looked at for the first that says something. */
const itemsHeldMax = 10_000;

/** Looks at the first rows; `rows` converts all of them. @throws UnreadableError `unknown-columns` */
export async function openTable(
  batches: AsyncGenerator<RecordItem[]>,
  options: TableOptions,
): Promise<{ table: TableShape; rows: AsyncGenerator<ConvertedRow[]> }> {
  const first: RecordItem[] = [];
  let failure: unknown;
  for (let records = 0; records < firstRows && first.length < itemsHeldMax; ) {
    try {
      const next = await batches.next();
      if (next.done) break;
      for (const item of next.value) {
        first.push(item);
        if ("record" in item && !isBlank(item.record)) records++;
      }
    } catch (error) {
      failure = error;
      break;
    }
  }
  const records = first.flatMap((item) => ("record" in item && !isBlank(item.record) ? [item.record] : []));
  if (records.length === 0 && failure !== undefined) throw failure;
  const columns = new Set(records.flatMap((record) => Object.keys(record)));
  const { shape, table } = tableOf(records, columns, options);
  async function* all(): AsyncGenerator<RecordItem[]> {
    yield first.splice(0);
    if (failure !== undefined) throw failure;
    yield* batches;
  }
  return { table, rows: convertRows(all(), shape, columns, options) };
}

function tableOf(records: readonly Row[], columns: ReadonlySet<string>, { mapping }: TableOptions) {
  const describe = (shape: TableShape["shape"], used: readonly string[]): TableShape => ({
    shape,
    columns: [...columns],
    unused: [...columns].filter((column) => !used.includes(column)),
  });
  if (records.length === 0) return { shape: undefined, table: describe(mapping ? "mapping" : "example", []) };
  if (mapping) return { shape: undefined, table: describe("mapping", mappedColumns(mapping, columns)) };
  const votes = new Map<string, { shape: Shape; times: number }>();
  for (const record of records) {
    const shape = shapeOf(record);
    if (shape === undefined) continue;
    const key = JSON.stringify(shape);
    votes.set(key, { shape, times: (votes.get(key)?.times ?? 0) + 1 });
  }
  const [best] = [...votes.values()].sort((a, b) => b.times - a.times);
  if (best === undefined)
    throw new UnreadableError(
      "unknown-columns",
      `The columns fit no shape that is known. The file has: ${columnList([...columns])}. Say which of them to use, such as ` +
        `${likelyMapping(records, [...columns])}.`,
      {},
      [...columns],
    );
  const used = best.shape.kind === "example" ? [...columns] : columnsOf(best.shape);
  return { shape: best.shape, table: describe(best.shape.kind, used) };
}

/** What a person may have meant: the answer is called so or stands last, and a text asks, not a number. */
function likelyMapping(records: readonly Row[], columns: readonly string[]): string {
  const completion = columns.find(isAnswer) ?? columns.at(-1) ?? "answer";
  const [first = {}] = records;
  const words = (column: string) =>
    typeof first[column] === "string" && !/^\s*[\d.,]*\s*$/.test(first[column]);
  const prompt = columns.find((column) => column !== completion && words(column)) ?? "question";
  return `prompt=${prompt} and completion=${completion}`;
}

async function* convertRows(
  batches: AsyncGenerator<RecordItem[]>,
  shape: Shape | undefined,
  columns: ReadonlySet<string>,
  options: TableOptions,
): AsyncGenerator<ConvertedRow[]> {
  let empty = 0;
  let firstEmpty: Source | undefined;
  for await (const batch of batches) {
    const rows: ConvertedRow[] = [];
    for (const item of batch) {
      if ("refused" in item) rows.push(item);
      else if (isBlank(item.record)) {
        empty += item.rows ?? 1;
        firstEmpty ??= item.source;
      } else if (!options.mapping && isExample(item.record))
        rows.push(given(item.source, item.record, options.limits));
      else
        rows.push(
          ...shapedRows(item.source, shaped(item.record, shape, columns, options), item.record, options),
        );
    }
    yield rows;
  }
  if (!firstEmpty) return;
  const message = empty === 1 ? "An empty row." : `${empty} empty rows; this is the first.`;
  yield [{ source: firstEmpty, refused: { code: "empty-row", message, rows: empty } }];
}

function shaped(
  record: Row,
  shape: Shape | undefined,
  columns: ReadonlySet<string>,
  options: TableOptions,
): Shaped {
  if (options.mapping) return mapRow(record, options.mapping, options.as ?? "chat", columns);
  const own = shape === undefined || shape.kind === "example" ? shapeOf(record) : shape;
  if (own === undefined || own.kind === "example")
    return { problem: `The row's columns fit no shape that is known: ${columnList(Object.keys(record))}.` };
  return shapeRow(record, own);
}

function shapedRows(
  source: Source,
  found: Shaped,
  record: Row,
  { as, chunks, limits }: TableOptions,
): ConvertedRow[] {
  if ("problem" in found) return [{ source, refused: { code: "not-an-example", message: found.problem } }];
  const notes = formulaNotes(record);
  if ("text" in found) {
    const chunker = createChunker(chunks);
    const paragraphs = found.text.split(/\n{2,}/).filter((text) => text.trim() !== "");
    const rows = [...paragraphs.flatMap((text) => chunker.add({ source, text })), ...chunker.end()];
    if (rows.length === 0)
      return [{ source, refused: { code: "no-text", message: "The row's text is blank." } }];
    return rows.map((row) => withNotes(checked(row, limits), notes));
  }
  const { example } = found;
  const asked = as === "chat" && "prompt" in example && example.prompt.trim() !== "";
  const wanted = asked
    ? {
        messages: [
          { role: "user" as const, content: example.prompt },
          { role: "assistant" as const, content: example.completion },
        ],
      }
    : example;
  return [withNotes(checked({ source, example: wanted }, limits), notes)];
}

/** A row that is an example already; one with a source beside it keeps that. */
function given(here: Source, record: Row, limits: FormatLimits): ConvertedRow {
  if (!("example" in record)) return checked({ source: here, example: record as never }, limits);
  const parsed = sourceSchema.safeParse(record.source ?? here);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const message = `source.${issue?.path.join(".") ?? ""}: ${issue?.message ?? "not valid"}.`;
    return { source: here, refused: { code: "not-an-example", message } };
  }
  return checked({ source: parsed.data, example: record.example as never }, limits);
}

/** The row, if it is an example that fits into a line of a contribution; else why it is none. */
export function checked(row: ConvertedRow, { exampleBytesMax }: FormatLimits): ConvertedRow {
  if ("refused" in row) return row;
  const { source } = row;
  const found = readExample(row.example);
  if ("problem" in found)
    return { source, refused: { code: "not-an-example", message: `${found.problem.message}.` } };
  const bytes = Buffer.byteLength(found.json);
  if (bytes <= exampleBytesMax) return { ...row, example: found.example };
  const message = `The example has ${mebibytes(bytes)}; at most ${mebibytes(exampleBytesMax)} fit. Split it.`;
  return { source, refused: { code: "too-long", message } };
}

const withNotes = (row: ConvertedRow, notes: readonly string[]): ConvertedRow =>
  "refused" in row || notes.length === 0 ? row : { ...row, notes };

const isBlank = (record: Row): boolean =>
  Object.values(record).every(
    (value) => value === null || value === undefined || (typeof value === "string" && value.trim() === ""),
  );

/** Cells that a spreadsheet would compute are kept as text, and pointed out: whoever opens an export in one should know. */
function formulaNotes(record: Row): string[] {
  return Object.entries(record).flatMap(([column, value]) =>
    typeof value === "string" && /^(?:[=@]|[+-][A-Za-z(@])[^\s]/.test(value)
      ? [`Column ${column.slice(0, 60)} begins like a spreadsheet formula; it is kept as text.`]
      : [],
  );
}
