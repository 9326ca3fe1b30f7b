import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom } from "../engine/index.ts";
import { decodeCodes, encodeCodes, quantiseQuery, queryTables } from "./explain-codes.ts";
import {
  createExplainWriter,
  type ExplainPlan,
  explainBytes,
  explainRowBytes,
  openExplainRows,
  planExplainIndex,
} from "./explain-index.ts";
import { openExplainIndex } from "./explain-search.ts";
import { createRotation } from "./rotation.ts";
import { scanCodesReference } from "./scan.ts";

const [count, p] = [150, 3000];
const random = createRandom(5);
const normal = (length: number) => Float32Array.from({ length }, () => random.normal());
/** Rows of different lengths, some coordinates far larger than others; a query that lies between two of them. */
const weights = Float32Array.from({ length: p }, () => Math.exp(0.7 * random.normal()));
const rows = Array.from({ length: count }, (_, i) =>
  normal(p).map((x, j) => x * (weights[j] as number) * (1 + (i % 3))),
);
const query = normal(p).map(
  (x, j) => x * (weights[j] as number) + 0.35 * (rows[7]?.[j] ?? 0) + 0.1 * (rows[80]?.[j] ?? 0),
);
function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}
const exact = rows.map((row) => dot(row, query));

function write(plan: ExplainPlan): Uint8Array {
  const parts: Uint8Array[] = [];
  const writer = createExplainWriter(plan, (bytes) => parts.push(bytes.slice()));
  for (const row of rows) writer.add(row);
  writer.end();
  return new Uint8Array(Buffer.concat(parts));
}
const readOf = (bytes: Uint8Array) => (at: number, length: number) => bytes.subarray(at, at + length);
const open = (bytes: Uint8Array) => openExplainIndex(bytes.length, readOf(bytes));

const base = { rows: count, width: p, seed: 9 };
const plans: ExplainPlan[] = [
  { ...base, bits: 8, dimensions: p },
  { ...base, bits: 2, dimensions: 4096 },
  { ...base, bits: 1, dimensions: 4096 },
  { ...base, bits: 1, dimensions: 2048 },
];

/** Pearson's, of scores. */
function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const centred = (x: ArrayLike<number>) => {
    const mean = Array.from(x).reduce((sum, v) => sum + v, 0) / x.length;
    return Array.from(x, (v) => v - mean);
  };
  const [x, y] = [centred(a), centred(b)];
  return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
}

test("scores are those of the rows, the nearer the more bits are kept, and the best examples are found", () => {
  const correlations = plans.map((plan) => {
    const index = open(write(plan));
    assert.deepEqual(index.plan, plan);
    assert.deepEqual(
      index.top(query, 2).map(({ example }) => example),
      [7, 80],
    );
    // No bias: the planted example's score comes out about as large as it is.
    const ratio = (index.scores(query)[7] as number) / (exact[7] as number);
    assert.ok(Math.abs(ratio - 1) < 0.15, `${plan.bits} bits: ${ratio}`);
    return correlation(index.scores(query), exact);
  });
  const least = [0.999, 0.97, 0.9, 0.8];
  correlations.forEach((value, i) => {
    assert.ok(value > (least[i] as number), `plan ${i}: ${value}`);
  });
});

test("a score is exactly what the blob says in plain JavaScript", () => {
  for (const plan of plans) {
    const bytes = write(plan);
    const scores = open(bytes).scores(query);
    const size = explainRowBytes(plan);
    const { bits } = plan;
    let unit: number;
    let q: Int8Array;
    if (bits === 8) {
      const largest = Math.max(...query.map(Math.abs));
      [unit, q] = [largest / 127, Int8Array.from(query, (x) => Math.round((x / largest) * 127))];
    } else {
      const quantised = quantiseQuery(createRotation(p, plan.dimensions, plan.seed)(query), bits);
      [unit, q] = [quantised.unit, quantised.values];
    }
    for (let i = 0; i < count; i += 9) {
      const row = bytes.subarray(32 + i * size, 32 + (i + 1) * size);
      const scale = new DataView(row.buffer, row.byteOffset).getFloat32(0, true);
      const codes = row.subarray(4);
      const values =
        bits === 8 ? new Int8Array(codes.slice(0, p).buffer) : decodeCodes(codes, bits, plan.dimensions);
      assert.deepEqual(openExplainRows(bytes.length, readOf(bytes)).row(i), { scale, values });
      assert.equal(scores[i], dot(values, q) * scale * unit);
    }
  }
});

test("tables sum what codes stand for", () => {
  for (const bits of [1, 2] as const) {
    const row = Float64Array.from(normal(64));
    const codes = new Uint8Array((64 * bits) / 8);
    const scale = encodeCodes(row, bits, codes);
    const values = decodeCodes(codes, bits, 64);
    assert.ok(
      Math.abs(scale * dot(values, row) - dot(row, row)) < 1e-9,
      "a row's product with itself is kept",
    );
    const { values: q } = quantiseQuery(Float64Array.from(normal(64)), bits);
    const [sum] = scanCodesReference(
      { rows: 1, columns: codes.length, row: () => codes },
      queryTables(q, bits),
    );
    assert.equal(sum, dot(values, q));
  }
});

test("a rotation keeps lengths and products, and is the same for a seed", () => {
  const [a, b] = [normal(100), normal(100)];
  const rotate = createRotation(100, 128, 3);
  assert.ok(Math.abs(dot(rotate(a), rotate(b)) - dot(a, b)) < 1e-9);
  assert.deepEqual(rotate(a), createRotation(100, 128, 3)(a));
  assert.notDeepEqual(rotate(a), createRotation(100, 128, 4)(a));
});

test("among the examples of some contributors, the same order and scores as among all", () => {
  for (const plan of plans) {
    const index = open(write(plan));
    const among = rows.flatMap((_, i) => (i % 7 === 0 || (i > 60 && i < 90) ? [i] : []));
    const all = index.top(query, count);
    assert.equal(all.length, count);
    assert.deepEqual(
      index.top(query, 12, among),
      all.filter(({ example }) => among.includes(example)).slice(0, 12),
    );
  }
  assert.throws(() => open(write(plans[0]!)).top(query, 3, [5, 4]), /ascending numbers/);
});

test("with memory for a few rows at a time, the same scores, and the same helpful and harmful examples", () => {
  for (const plan of plans) {
    const bytes = write(plan);
    const size = explainRowBytes(plan);
    const read: number[] = [];
    const paged = openExplainIndex(
      bytes.length,
      (at, length) => {
        if (at >= 32) read.push((at - 32) / size);
        return bytes.subarray(at, at + length);
      },
      37 * size,
    );
    assert.ok(paged.memory <= 38 * size, `${paged.memory} bytes`);
    const whole = open(bytes);
    assert.deepEqual(paged.scores(query), whole.scores(query));
    const among = rows.flatMap((_, i) => (i % 5 === 2 || (i > 30 && i < 45) ? [i] : []));
    read.length = 0;
    const few = paged.explain(query, { among, count: 9, harmful: false });
    assert.deepEqual(read, among, "what nobody asks about is not read");
    const both = paged.explain(query, { among, count: 9, harmful: true });
    const scores = whole.scores(query);
    const sum = among.reduce((total, i) => total + (scores[i] as number), 0);
    const order = whole.top(query, count);
    assert.deepEqual(few, {
      sum,
      helpful: order.filter(({ example, score }) => among.includes(example) && score > 0).slice(0, 9),
      harmful: null,
    });
    assert.deepEqual(both, {
      ...few,
      harmful: order
        .filter(({ score }) => score < 0)
        .reverse()
        .slice(0, 9),
    });
  }
});

test("the plan keeps bytes while they fit, then one or two bits within a row's limit", () => {
  const options = { budgetBytes: 1_000_000, rowBytes: 8192, seed: 1 };
  assert.equal(planExplainIndex(200, 4000, options).bits, 8);
  assert.deepEqual(planExplainIndex(10_000, 4000, options), {
    rows: 10_000,
    width: 4000,
    bits: 2,
    dimensions: 4096,
    seed: 1,
  });
  const wide = planExplainIndex(10_000, 110_592, options);
  assert.deepEqual([wide.bits, wide.dimensions, explainRowBytes(wide)], [1, 65_504, 8192]);
  assert.equal(explainBytes(wide), 32 + 81_920_000);
});

test("made again it is the same, byte for byte; torn, altered in its header or with rows missing it is refused", () => {
  const bytes = write(plans[2]!);
  assert.deepEqual(write(plans[2]!), bytes);
  assert.throws(() => open(bytes.subarray(0, bytes.length - 1)), /not an explain index/);
  for (let at = 0; at < 28; at++) {
    if ((at >= 12 && at < 16) || (at >= 20 && at < 24)) continue; // another width or seed may be one
    const altered = bytes.slice();
    altered[at] = (altered[at] as number) ^ 0x41;
    assert.throws(() => open(altered), RangeError, `byte ${at}`);
  }
  const infinite = bytes.slice();
  infinite.set([0, 0, 0x80, 0x7f], 32);
  assert.throws(() => open(infinite), /Row 0 of the explain index has no scale/);
  const writer = createExplainWriter(plans[2]!, () => {});
  assert.throws(() => writer.end(), /0 of the 150 rows/);
  assert.throws(() => writer.add(new Float32Array(p).fill(Number.NaN)), /not a number/);
  const { row } = openExplainRows(bytes.length, readOf(bytes));
  for (const i of [-1, count, 0.5]) assert.throws(() => row(i), /has 150 rows/);
  assert.throws(() => open(bytes).scores(new Float32Array(4)), /has 4 numbers; the index was built for 3000/);
});
