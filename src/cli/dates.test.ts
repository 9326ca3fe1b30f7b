import assert from "node:assert/strict";
import { test } from "node:test";
import { showDate, showDuration, showTime } from "./dates.ts";

test("a date is exact, and names its zone", (t) => {
  const { TZ } = process.env;
  t.after(() => {
    if (TZ === undefined) delete process.env.TZ;
    else process.env.TZ = TZ;
  });
  process.env.TZ = "Asia/Kolkata";
  assert.equal(showDate(1_772_370_309), "2026-03-01 18:35:09 +05:30");
  process.env.TZ = "America/New_York";
  assert.equal(showDate(1_772_370_309n), "2026-03-01 08:05:09 -05:00");
});

test("a duration has its two largest units", () => {
  assert.deepEqual([0, 59, 60, 3_661, 90_000, 30 * 86_400].map(showDuration), [
    "0 s",
    "59 s",
    "1 min",
    "1 h 1 min",
    "1 day 1 h",
    "30 days",
  ]);
});

test("a time says how far away it is", () => {
  const nowMs = 1_772_370_309_000;
  assert.match(showTime(1_772_370_309 + 180, nowMs), / \(in 3 min\)$/);
  assert.match(showTime(1_772_370_309 - 5, nowMs), / \(5 s ago\)$/);
  assert.match(showTime(1_772_370_309, nowMs), / \(now\)$/);
});
