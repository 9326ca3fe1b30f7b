import assert from "node:assert/strict";
import { test } from "node:test";
import type { Measured } from "./bars.ts";
import { fromOthers, ruleInForce, worstOf } from "./named.ts";
import { firstOf } from "./sizes.ts";
import { readTask } from "./task.ts";

const one = { mean: 0.25, lo: 0.2, hi: 0.3 };

test("the whole's figures are the worst of any task, and what was not measured is left out", () => {
  const pay = { thresholdMillionths: 1, nobodyPaid: 0, splitting: {}, rowBytes: {} };
  const task = { n: 1, lds: {}, lead: {}, tailPatch: {}, repeated: 0 };
  const tasks: Measured = {
    a: {
      ...task,
      pay: { ...pay, error: { [ruleInForce]: one }, indexLossOfLds: { pay: 0.01, packed: 0.02 } },
    },
    b: { ...task, pay: { ...pay, indexLossOfLds: { packed: 0.05 } } },
  };
  assert.deepEqual(worstOf(tasks), { payoutError: { a: one }, indexLossOfLds: { pay: 0.01, explain: 0.05 } });
});

test("a quick run names where each figure comes from that it does not measure", async () => {
  const { gasWrongScoreProof, receiptLagMsP95, sources } = await fromOthers(true);
  assert.ok(gasWrongScoreProof > 100_000);
  assert.equal(sources.gasWrongScoreProof, "contracts/snapshots/Settlement.json");
  for (const from of [sources.receiptLagMsP95, sources.attacks])
    assert.match(from, /^(bench\/results\/\w+\.json|no committed result of bench \w+)$/);
  assert.equal(receiptLagMsP95 === null, sources.receiptLagMsP95.startsWith("no "));
});

test("a smaller task keeps every contributor's part, and its first rows", () => {
  const task = readTask("shakespeare");
  for (const size of [120, 240]) {
    const { train, queries } = firstOf(task, size);
    assert.ok(Math.abs(train.length - size) <= 10, `${train.length}`);
    assert.equal(queries.length, task.queries.length);
    assert.equal(new Set(train.map(({ contributor }) => contributor)).size, 20);
  }
});
