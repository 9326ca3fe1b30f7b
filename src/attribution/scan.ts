/**
 * Exact scans: a query against every row of an index. Rows are copied once into WebAssembly memory and stay there; every sum is an exact
 * integer, bit for bit the same as from the plain JavaScript beside it and, for int16 rows, from the contracts.
 */
import { codeRows, instantiate, int8Columns, type Kernels, streams, vectorBytes } from "./kernels.ts";
import { WebAssembly } from "./wasm.ts";

/** Rows from one number to before another. */
export type RowRange = readonly [from: number, to: number];

/** Columns of a row, from the first row of a range to its last. */
export type RowSource<Row> = (i: number) => Row;

export type Scan<Query, Row = unknown> = {
  readonly rows: number;
  /** Puts other rows in the place of those of some ranges, by default of all. */
  fill(row: RowSource<Row>, ranges?: readonly RowRange[]): void;
  /** Bytes that a scan of everything reads. */
  readonly bytes: number;
  /**
   * @param ranges which rows are wanted, by default all; the numbers of others mean nothing
   * @returns one exact integer a row
   * @throws RangeError when the query has another length than the rows, or a number out of range
   */
  scores(query: Query, ranges?: readonly RowRange[]): Float64Array;
  /** Reads every byte once and only adds them up: what the speed of a scan is held against. */
  read(): void;
};

export type ScanShape = { readonly rows: number; readonly columns: number };
export type ScanRows<Row> = ScanShape & {
  /** Asked for once, from the first row to the last. */
  readonly row: RowSource<Row>;
};
/** Without rows they are zero until they are filled in. */
type ScanInput<Row> = ScanShape & Partial<ScanRows<Row>>;

/** One memory holds about 2³⁰ bytes of rows; WebAssembly's addresses end at 2³². */
const shardBytes = 2 ** 30;

/** Rows lie in units: single rows, or groups that are interleaved. */
type Layout = { readonly unitRows: number; readonly unitBytes: number; readonly queryBytes: number };

type Shard = {
  readonly kernels: Kernels;
  readonly bytes: Uint8Array;
  /** Its first row's number and how many there are. */
  readonly first: number;
  readonly rows: number;
  /** Where rows and sums begin; the query does at {@link queryAt}. */
  readonly at: number;
  readonly out: number;
};
const queryAt = 64;

function createShards(rows: number, { unitRows, unitBytes, queryBytes }: Layout): Shard[] {
  const most = Math.max(1, Math.floor(shardBytes / unitBytes)) * unitRows;
  const shards: Shard[] = [];
  for (let first = 0; first < rows; first += most) {
    const count = Math.min(most, rows - first);
    const units = Math.ceil(count / unitRows) + streams - 1; // the last stream of a range may run over its end
    const at = queryAt + Math.ceil(queryBytes / 64) * 64;
    const out = at + units * unitBytes;
    const memory = new WebAssembly.Memory({ initial: Math.ceil((out + 8 * units * unitRows) / 65_536) });
    const bytes = new Uint8Array(memory.buffer);
    shards.push({ kernels: instantiate(memory), bytes, first, rows: count, at, out });
  }
  return shards;
}

/** Calls `scan` with the wanted rows of every shard, in units; `quarter` units is how far the streams are apart. */
function scanRanges(
  shards: readonly Shard[],
  unitRows: number,
  ranges: readonly RowRange[],
  scan: (shard: Shard, from: number, to: number, quarter: number) => void,
): void {
  for (const shard of shards)
    for (const [from, to] of ranges) {
      const first = Math.max(0, from - shard.first);
      const end = Math.min(shard.rows, to - shard.first);
      if (first >= end) continue;
      const unit = Math.floor(first / unitRows);
      const quarter = Math.ceil((Math.ceil(end / unitRows) - unit) / streams);
      scan(shard, unit, end, quarter);
    }
}

/** Asks for the rows of some ranges, and puts each where it belongs. */
function fillRanges<Row extends ArrayLike<number>>(
  shards: readonly Shard[],
  columns: number,
  row: RowSource<Row>,
  ranges: readonly RowRange[],
  put: (shard: Shard, i: number, values: Row) => void,
): void {
  for (const shard of shards)
    for (const [from, to] of ranges)
      for (let i = Math.max(0, from - shard.first); i < Math.min(shard.rows, to - shard.first); i++) {
        const values = row(shard.first + i);
        checkRow(values.length, shard.first + i, columns);
        put(shard, i, values);
      }
}

function readAll(shards: readonly Shard[]): void {
  for (const { kernels, at, out } of shards) {
    const quarter = Math.floor((out - at) / streams / vectorBytes) * vectorBytes;
    kernels.read(at, quarter, at + quarter, 0);
  }
}

function checkShape(rows: number, columns: number, mostColumns: number): void {
  if (
    !Number.isInteger(rows) ||
    rows < 0 ||
    !Number.isInteger(columns) ||
    columns < 1 ||
    columns > mostColumns
  )
    throw new RangeError(
      `A scan takes rows of 1 to ${mostColumns} columns; got ${rows} rows of ${columns} columns.`,
    );
}

function checkRow(length: number, i: number, columns: number): void {
  if (length !== columns) throw new RangeError(`Row ${i} has ${length} columns; expected ${columns}.`);
}

function checkQuery(query: Int16Array | Int8Array, columns: number, largest: number): void {
  if (query.length !== columns)
    throw new RangeError(`The query has ${query.length} columns; expected ${columns}.`);
  for (let i = 0; i < columns; i++)
    if (Math.abs(query[i] as number) > largest)
      throw new RangeError(`Column ${i} of the query is ${query[i]}; it must lie within ±${largest}.`);
}

function createRowScan<Row extends Int16Array | Int8Array>(
  kind: "int16" | "int8",
  { rows, columns, row: first }: ScanInput<Row>,
  mostColumns: number,
  largest: number,
): Scan<Row, Row> {
  checkShape(rows, columns, mostColumns);
  const size = kind === "int16" ? 2 : 1;
  const stride = Math.ceil((columns * size) / vectorBytes) * vectorBytes;
  const shards = createShards(rows, { unitRows: 1, unitBytes: stride, queryBytes: (stride / size) * 2 });
  const fill = (row: RowSource<Row>, ranges: readonly RowRange[] = [[0, rows]]) =>
    fillRanges(shards, columns, row, ranges, ({ bytes, at }, i, { buffer, byteOffset, byteLength }) =>
      bytes.set(new Uint8Array(buffer, byteOffset, byteLength), at + i * stride),
    );
  if (first !== undefined) fill(first);
  return {
    rows,
    fill,
    bytes: rows * stride,
    scores(query, ranges = [[0, rows]]) {
      checkQuery(query, columns, largest);
      const scores = new Float64Array(rows);
      for (const { bytes } of shards) new Int16Array(bytes.buffer, queryAt, columns).set(query);
      scanRanges(shards, 1, ranges, ({ kernels, bytes, at, out, first }, from, to, quarter) => {
        const sums = new Float64Array(bytes.buffer, out + 8 * from, streams * quarter).fill(0);
        for (let column = 0; column < stride; column += int8Columns)
          kernels[kind](
            at + from * stride + column,
            quarter * stride,
            stride,
            Math.min(int8Columns, stride - column),
            queryAt + (column / size) * 2,
            out + 8 * from,
            out + 8 * (from + quarter),
          );
        scores.set(sums.subarray(0, to - from), first + from);
      });
      return scores;
    },
    read: () => readAll(shards),
  };
}

/**
 * The pay index: `Σ row[i] · q[i]`, at most 2⁴⁰ in magnitude. The query must lie within ±32,767, as `projectQuery` makes it: two products
 * of −32,768 by itself would not fit in 32 bits.
 */
export const createInt16Scan = (rows: ScanInput<Int16Array>): Scan<Int16Array, Int16Array> =>
  createRowScan("int16", rows, 1024, 32_767);

/** The explain index in whole bytes: `Σ row[i] · q[i]` for a query within ±127. */
export const createInt8Scan = (rows: ScanInput<Int8Array>): Scan<Int8Array, Int8Array> =>
  createRowScan("int8", rows, 2 ** 26, 127);

/** What {@link createInt16Scan} and {@link createInt8Scan} compute. */
export function scanRowsReference<Row extends Int16Array | Int8Array>(
  { rows, columns, row }: ScanRows<Row>,
  query: Row,
): Float64Array {
  return Float64Array.from({ length: rows }, (_, i) => {
    const values = row(i);
    let sum = 0;
    for (let j = 0; j < columns; j++) sum += (values[j] as number) * (query[j] as number);
    return sum + 0; // −0 is not an integer
  });
}

/** Entries of one code's table, and how large they may be on either side of zero. */
export const codeEntries = 16;
export const codeEntryLimit = 60;

/**
 * The explain index in four-bit codes, two a byte, the lower half first: `Σ_j table_j[code_j]`, the tables being the query.
 *
 * @param rows `columns` is the number of bytes in a row
 * @returns a scan whose query is 2 · columns tables of 16 entries within ±60
 */
export function createCodeScan({
  rows,
  columns,
  row: first,
}: ScanInput<Uint8Array>): Scan<Int8Array, Uint8Array> {
  checkShape(rows, columns, 2 ** 22);
  const layout = { unitRows: codeRows, unitBytes: codeRows * columns, queryBytes: 2 * columns * codeEntries };
  const shards = createShards(rows, layout);
  const fill = (row: RowSource<Uint8Array>, ranges: readonly RowRange[] = [[0, rows]]) =>
    fillRanges(shards, columns, row, ranges, ({ bytes, at }, i, values) => {
      // Even bytes belong to a group's first eight rows, odd bytes to the others (kernels.ts).
      const within = i % codeRows;
      const lane = within < codeRows / 2 ? 2 * within : 2 * within - codeRows + 1;
      const start = at + (i - within) * columns + lane;
      for (let j = 0; j < columns; j++) bytes[start + j * codeRows] = values[j] as number;
    });
  if (first !== undefined) fill(first);
  return {
    rows,
    fill,
    bytes: rows * columns,
    scores(tables, ranges = [[0, rows]]) {
      checkQuery(tables, 2 * columns * codeEntries, codeEntryLimit);
      const scores = new Float64Array(rows);
      const offset = 2 * columns * codeEntryLimit; // tables in memory begin at zero
      for (const { bytes } of shards)
        for (let i = 0; i < tables.length; i++) bytes[queryAt + i] = (tables[i] as number) + codeEntryLimit;
      scanRanges(shards, codeRows, ranges, ({ kernels, bytes, at, out, first }, unit, end, quarter) => {
        const from = unit * codeRows;
        const sums = new Int32Array(bytes.buffer, out + 4 * from, streams * quarter * codeRows).fill(0);
        kernels.codes(
          at + from * columns,
          quarter * codeRows * columns,
          codeRows * columns,
          queryAt,
          out + 4 * from,
          out + 4 * (from + quarter * codeRows),
        );
        for (let i = from; i < end; i++) scores[first + i] = (sums[i - from] as number) - offset;
      });
      return scores;
    },
    read: () => readAll(shards),
  };
}

/** What {@link createCodeScan} computes. */
export function scanCodesReference(
  { rows, columns, row }: ScanRows<Uint8Array>,
  tables: Int8Array,
): Float64Array {
  return Float64Array.from({ length: rows }, (_, i) => {
    const codes = row(i);
    let sum = 0;
    for (let j = 0; j < columns; j++) {
      const byte = codes[j] as number;
      sum += tables[2 * j * codeEntries + (byte & 15)] as number;
      sum += tables[(2 * j + 1) * codeEntries + (byte >> 4)] as number;
    }
    return sum;
  });
}
