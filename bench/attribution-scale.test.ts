import assert from "node:assert/strict";
import { test } from "node:test";
import { measureBuild, measureScans, type Plan } from "./attribution-scale.ts";

const plan: Plan = {
  part: "all",
  examples: 256,
  contributors: 16,
  heldOut: 20,
  maxFisherRows: 32,
  nullRows: 8,
  explainRows: 4000,
  payRows: 20_000,
  rounds: 2,
};

/** What runtime and collector keep on top. */
const allowanceMiB = 400;

test("a process that builds grows by what is held and an allowance, whatever the number of examples", {
  skip: process.platform === "linux" ? false : "resident memory is read from Linux's /proc",
  timeout: 300_000,
}, async () => {
  const { memory, explain, width, k } = await measureBuild(plan);
  assert.equal(width, 221_184);
  // Two rows for each contributor's sixteen examples, and the null rows.
  assert.equal(k, 16 * 2 + 8);
  assert.ok(
    memory.growthMiB <= memory.heldMiB + allowanceMiB,
    `${memory.growthMiB} MiB, held ${memory.heldMiB}`,
  );
  assert.equal(explain.bits, 8);
  assert.ok(explain.seconds > 0 && explain.bytesPerRow === 221_188 + 32 / 256);
  assert.ok(explain.rankCorrelation > 0.99, `rank correlation ${explain.rankCorrelation}`);
});

test("scans are measured beside reading the same bytes", { timeout: 300_000 }, async () => {
  const scans = await measureScans(plan);
  for (const { rows, rowsPerSec } of Object.values(scans)) assert.ok(rows > 0 && rowsPerSec > 0);
});
