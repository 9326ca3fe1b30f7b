import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { feeHeads, parseParameter, showParameter, splitError, unpackSplit } from "./parameter.ts";

test("a parameter is written in its own unit, and read as people type it", () => {
  for (const [name, text, value, shown] of [
    ["unbondingSeconds", "25 d", 2_160_000n, "25 days"],
    ["epochSeconds", "1d", 86_400n, "1 day"],
    ["votingDelaySeconds", "90", 90n, "1 min 30 s (90 s)"],
    ["verdictSeconds", "12h", 43_200n, "12 h"],
    ["minimumStakeWei", "10000", 10n ** 22n, "10,000 OPEN"],
    ["minimumTipWei", "1000000000wei", 10n ** 9n, "0.000000001 OPEN"],
    ["proverRewardBps", "30", 3_000n, "30 %"],
    ["quorumTotalBps", "0.25 %", 25n, "0.25 %"],
    ["minimumThresholdMillionths", "0.1", 100_000n, "0.1"],
    ["drawnValidators", "16", 16n, "16"],
  ] as const) {
    assert.equal(parseParameter(name, text), value, `${name} ${text}`);
    assert.equal(showParameter(name, value), shown);
  }
  const treasury = `0x${"ab".repeat(20)}`;
  assert.equal(showParameter("treasury", parseParameter("treasury", treasury)), treasury);
});

test("what is no value of a parameter is refused with what is expected", () => {
  for (const [name, text, expected] of [
    ["epochSeconds", "1 fortnight", /seconds/],
    ["epochSeconds", "1.5h", /seconds/],
    ["proverRewardBps", "2.555", /at most 2 decimals/],
    ["drawnValidators", "1.5", /whole number/],
    ["treasury", "0x12", /address/],
    ["minimumStakeWei", "ten", /OPEN/],
  ] as const)
    assert.throws(() => parseParameter(name, text), expected, `${name} ${text}`);
});

test("every number of basis points is read back as it was shown", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10_000 }), (bps) => {
      assert.equal(
        parseParameter("proverRewardBps", showParameter("proverRewardBps", BigInt(bps))),
        BigInt(bps),
      );
    }),
  );
});

test("a fee split is unpacked by heads, and must be whole and within its bounds", () => {
  const parts = [1_500, 500, 2_000, 1_000, 5_000, 1_000];
  const packed = parts.reduce((sum, bps, at) => sum | (BigInt(bps) << BigInt(16 * at)), 0n);
  const split = unpackSplit(packed);
  assert.deepEqual(Object.values(split), parts);
  const bounds = Object.fromEntries(feeHeads.map((head) => [head, [0, 6_000]])) as never;
  assert.equal(splitError(split, bounds), undefined);
  assert.match(splitError({ ...split, operator: 1_400 }, bounds) ?? "", /sum to 99 %/);
  assert.match(splitError({ ...split, data: 6_500 }, bounds) ?? "", /from 0 % to 60 %; it is 65 %/);
});
