import assert from "node:assert/strict";
import { test } from "node:test";
import type { Measured } from "./bars.ts";
import { fromOthers, worstOf } from "./named.ts";
import { firstOf } from "./sizes.ts";
import { readTask } from "./task.ts";

test("what indexes lose is the worst of any task, and what was not measured is left out", () => {
  const lost = (indexLossOfLds: Record<string, number>) => ({ pay: { indexLossOfLds } });
  const tasks = { a: lost({ pay: 0.01, packed: 0.02 }), b: lost({ packed: 0.05 }) } as unknown as Measured;
  assert.deepEqual(worstOf(tasks), { payoutError: {}, indexLossOfLds: { pay: 0.01, explain: 0.05 } });
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
