import assert from "node:assert/strict";
import { test } from "node:test";
import { overTime } from "./over-time.ts";

const open = 10n ** 18n;

test("earned and claimed are summed over the same moments, in whatever order they came", () => {
  const drawn = overTime(
    [
      { ms: 3_500, wei: 2n * open },
      { ms: 1_000, wei: open },
      { ms: 3_100, wei: open },
    ],
    [{ ms: 5_000, wei: 3n * open }],
  );
  assert.deepEqual(drawn, { seconds: [1, 3, 5], earned: [1, 4, 4], claimed: [0, 0, 3] });
  assert.deepEqual(overTime([], []), { seconds: [], earned: [], claimed: [] });
});
