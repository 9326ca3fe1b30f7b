import assert from "node:assert/strict";
import { test } from "node:test";
import { nextStep, parsePart } from "./which.ts";

const open = 10n ** 18n;
const base = {
  votes: { for: 10n * open, against: 2n * open, abstain: 5n * open },
  quorumWei: 20n * open,
  startsMs: 0,
  endsMs: 60_000,
  executableMs: null as number | null,
};

test("each state says what comes next", () => {
  const of = (state: string, change = {}) => nextStep({ ...base, state, ...change }, 100_000);
  assert.match(of("pending"), /begins after 1 Jan 1970/);
  assert.equal(of("pending", { startsMs: 108_000 }), "The vote begins in 8 s.");
  assert.match(of("active", { endsMs: 190_000 }), /^The vote ends in 1 min 30 s;/);
  assert.match(of("active"), /; 5 votes are missing for the quorum\.$/);
  assert.doesNotMatch(of("active", { quorumWei: 15n * open }), /missing/);
  assert.match(of("defeated"), /quorum/);
  assert.match(of("defeated", { quorumWei: 15n * open }), /against/);
  assert.match(of("queued", { executableMs: 200_000 }), /from 1 Jan 1970/);
  assert.match(of("queued", { executableMs: 90_000 }), /now/);
});

test("a proposal is named by digits alone", () => {
  assert.equal(parsePart("12"), 12n);
  for (const wrong of ["", "0x12", "-1", "1e3", "9".repeat(79)]) assert.equal(parsePart(wrong), -1n);
});
