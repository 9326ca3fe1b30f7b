import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeRow, encodeRow, encodeScores, indexTree, score, toHex, zeroAddress } from "./index.ts";

const int16 = fc.integer({ min: -32_768, max: 32_767 });
const triple = fc
  .integer({ min: 1, max: 1_024 })
  .chain((k) => fc.tuple(...[0, 1, 2].map(() => fc.array(int16, { minLength: k, maxLength: k }))));

test("rows are big-endian two's complement and come back as they went", () => {
  assert.equal(toHex(encodeRow([1, -1, -32_768, 32_767])), "0x0001ffff80007fff");
  fc.assert(
    fc.property(triple, ([row]) => {
      assert.deepEqual([...decodeRow(encodeRow(row!))], row);
    }),
    { numRuns: 30 },
  );
});

test("a score is exact: the same as with bigints", () => {
  fc.assert(
    fc.property(triple, ([row, q]) => {
      const slow = row!.reduce((sum, value, i) => sum + BigInt(value) * BigInt(q![i]!), 0n);
      assert.equal(BigInt(score(row!, q!)), slow);
    }),
    { numRuns: 50 },
  );
  const lowest = Array(1_024).fill(-32_768);
  assert.equal(score(lowest, lowest), 2 ** 40);
});

test("scores are linear: rows that sum, score their sum", () => {
  fc.assert(
    fc.property(triple, ([a, b, q]) => {
      const half = (row: number[]) => row.map((value) => value >> 1);
      const [left, right] = [half(a!), half(b!)];
      const both = left.map((value, i) => value + right[i]!);
      assert.equal(score(both, q!), score(left, q!) + score(right, q!));
    }),
    { numRuns: 50 },
  );
});

test("what does not fit is refused", () => {
  assert.throws(() => encodeRow([32_768]), { code: "out-of-range" });
  assert.throws(() => encodeRow([0.5]), { code: "out-of-range" });
  assert.throws(() => encodeRow([]), { code: "length" });
  assert.throws(() => encodeRow(Array(1_025).fill(0)), { code: "length" });
  assert.throws(() => decodeRow(new Uint8Array(3)), { code: "length" });
  assert.throws(() => score([1], [1, 2]), { code: "length" });
});

test("a view into a larger buffer decodes its own bytes", () => {
  const buffer = encodeRow([7, 8, 9]);
  assert.deepEqual([...decodeRow(buffer.subarray(2, 4))], [8]);
});

test("an index is contributors by address, then null rows, in place and of one length", () => {
  const bytes = encodeRow([1, 2]);
  const row = (position: number, address: number) => ({
    row: position,
    payee: address === 0 ? zeroAddress : (`0x${address.toString(16).padStart(40, "0")}` as const),
    bytes,
  });
  assert.equal(indexTree([row(0, 1), row(1, 2), row(2, 0)]).contributors, 2);
  assert.throws(() => indexTree([row(0, 2), row(1, 1)]), { code: "order" });
  assert.equal(indexTree([row(0, 1), row(1, 1), row(2, 0)]).contributors, 2, "one who has two rows");
  assert.throws(() => indexTree([row(0, 0), row(1, 1)]), { code: "order" });
  assert.throws(() => indexTree([row(1, 1)]), { code: "order" });
  assert.throws(() => indexTree([row(0, 1), { ...row(1, 2), bytes: encodeRow([1]) }]), { code: "length" });
});

test("score lists ascend by row", () => {
  assert.equal(toHex(encodeScores([{ row: 1, score: -1 }])), "0x00000001ffffffffffffffff");
  assert.throws(
    () =>
      encodeScores([
        { row: 1, score: 1 },
        { row: 1, score: 1 },
      ]),
    { code: "order" },
  );
});
