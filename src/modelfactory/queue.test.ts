import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { after, test } from "node:test";
import { openGround, openWords, trainedSteps } from "./fixtures/factory.ts";
import type { JobSpecInput } from "./job.ts";

const ground = await openGround();
const { trainingFolder } = ground;
let world = await ground.open();
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
const manySteps = { ...quick, epochs: 60, learningRate: 1e-4, stopAtOptimum: false };
const trained = (id: string, steps: number) => trainedSteps(world, id, steps);
const adapterOf = async (id: string) => (await world.factory.getJob(id)).trained?.adapterTensors;

test("a job paused in the middle of its training lets others pass, and goes on to the bytes of one never stopped", async () => {
  const long = { ...spec, recipe: manySteps, publish: false };
  await world.factory.createJob("whole", { ...long, model: "whole" });
  await world.jobs.drain();
  await world.factory.createJob("paused", { ...long, model: "paused" });
  await trained("paused", 3);
  assert.equal((await world.factory.pause("paused")).state, "paused");
  assert.deepEqual(readdirSync(trainingFolder), ["paused.training"]);
  await world.factory.createJob("passing", {
    ...long,
    model: "passing",
    recipe: { ...manySteps, epochs: 1 },
  });
  await world.jobs.drain();
  assert.equal((await world.factory.getJob("passing")).state, "succeeded");
  assert.equal((await world.factory.getJob("paused")).state, "paused", "it waits for somebody to resume it");
  // The node ends in the middle, too, and once more after that.
  assert.equal((await world.factory.resume("paused")).state, "queued");
  for (const steps of [10, 20]) {
    await trained("paused", steps);
    await world.close();
    world = await ground.open();
  }
  await world.jobs.drain();
  const resumed = (await world.factory.events("paused")).filter(({ kind }) => kind === "resumed");
  assert.ok(resumed.length >= 1 && Number(resumed[0]?.data.from) >= 3);
  assert.equal(await adapterOf("paused"), await adapterOf("whole"));
  const curve = async (id: string) => (await world.factory.getJob(id)).trained?.lossCurve;
  assert.equal(await curve("paused"), await curve("whole"));
  assert.deepEqual(readdirSync(trainingFolder), [], "nothing stays of a training that is over");
  await assert.rejects(world.factory.pause("paused"), { code: "job-over" });
  await assert.rejects(world.factory.resume("paused"), { code: "job-over" });
});

test("owners take turns; a duplicate asks for the same; an id is one job's", async () => {
  await world.factory.createJob("gate", { ...spec, recipe: manySteps, publish: false, model: "gate" });
  await trained("gate", 1);
  const one = { ...spec, recipe: { ...quick, epochs: 1 }, publish: false };
  for (const n of [1, 2, 3]) await world.factory.createJob(`many-${n}`, { ...one, model: "many" }, "many");
  await world.factory.createJob("few", { ...one, model: "few" }, "few");
  await world.factory.cancel("many-2");
  await world.factory.cancel("gate");
  await world.jobs.drain();
  const jobs = await world.factory.listJobs({ limit: 5 });
  const order = jobs
    .filter(({ state }) => state === "succeeded")
    .sort((a, b) => Number(a.finishedAtMs) - Number(b.finishedAtMs));
  assert.deepEqual(
    order.map(({ id }) => id),
    ["many-1", "few", "many-3"],
  );
  const { spec: again, owner } = await world.factory.duplicate("few", "few-again", { model: "others" });
  await world.jobs.drain();
  assert.deepEqual([again.recipe.epochs, again.model, owner], [1, "others", "few"]);
  assert.equal(await adapterOf("few-again"), await adapterOf("few"));
  await assert.rejects(world.factory.createJob("few", { ...one, model: "else" }), { code: "job-exists" });
  assert.equal((await world.factory.createJob("few", { ...one, model: "few" })).state, "succeeded");
  await assert.rejects(world.factory.createJob("../few", { ...one, model: "few" }), { code: "bad-name" });
  const older = await world.factory.listJobs({ limit: 2, after: jobs[1]?.id as string });
  assert.deepEqual(
    older.map(({ id }) => id),
    jobs.slice(2, 4).map(({ id }) => id),
  );
});
