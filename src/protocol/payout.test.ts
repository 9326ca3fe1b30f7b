import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Address, PayoutInput } from "./index.ts";
import { aboveCut, genesisSplit, maxPaidRows, payout, splitDigest, thresholdOf } from "./index.ts";

const at = (n: number): Address => `0x${n.toString(16).padStart(40, "0")}`;
const base = {
  fee: 10_000n,
  split: genesisSplit,
  payees: { operator: at(1), treasury: at(2), developer: at(3), stakers: at(4) },
  datanets: [
    { owner: at(11), pool: at(21), acceptedExamples: 3 },
    { owner: at(12), pool: at(22), acceptedExamples: 1 },
  ],
};
const influence = (scores: number[], nullScores = [0], thresholdMillionths = 1_000_000) => ({
  contributors: scores.map((_, row) => at(100 + row)),
  scores,
  nullScores,
  thresholdMillionths,
});
const paid = (input: PayoutInput) =>
  payout(input).payments.map(({ payee, amount }) => [Number(payee), amount]);

test("a fee of 10,000 wei, spelled out", () => {
  assert.deepEqual(paid({ ...base, influence: influence([200, 50, 100], [10, 50, 20]) }), [
    [1, 1_500n],
    [2, 500n],
    [3, 2_000n],
    [4, 1_000n],
    [11, 375n],
    [12, 125n],
    [100, 3_375n],
    [102, 1_125n],
  ]);
});

test("nobody above the threshold, or nobody asked: the common pools", () => {
  const pools = [
    [21, 3_375n],
    [22, 1_125n],
  ];
  assert.deepEqual(paid({ ...base, influence: influence([1, 2], [2]) }).slice(-2), pools);
  const out = payout({ ...base, influence: null });
  assert.deepEqual([out.scores, out.thresholdRow, out.threshold], [[], 0, 0n]);
  assert.deepEqual(paid({ ...base, influence: null }).slice(-2), pools);
});

test("the threshold is the highest null score times c, rounded down, never negative, lowest row first", () => {
  assert.deepEqual(thresholdOf([3, 7, 7], 1_500_000, 10), { thresholdRow: 11, threshold: 10n });
  assert.deepEqual(thresholdOf([-5, -3], 2_000_000, 0), { thresholdRow: 1, threshold: 0n });
  assert.deepEqual(
    thresholdOf([2 ** 40], 4_294_967_295, 1).threshold,
    (4_294_967_295n * 2n ** 40n) / 1_000_000n,
  );
  assert.throws(() => thresholdOf([], 1, 1), { code: "length" });
});

test("at most 256 are paid, the highest, ties to the lower row, listed by row", () => {
  const scores = Array.from({ length: 400 }, (_, row) => (row < 200 ? 5 : row % 2 === 0 ? 9 : 4));
  const listed = aboveCut(scores, 0n);
  assert.equal(listed.length, maxPaidRows);
  assert.deepEqual(
    listed.map((entry) => entry.row),
    [...Array(156).keys(), ...Array.from({ length: 100 }, (_, i) => 200 + 2 * i)],
  );
  assert.deepEqual(aboveCut([3, 4], 3n), [{ row: 1, score: 4 }]);
  assert.deepEqual(aboveCut([19, 20, 21, 104], 3n), [
    { row: 2, score: 21 },
    { row: 3, score: 104 },
  ]);
});

test("every payout sums to the fee, pays nobody a negative or zero amount and lists only scores above the cut", () => {
  const score = fc.integer({ min: -(2 ** 40), max: 2 ** 40 });
  const many = fc.array(score, { minLength: 1, maxLength: 300 });
  fc.assert(
    fc.property(
      fc.bigInt({ min: 1n, max: 10n ** 24n }),
      many,
      fc.array(score, { minLength: 1, maxLength: 20 }),
      fc.nat(2_000_000),
      (fee, scores, nulls, c) => {
        const out = payout({ ...base, fee, influence: influence(scores, nulls, c) });
        assert.equal(
          out.payments.reduce((sum, payment) => sum + payment.amount, 0n),
          fee,
        );
        assert.ok(out.payments.every((payment) => payment.amount > 0n));
        const best = Math.max(0, ...scores);
        const isAbove = (value: number) => value > Number(out.threshold) && value > Math.floor(best / 5);
        assert.ok(out.scores.every(({ row, score: value }) => isAbove(value) && scores[row] === value));
        if (out.scores.length < 256) assert.equal(out.scores.length, scores.filter(isAbove).length);
      },
    ),
  );
});

test("a score just above the cut is paid next to nothing: nobody's part jumps", () => {
  const amounts = (scores: number[]) =>
    payout({ ...base, fee: 10n ** 18n, influence: influence(scores) })
      .payments.filter(({ kind }) => kind === "contributor")
      .map(({ amount }) => amount);
  const [alone] = amounts([1_000_000, 200_000]);
  const [first, second] = amounts([1_000_000, 200_001]);
  assert.equal(alone, 45n * 10n ** 16n);
  assert.equal(first! + second!, alone);
  assert.ok(second! < 10n ** 12n);
});

test("input that contradicts itself is refused", () => {
  assert.throws(() => payout({ ...base, influence: { ...influence([1, 2]), contributors: [at(100)] } }), {
    code: "length",
  });
  assert.throws(() => payout({ ...base, datanets: [], influence: null }), { code: "no-weight" });
});

test("the split's digest depends on order, payee and amount, not on why it is paid", () => {
  const { payments } = payout({ ...base, influence: null });
  const plain = payments.map(({ payee, amount }) => ({ payee, amount }));
  assert.equal(splitDigest(payments), splitDigest(plain));
  assert.notEqual(splitDigest(payments), splitDigest(payments.toReversed()));
  assert.notEqual(splitDigest(payments), splitDigest(payments.map((p) => ({ ...p, amount: p.amount + 1n }))));
});
