import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { ModelFactoryError } from "./errors.ts";
import { openGround, openWords } from "./fixtures/factory.ts";
import type { JobSpecInput } from "./job.ts";

const ground = await openGround();
const world = await ground.open();
after(async () => {
  await world.close();
  await ground.close();
});
const { datanet, version } = await openWords(ground, world);
const quick = {
  ...{ rank: 2, alpha: 4, epochs: 2, batch: 8, threads: 1, seed: 5 },
  calibration: { retrainings: 0, leaveOut: 0 },
};
const spec: JobSpecInput = {
  model: "words",
  datanets: [{ datanetId: datanet.datanetId.toString(), version: version.version }],
  recipe: quick,
};

test("a sweep runs every point of a grid without releasing any, and puts them side by side", async () => {
  const grid = { learningRate: [1e-5, 1e-2], epochs: [1, 2] };
  const begun = await world.factory.sweep("grid", { ...spec, model: "grid", recipe: quick }, grid);
  assert.ok(begun.every(({ heldOutLoss }) => heldOutLoss === null) && begun.length === 4);
  await world.jobs.drain();
  const rows = await world.factory.compare("grid");
  assert.ok(rows.every(({ state }) => state === "succeeded"));
  assert.deepEqual(new Set(rows.map(({ varied }) => JSON.stringify(varied))).size, 4);
  const losses = rows.map(({ heldOutLoss }) => heldOutLoss?.mean ?? Number.NaN);
  assert.deepEqual(
    losses,
    losses.toSorted((a, b) => a - b),
  );
  assert.equal(await world.factory.findRelease("grid"), undefined);
  assert.equal(
    (await world.factory.sweep("grid", { ...spec, model: "grid", recipe: quick }, grid)).length,
    4,
    "the same again is the same",
  );
  for (const [wrong, message] of [
    [{ rank: [99] }, /rank/],
    [{}, /field to vary/],
    [{ seed: Array(16).fill(1), epochs: Array(16).fill(1) }, /256 points/],
  ] as const)
    await assert.rejects(world.factory.sweep("bad", { ...spec, model: "bad" }, wrong), (error) => {
      assert.match((error as Error).message, message);
      return (error as ModelFactoryError).code === "bad-recipe";
    });
  await assert.rejects(world.factory.compare("none"), { code: "unknown-job" });
});
