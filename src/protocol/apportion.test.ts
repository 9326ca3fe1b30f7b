import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { apportion, genesisSplit, splitFee } from "./index.ts";

const amount = fc.bigInt({ min: 0n, max: 10n ** 27n });
const weights = fc
  .array(fc.bigInt({ min: 0n, max: 2n ** 41n }), { minLength: 1, maxLength: 300 })
  .filter((list) => list.some((weight) => weight > 0n));
const sum = (parts: readonly bigint[]) => parts.reduce((a, b) => a + b, 0n);

test("parts sum to the amount, each within one wei of its exact share", () => {
  fc.assert(
    fc.property(amount, weights, (whole, list) => {
      const parts = apportion(whole, list);
      assert.equal(sum(parts), whole);
      parts.forEach((part, i) => {
        const error = part * sum(list) - whole * list[i]!;
        assert.ok(-sum(list) < error && error < sum(list));
      });
    }),
  );
});

test("a larger weight never gets less, and weight zero gets nothing", () => {
  fc.assert(
    fc.property(amount, weights, (whole, list) => {
      const parts = apportion(whole, list);
      const order = list
        .map((_, i) => i)
        .sort((a, b) => (list[a]! < list[b]! ? -1 : list[a]! > list[b]! ? 1 : b - a));
      for (let i = 1; i < order.length; i++) assert.ok(parts[order[i]!]! >= parts[order[i - 1]!]!);
      list.forEach((weight, i) => {
        if (weight === 0n) assert.equal(parts[i], 0n);
      });
    }),
  );
});

test("ties go to the lower position", () => {
  assert.deepEqual(apportion(10n, [1n, 1n, 1n]), [4n, 3n, 3n]);
  assert.deepEqual(apportion(5n, [1n, 1n, 1n]), [2n, 2n, 1n]);
});

test("nothing to weigh by is an error, not a gift", () => {
  assert.throws(() => apportion(1n, [0n, 0n]), { code: "no-weight" });
  assert.throws(() => apportion(1n, []), { code: "no-weight" });
  assert.throws(() => apportion(-1n, [1n]), { code: "out-of-range" });
  assert.throws(() => apportion(1n, [2n, -1n]), { code: "out-of-range" });
});

test("the heads of a fee sum to the fee", () => {
  fc.assert(
    fc.property(amount, (fee) => {
      assert.equal(sum(Object.values(splitFee(fee, genesisSplit))), fee);
    }),
  );
  assert.deepEqual(splitFee(1n, genesisSplit), {
    operator: 0n,
    treasury: 0n,
    developer: 0n,
    stakers: 0n,
    owners: 0n,
    influence: 1n,
  });
});

test("a split that is not a whole is refused", () => {
  assert.throws(() => splitFee(1n, { ...genesisSplit, data: 4_999 }), { code: "sum" });
  assert.throws(() => splitFee(1n, { ...genesisSplit, owners: 10_001 }), { code: "out-of-range" });
});
