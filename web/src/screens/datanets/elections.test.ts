import assert from "node:assert/strict";
import { test } from "node:test";
import { majority, stateOf } from "./elections.ts";

test("an election is open, won, over or undecided by its times alone", () => {
  const someone = `0x${"ab".repeat(20)}`;
  const at = (closesAt: number, elected: string | null, termEndsAt: number | null) =>
    stateOf({ closesAt, elected, termEndsAt }, 1_000_000);
  assert.deepEqual(
    [at(1_001, null, null), at(999, null, null), at(999, someone, 1_001), at(1_001, someone, 1_000)],
    ["open", "undecided", "elected", "ended"],
  );
});

test("a term that the owner has ended is over before its time", () => {
  const elected = `0x${"ab".repeat(20)}`;
  const at = (nowMs: number, curates?: (account: string) => boolean) =>
    stateOf({ closesAt: 1_001, elected, termEndsAt: 1_001 }, nowMs, curates);
  assert.deepEqual(
    [
      at(1_000_000),
      at(1_000_000, (account) => account === elected),
      at(1_000_000, () => false),
      at(1_002_000, () => false),
    ],
    ["elected", "elected", "revoked", "ended"],
  );
});

test("more than half elect", () => {
  assert.deepEqual([1, 2, 3, 4].map(majority), [1, 2, 2, 3]);
});
