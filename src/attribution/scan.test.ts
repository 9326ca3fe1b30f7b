import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { createRandom, type Random } from "../engine/index.ts";
import { decodeRow, type Hex, score, toBytes } from "../protocol/index.ts";
import {
  codeEntries,
  codeEntryLimit,
  createCodeScan,
  createInt8Scan,
  createInt16Scan,
  type RowRange,
  scanCodesReference,
  scanRowsReference,
} from "./scan.ts";

/** Rows in one array, each number drawn by `draw`. */
function matrix<T extends Int16Array | Int8Array | Uint8Array>(
  type: { from(source: { length: number }, map: () => number): T },
  rows: number,
  columns: number,
  draw: () => number,
) {
  const all = type.from({ length: rows * columns }, draw);
  return { rows, columns, row: (i: number) => all.subarray(i * columns, (i + 1) * columns) as T };
}

/** Uniform within ±largest, and a quarter of the time at an end. */
const within = (random: Random, largest: number) => () =>
  random.below(4) === 0 ? (random.below(2) * 2 - 1) * largest : random.below(2 * largest + 1) - largest;

const same = (actual: Float64Array, expected: Float64Array, note: string) =>
  assert.ok(
    actual.length === expected.length && actual.every((value, i) => Object.is(value, expected[i])),
    `${note}: ${actual.slice(0, 6)} against ${expected.slice(0, 6)}`,
  );

const shape = fc.record({
  rows: fc.integer({ min: 0, max: 70 }),
  columns: fc.integer({ min: 1, max: 1024 }),
});

test("int16 rows: WebAssembly, JavaScript and the protocol agree bit for bit, at every length", () => {
  fc.assert(
    fc.property(shape, fc.nat(), ({ rows: count, columns }, seed) => {
      const random = createRandom(seed);
      const draw = within(random, 32_767);
      const rows = matrix(Int16Array, count, columns, () => (random.below(9) === 0 ? -32_768 : draw()));
      const query = Int16Array.from({ length: columns }, draw);
      const scores = createInt16Scan(rows).scores(query);
      same(scores, scanRowsReference(rows, query), `${count} × ${columns}`);
      for (let i = 0; i < count; i++) assert.ok(Object.is(scores[i], score(rows.row(i), query)));
    }),
    { numRuns: 60 },
  );
});

test("int16 rows: nothing overflows where all numbers are extreme", () => {
  for (const columns of [1, 2, 15, 16, 17, 1023, 1024])
    for (const q of [32_767, -32_767]) {
      const query = new Int16Array(columns).fill(q);
      const values = [32_767, -32_767, -32_768, 0];
      const rows = {
        rows: 4,
        columns,
        row: (i: number) => new Int16Array(columns).fill(values[i] as number),
      };
      same(
        createInt16Scan(rows).scores(query),
        Float64Array.from(values, (v) => columns * v * q + 0),
        `${columns} × ${q}`,
      );
    }
});

test("int16 rows: the examples that the contracts are tested by", () => {
  const { rows } = JSON.parse(readFileSync(new URL("../protocol/vectors.json", import.meta.url), "utf8")) as {
    rows: { row: Hex; q: Hex; score: string }[];
  };
  let scored = 0;
  for (const vector of rows) {
    const [row, query] = [vector.row, vector.q].map((hex) => decodeRow(toBytes(hex))) as [
      Int16Array,
      Int16Array,
    ];
    const scan = createInt16Scan({ rows: 1, columns: row.length, row: () => row });
    if (query.includes(-32_768)) {
      assert.throws(() => scan.scores(query), /is -32768; it must lie within ±32767/);
      continue;
    }
    assert.equal(String(scan.scores(query)[0]), vector.score);
    scored++;
  }
  assert.ok(scored >= 7, `${scored} of ${rows.length} examples can be queries`);
});

test("int8 rows: the same as in JavaScript, also wider than 32 bits can sum", () => {
  fc.assert(
    fc.property(shape, fc.nat(), ({ rows: count, columns }, seed) => {
      const random = createRandom(seed);
      const rows = matrix(Int8Array, count, columns, within(random, 127));
      const query = Int8Array.from({ length: columns }, within(random, 127));
      same(createInt8Scan(rows).scores(query), scanRowsReference(rows, query), `${count} × ${columns}`);
    }),
    { numRuns: 60 },
  );
  const columns = 2 ** 20 + 40;
  const lowest = new Int8Array(columns).fill(-128);
  const query = new Int8Array(columns).fill(127);
  const [sum] = createInt8Scan({ rows: 1, columns, row: () => lowest }).scores(query);
  assert.equal(sum, columns * -128 * 127);
});

test("four-bit codes: the same as in JavaScript, also where every table holds its largest entry", () => {
  fc.assert(
    fc.property(shape, fc.nat(), ({ rows: count, columns }, seed) => {
      const random = createRandom(seed);
      const rows = matrix(Uint8Array, count, columns, () => random.below(256));
      const tables = Int8Array.from({ length: 2 * columns * codeEntries }, within(random, codeEntryLimit));
      same(createCodeScan(rows).scores(tables), scanCodesReference(rows, tables), `${count} × ${columns}`);
    }),
    { numRuns: 60 },
  );
  const codes = new Uint8Array(1000).fill(0xfe);
  for (const entry of [codeEntryLimit, -codeEntryLimit]) {
    const scan = createCodeScan({ rows: 20, columns: 1000, row: () => codes });
    const sums = scan.scores(new Int8Array(2000 * codeEntries).fill(entry));
    assert.deepEqual([...sums], Array(20).fill(2000 * entry));
  }
});

test("only the rows asked for are scanned, and they score as in a scan of all", () => {
  const range = fc.tuple(fc.nat(150), fc.nat(40)).map(([from, count]): RowRange => [from, from + count]);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 130 }), fc.array(range, { maxLength: 4 }), (count, ranges) => {
      const random = createRandom(count);
      const rows = matrix(Int8Array, count, 40, within(random, 127));
      const codes = matrix(Uint8Array, count, 5, () => random.below(256));
      const query = Int8Array.from({ length: 40 }, within(random, 127));
      const tables = Int8Array.from({ length: 160 }, within(random, codeEntryLimit));
      const scans = [
        [createInt8Scan(rows), query, scanRowsReference(rows, query)],
        [createCodeScan(codes), tables, scanCodesReference(codes, tables)],
      ] as const;
      for (const [scan, asked, all] of scans) {
        const scores = scan.scores(asked, ranges);
        for (const [from, to] of ranges)
          for (let i = from; i < Math.min(to, count); i++) assert.equal(scores[i], all[i]);
      }
    }),
    { numRuns: 60 },
  );
});

test("rows and queries of another length are refused", () => {
  const row = (length: number) => ({ rows: 1, columns: 4, row: () => new Int16Array(length) });
  assert.throws(() => createInt16Scan(row(3)), /Row 0 has 3 columns; expected 4/);
  assert.throws(() => createInt16Scan({ ...row(1025), columns: 1025 }), /1 to 1024 columns/);
  assert.throws(() => createInt16Scan(row(4)).scores(new Int16Array(5)), /has 5 columns; expected 4/);
  assert.throws(
    () => createInt8Scan({ rows: 1, columns: 1, row: () => new Int8Array(1) }).scores(Int8Array.of(-128)),
    /within ±127/,
  );
});
