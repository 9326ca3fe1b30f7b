/** What may be done with jobs: estimated, queued, set aside and gone on with, ended, tried by the grid. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import type { MiddlewareHandler } from "hono";
import { calibrationLabel, calibrationOf } from "../protocol/index.ts";
import type { ModelFactoryError } from "./errors.ts";
import { manySteps, openFactory, quick } from "./fixtures/factory.ts";
import { jobRoutes } from "./job-routes.ts";

const node = await openFactory();
const { network, spec, trainingFolder, trained } = node;
const adapterOf = async (id: string) => (await node.factory.getJob(id)).trained?.adapterTensors;

test("a job paused in the middle of its training lets others pass, and goes on to the bytes of one never stopped", async () => {
  const long = { ...spec, recipe: manySteps, publish: false };
  await node.run("whole", { ...long, model: "whole" });
  await node.factory.createJob("paused", { ...long, model: "paused" });
  await trained("paused", 3);
  assert.equal((await node.factory.pause("paused")).state, "paused");
  assert.deepEqual(readdirSync(trainingFolder), ["paused.training"]);
  await node.run("passing", {
    ...long,
    model: "passing",
    recipe: { ...manySteps, epochs: 1 },
  });
  assert.equal((await node.factory.getJob("passing")).state, "succeeded");
  assert.equal((await node.factory.getJob("paused")).state, "paused", "it waits for somebody to resume it");
  // The node ends in the middle, too, and once more after that.
  assert.equal((await node.factory.resume("paused")).state, "queued");
  for (const steps of [10, 20]) {
    await trained("paused", steps);
    await node.restart();
  }
  await node.jobs.drain();
  const resumed = (await node.factory.events("paused")).filter(({ kind }) => kind === "resumed");
  assert.ok(resumed.length >= 1 && Number(resumed[0]?.data.from) >= 3);
  assert.equal(await adapterOf("paused"), await adapterOf("whole"));
  const curve = async (id: string) => (await node.factory.getJob(id)).trained?.lossCurve;
  assert.equal(await curve("paused"), await curve("whole"));
  assert.deepEqual(readdirSync(trainingFolder), [], "nothing stays of a training that is over");
  await assert.rejects(node.factory.pause("paused"), { code: "job-over" });
  await assert.rejects(node.factory.resume("paused"), { code: "job-over" });
});

test("a job is set aside at once, whatever its run is still at; resumed before that is over, it goes on after it", async () => {
  const reached = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  await node.restart({
    afterStep: async () => {
      reached.resolve();
      await go.promise;
    },
  });
  await node.factory.createJob("busy", { ...spec, model: "busy", publish: false });
  await reached.promise;
  const state = async () => (await node.factory.getJob("busy")).state;
  const paused = node.factory.pause("busy");
  await node.until(async () => (await state()) === "paused");
  assert.equal((await node.factory.resume("busy")).state, "queued");
  go.resolve();
  await paused;
  await node.jobs.drain();
  const states = (await node.factory.events("busy")).filter(({ kind }) => kind === "state");
  assert.deepEqual(
    states.map(({ data }) => data.state),
    ["training", "paused", "queued", "evaluating", "succeeded"],
  );
  await node.restart();
});

test("owners take turns; a duplicate asks for the same; an id is one job's", async () => {
  await node.factory.createJob("gate", { ...spec, recipe: manySteps, publish: false, model: "gate" });
  await trained("gate", 1);
  const one = { ...spec, recipe: { ...quick, epochs: 1 }, publish: false };
  for (const n of [1, 2, 3]) await node.factory.createJob(`many-${n}`, { ...one, model: "many" }, "many");
  await node.factory.createJob("few", { ...one, model: "few" }, "few");
  await node.factory.cancel("many-2");
  await node.factory.cancel("gate");
  await node.jobs.drain();
  const jobs = await node.factory.listJobs({ limit: 5 });
  const order = jobs
    .filter(({ state }) => state === "succeeded")
    .sort((a, b) => Number(a.finishedAtMs) - Number(b.finishedAtMs));
  assert.deepEqual(
    order.map(({ id }) => id),
    ["many-1", "few", "many-3"],
  );
  const { spec: again, owner } = await node.factory.duplicate("few", "few-again", { model: "others" });
  await node.jobs.drain();
  assert.deepEqual([again.recipe.epochs, again.model, owner], [1, "others", "few"]);
  assert.equal(await adapterOf("few-again"), await adapterOf("few"));
  await assert.rejects(node.factory.createJob("few", { ...one, model: "else" }), { code: "job-exists" });
  await assert.rejects(node.factory.createJob("few", { ...one, model: "few" }), { code: "job-exists" });
  assert.equal((await node.factory.createJob("few", { ...one, model: "few" }, "few")).state, "succeeded");
  await assert.rejects(node.factory.createJob("../few", { ...one, model: "few" }), { code: "bad-name" });
  const older = await node.factory.listJobs({ limit: 2, after: jobs[1]?.id as string });
  assert.deepEqual(
    older.map(({ id }) => id),
    jobs.slice(2, 4).map(({ id }) => id),
  );
});

test("an estimate, by this machine's own speeds, is near what the job then takes, and is measured once", async () => {
  const job = {
    ...spec,
    model: "estimated",
    recipe: {
      ...quick,
      epochs: 40,
      stopAtOptimum: false,
      learningRate: 1e-4,
      calibration: { retrainings: 3, leaveOut: 0, queries: 6 },
    },
  };
  const told = await node.factory.estimate(job);
  const begun = performance.now();
  const again = await node.factory.estimate({ ...job, recipe: { ...job.recipe, epochs: 80 } });
  assert.equal(again.measuredAtMs, told.measuredAtMs, "the machine is measured once");
  assert.ok(performance.now() - begun < 20_000);
  assert.deepEqual([told.steps, again.steps], [120, 240]);
  assert.ok(again.seconds.training > told.seconds.training);
  assert.ok(told.costWei > 0n && told.memoryBytes > 1e7);
  await node.factory.createJob("estimated", job);
  await assert.rejects(node.factory.estimate({ ...job, recipe: { ...job.recipe, rank: 3 } }), {
    code: "busy",
  });
  await node.jobs.drain();
  const { trained, calibrated, indexed } = await node.factory.getJob("estimated");
  const took = (trained?.seconds ?? 0) + (indexed?.seconds ?? 0) + (calibrated?.seconds ?? 0);
  assert.equal((await node.factory.estimate(job)).costWei, 0n, "the name is registered by now");
  const ratio = took / told.seconds.total;
  // A machine that others use is slower at one time than at another: bench/datanets has the exact figure.
  assert.ok(ratio > 1 / 5 && ratio < 5, `${took} s, not ${told.seconds.total} s`);
});

test("a job without a release leaves its evaluation; that its recipe runs hot is said before it starts", async () => {
  const job = await node.run("audit", {
    ...spec,
    recipe: { ...spec.recipe, stopAtOptimum: false, learningRate: 0.02, warmupSteps: 2 },
    model: "audit",
    publish: false,
    exclude: [network.keys.account("bo").address.toLowerCase() as `0x${string}`],
  });
  assert.equal(job.state, "succeeded");
  assert.equal(job.trained?.examples, 12);
  const [warning, ...others] = await node.factory.events("audit");
  assert.deepEqual([warning?.kind, warning?.data.code], ["warning", "runs-hot"]);
  assert.deepEqual(job.warnings, [warning?.data]);
  const loss = (await node.factory.report("audit"))?.heldOut.loss.tuned.mean ?? Number.NaN;
  assert.equal((await node.factory.heldOutLoss(job))?.mean, loss / 1e6);
  const told = others.filter(({ kind }) => kind === "evaluation").map(({ data }) => data);
  assert.match(String(told[0]?.part), /^loss of the rows, base$/);
  assert.ok(told.every(({ done, of }) => Number(done) <= Number(of)));
  assert.ok(others.every(({ kind }) => kind !== "warning"));
  assert.equal(job.releaseId, null);
  assert.equal(await node.factory.findRelease("audit"), undefined);
});

test("a warm-up longer than half of its steps is said in the estimate, in the job and as its first event", async () => {
  // 20 rows in batches of 8, twice: 6 steps.
  const codes = async (warmupSteps: number) => {
    const job = { ...spec, model: `warm-${warmupSteps}`, publish: false, recipe: { ...quick, warmupSteps } };
    const { warnings } = await node.factory.estimate(job);
    const queued = await node.factory.createJob(`warm-${warmupSteps}`, job);
    assert.deepEqual(queued.warnings, warnings);
    const events = await node.factory.events(queued.id);
    await node.factory.cancel(queued.id);
    assert.deepEqual(
      events.filter(({ kind }) => kind === "warning").map(({ data }) => data),
      warnings,
    );
    return warnings;
  };
  assert.deepEqual(await codes(3), []);
  const [half] = await codes(4);
  assert.match(
    half?.message ?? "",
    /over 4 steps.*at most 6\. .*at most 0\.\d+ here\. Set warmupSteps to 1, /,
  );
  const [all] = await codes(20);
  assert.match(all?.message ?? "", /over 20 steps.*at most 6\. .*at most 0\.\d+ here/);
});

test("a calibration can be cancelled, and be left out, which the release says", async () => {
  const long = { ...spec.recipe, calibration: { retrainings: 256, queries: 4 } };
  await node.factory.createJob("long", { ...spec, model: "long", recipe: long });
  const draining = node.jobs.drain();
  const reached = Promise.withResolvers<void>();
  const stop = node.factory.onEvent(async (jobId) => {
    const [last] = (await node.factory.events(jobId)).slice(-1);
    if (last?.kind === "calibration" && Number(last.data.done) >= 1) reached.resolve();
  });
  await reached.promise;
  stop();
  await node.factory.cancel("long");
  await draining;
  assert.equal((await node.factory.getJob("long")).state, "cancelled");
  assert.equal(await node.factory.findRelease("long"), undefined);

  const none = { ...spec.recipe, calibration: { retrainings: 0 } };
  await node.run("none", { ...spec, model: "none", recipe: none });
  const release = await node.factory.findRelease("none");
  assert.equal(release?.manifest.calibration.lds, null);
  assert.match(calibrationLabel(calibrationOf(release.manifest)), /^NOT CALIBRATED/);
});

test("a sweep runs every point of a grid without releasing any, and puts them side by side", async () => {
  const grid = { learningRate: [1e-5, 1e-2], epochs: [1, 2] };
  const begun = await node.factory.sweep("grid", { ...spec, model: "grid", recipe: quick }, grid);
  assert.ok(begun.every(({ heldOutLoss }) => heldOutLoss === null) && begun.length === 4);
  await node.jobs.drain();
  const rows = await node.factory.compare("grid");
  assert.ok(rows.every(({ state }) => state === "succeeded"));
  assert.deepEqual(new Set(rows.map(({ varied }) => JSON.stringify(varied))).size, 4);
  const losses = rows.map(({ heldOutLoss }) => heldOutLoss?.mean ?? Number.NaN);
  assert.deepEqual(
    losses,
    losses.toSorted((a, b) => a - b),
  );
  assert.equal(await node.factory.findRelease("grid"), undefined);
  assert.equal(
    (await node.factory.sweep("grid", { ...spec, model: "grid", recipe: quick }, grid)).length,
    4,
    "the same again is the same",
  );
  for (const [wrong, message] of [
    [{ rank: [99] }, /rank/],
    [{}, /field to vary/],
    [{ seed: Array(16).fill(1), epochs: Array(16).fill(1) }, /256 points/],
  ] as const)
    await assert.rejects(node.factory.sweep("bad", { ...spec, model: "bad" }, wrong), (error) => {
      assert.match((error as Error).message, message);
      return (error as ModelFactoryError).code === "bad-recipe";
    });
  await assert.rejects(node.factory.compare("none"), { code: "unknown-job" });
});

test("a field that is none is refused by its name, with those that there are", async () => {
  const pass: MiddlewareHandler = (_, next) => next();
  const app = jobRoutes(node.factory, pass, pass);
  for (const [path, body, place] of [
    ["/v1/fine-tunes/sweeps", { ...spec, grid: { learning_rate: [1], epochs: [1] } }, "grid"],
    ["/v1/fine-tunes", { ...spec, recipe: { learning_rate: 1 } }, "recipe"],
    ["/v1/fine-tunes/estimate", { ...spec, recipe: { learning_rate: 1 } }, "recipe"],
  ] as const) {
    const headers = { "content-type": "application/json" };
    const answer = await app.request(path, { method: "POST", headers, body: JSON.stringify(body) });
    const { error } = (await answer.json()) as { error: { code: string; message: string } };
    assert.deepEqual([answer.status, error.code], [400, "invalid-request"], path);
    const expected = `${place}: "learning_rate": no field of a recipe \\(did you mean learningRate\\?\\), which has rank, alpha, .*learningRate, .*maxLength$`;
    assert.match(error.message, new RegExp(expected));
  }
});

test("one subscriber has some of the live streams of a job that waits, however many addresses it listens from", async () => {
  await node.factory.createJob("waiting", { ...spec, model: "waiting", publish: false });
  await node.factory.pause("waiting");
  const pass: MiddlewareHandler = (_, next) => next();
  const app = jobRoutes(node.factory, pass, pass);
  const listen = (remoteAddress: string) =>
    app.request(
      "/v1/fine-tunes/waiting/events",
      { headers: { accept: "text/event-stream" } },
      { incoming: { socket: { remoteAddress } } },
    );
  const streams = await Promise.all(Array.from({ length: 17 }, (_, n) => listen(`2001:db8::${n + 1}`)));
  assert.deepEqual(
    streams.map(({ status }) => status),
    [...Array(16).fill(200), 503],
  );
  const other = await listen("192.0.2.1");
  assert.equal(other.status, 200);
  for (const { body } of [...streams, other]) await body?.cancel();
  const again = await listen("2001:db8::1");
  assert.equal(again.status, 200, "who goes away leaves its place");
  await again.body?.cancel();
  await node.factory.cancel("waiting");
});
