import assert from "node:assert/strict";
import { test } from "node:test";
import { scoreShares } from "./calibration.ts";

test("a list that lies is shown with shares that are numbers", () => {
  const none = { shareErrorMillionths: null };
  const shares = (scores: number[], threshold: bigint) =>
    scoreShares(
      scores.map((score, row) => ({ row, score })),
      threshold,
      none,
    ).map(({ shareMillionths }) => shareMillionths);
  assert.deepEqual(shares([3], 5n), [0]);
  assert.deepEqual(shares([100, 10], 0n), [1_000_000, 0]);
  assert.deepEqual(shares([], 0n), []);
});
