/** What a job ends in: a signed release whose files, report and index can be checked, and which a node that dies makes all the same. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeBasis } from "../attribution/index.ts";
import { loadCheckpoint, parseSafetensors, readPeft } from "../engine/index.ts";
import {
  calibrationOf,
  type Digest,
  decodeRow,
  indexTree,
  jsonDigest,
  releaseId,
} from "../protocol/index.ts";
import { baseFolder, openFactory, quick } from "./fixtures/factory.ts";
import { indexRows } from "./release.ts";
import { diffReleases } from "./release-diff.ts";
import { reproduceRelease } from "./reproduce.ts";

const node = await openFactory();
const { blobs, registry, datanet, version } = node;
const spec = {
  ...node.spec,
  recipe: { ...quick, calibration: { retrainings: 3, queries: 6, leaveOut: 2 } },
};

test("a job ends in a signed release on chain whose files carry their digests", async () => {
  const job = await node.run("one", spec);
  assert.equal(job.error, null);
  assert.equal(job.state, "succeeded");
  const release = await node.factory.findRelease("words");
  assert.ok(release);
  assert.equal(release.id, releaseId(release.manifest));
  assert.equal(release.id, job.releaseId);
  assert.ok(await node.factory.verifySignature(release));
  assert.ok(await registry.releaseExists(release.id));
  const files = await node.factory.releaseFiles(release.id);
  assert.equal(files.contributors, 3);
  const { manifest } = release;
  const tree = indexTree(indexRows(Buffer.concat(files.rows), manifest.index.k, release.contributors));
  assert.equal(tree.root, manifest.index.root);
  // Two contributors, of whom one has more than eight examples.
  assert.equal(manifest.index.contributors, 3);
  assert.equal(files.rows.length, 3 + manifest.index.nullRows);
  const events = await node.factory.events("one");
  assert.deepEqual(
    events.filter((e) => e.kind === "state").map((e) => e.data.state),
    ["training", "evaluating", "indexing", "calibrating", "releasing", "succeeded"],
  );
  assert.ok(events.some((e) => e.kind === "step" && typeof e.data.loss === "number"));
  const { createdAtMs } = manifest;
  const releasing = events.find(({ data }) => data.state === "releasing") as { atMs: number };
  assert.ok(
    releasing.atMs <= createdAtMs && createdAtMs <= (job.finishedAtMs as number),
    "it is of the time when it was signed",
  );
  assert.equal(release.createdAtMs, createdAtMs);
  // Three steps an epoch: its last one is told just before what was measured after it, however fast steps are.
  const told = events.filter(({ kind }) => kind === "step" || kind === "epoch");
  for (const [at, { kind, data }] of told.entries())
    if (kind === "epoch" && at > 0) {
      assert.equal(data.step, 3 * Number(data.epoch));
      assert.equal(told[at - 1]?.data.step, data.step);
    }
  const calibration = calibrationOf(manifest);
  assert.ok(calibration.status !== "unmeasured");
  assert.deepEqual([calibration.retrainings, calibration.queries], [5, 6]);
  assert.ok(calibration.lds.lo <= calibration.lds.mean && calibration.ceiling === null);
  const progress = events.filter((e) => e.kind === "calibration").map((e) => e.data);
  assert.deepEqual(progress.at(-1), { done: 5, of: 5, secondsLeft: 0 });
  const { releasedEpoch, heldOutRows, heldOutLossMillionths } = manifest.evaluation;
  const [, ...curve] = heldOutLossMillionths as number[];
  assert.deepEqual([curve.length, heldOutRows], [2, 24]);
  assert.equal(curve[(releasedEpoch as number) - 1], Math.min(...curve));
});

test("the evaluation has a report with intervals, of the adapter that is released", async () => {
  const report = await node.factory.report("one");
  const release = await node.factory.findRelease("words");
  assert.ok(report && release);
  assert.equal(report.adapter, release.manifest.adapter.digest);
  assert.deepEqual(await node.factory.releaseReport(release), report);
  const digest = release.manifest.evaluation.reportDigest as Digest;
  assert.deepEqual(JSON.parse(new TextDecoder().decode(await blobs.get(digest))), report);
  assert.equal(jsonDigest(report), digest, "whoever has the report can check that it is the release's");
  assert.deepEqual([report.heldOut.rows, report.answers?.rows, report.regression?.prompts], [24, 24, 24]);
  const { base: before, tuned } = report.heldOut.loss;
  assert.ok(before.lo < before.mean && before.mean < before.hi && tuned.mean < before.mean);
  const job = await node.factory.getJob("one");
  const shares = report.heldOut.exact.tuned.mean / 1e6;
  assert.ok(Math.abs(shares - (job.evaluated?.tuned.exact.filter(Boolean).length ?? 0) / 24) < 1e-6);
});

test("a release carries a row for each example, and a contributor's rows sum to what it is paid by", async () => {
  const release = await node.factory.findRelease("words");
  assert.ok(release);
  const { rows, basis: file } = await node.factory.releaseFiles(release.id);
  const { plan, row } = await node.explainRows(release.manifest.index.explainDigest);
  assert.deepEqual([plan.rows, plan.bits, plan.seed], [20, 8, 5]);
  const basis = decodeBasis(file);
  const { rows: accepted } = await node.datanets.getVersion(datanet.datanetId, version.version);
  for (const contributor of new Set(release.contributors)) {
    const sum = new Float64Array(plan.width);
    accepted.forEach((of, i) => {
      if (of.contributor !== contributor) return;
      const { scale, values } = row(i);
      for (let j = 0; j < sum.length; j++) sum[j] = (sum[j] as number) + scale * (values[j] as number);
    });
    const paid = new Int32Array(basis.k);
    for (const [r, payee] of release.contributors.entries())
      if (payee === contributor)
        decodeRow(rows[r] as Uint8Array).forEach((x, k) => {
          paid[k] = (paid[k] as number) + x;
        });
    const unit = Number(release.manifest.index.scale);
    let [wrong, right] = [0, 0];
    for (let k = 0; k < basis.k; k++) {
      let coordinate = 0;
      for (let j = 0; j < sum.length; j++)
        coordinate += (sum[j] as number) * (basis.values[k * plan.width + j] as number);
      coordinate *= basis.scales[k] as number;
      wrong += (coordinate - (paid[k] as number) * unit) ** 2;
      right += coordinate ** 2;
    }
    assert.ok(wrong < 0.02 ** 2 * right, `contributor ${contributor} is ${Math.sqrt(wrong / right)} off`);
  }
});

test("a release's manifest is enough to train its adapter again, to the last bit; another recipe gives another", async () => {
  const release = await node.factory.findRelease("words");
  assert.ok(release);
  const checkpoint = loadCheckpoint(baseFolder);
  const again = await reproduceRelease(checkpoint, node.datanets, release.manifest);
  assert.equal(again.adapter, release.manifest.adapter.digest);
  assert.ok(again.matches);
  assert.equal(again.releasedOn, again.reproducedOn);
  assert.match(again.releasedOn, /onnxruntime\/\d.* \w+-\w+ ./);
  assert.equal(again.releasedEpoch, release.manifest.evaluation.releasedEpoch);
  const recipe = { ...release.manifest.recipe, seed: 6 };
  const other = await reproduceRelease(checkpoint, node.datanets, { ...release.manifest, recipe });
  assert.equal(other.matches, false);
});

test("the same job gives the same adapter; stopped after any step, it goes on to one release", async () => {
  const first = await node.factory.findRelease("words");
  for (const stopAt of ["trained", "retraining-1", "calibrated", "published"]) {
    const model = `words-${stopAt}`;
    await node.dieAfter(stopAt, () => node.factory.createJob(model, { ...spec, model }));
    await node.jobs.drain();
    const job = await node.factory.getJob(model);
    assert.equal(job.state, "succeeded", `${stopAt}: ${job.error}`);
    const release = await node.factory.findRelease(model);
    assert.equal(
      release?.manifest.adapter.digest,
      first?.manifest.adapter.digest,
      "the adapter is made again bit for bit",
    );
    assert.equal(release?.manifest.index.root, first?.manifest.index.root, "so is the index");
    assert.equal(release?.manifest.index.explainDigest, first?.manifest.index.explainDigest);
    assert.deepEqual(release?.manifest.calibration, first?.manifest.calibration, "and the calibration");
    // What was on chain when the node died is the release that it then finds there: it was signed once, whenever that was.
    assert.equal(release?.transactionHash === null, stopAt === "published");
  }
});

test("training continues from a release with the data it was made of, which the manifest says; else it restarts from weights", async () => {
  const first = await node.factory.findRelease("words");
  assert.ok(first);
  const start = { ...spec, model: "words-on", recipe: quick, continueFrom: first.id };
  await assert.rejects(node.factory.createJob("other", { ...start, recipe: { ...quick, rank: 4 } }), {
    code: "other-adapter",
  });
  const none = `0x${"ab".repeat(32)}` as const;
  await assert.rejects(node.factory.createJob("none-such", { ...start, continueFrom: none }), {
    code: "unknown-release",
  });
  const job = await node.run("on", start);
  assert.equal(job.error, null);
  const release = await node.factory.findRelease("words-on");
  assert.ok(release);
  assert.equal(release.manifest.recipe.continueFrom, first.id);
  assert.equal(release.manifest.parentRelease, first.id);
  assert.notEqual(release.manifest.adapter.digest, first.manifest.adapter.digest);
  const [before] = job.trained?.heldOutLosses ?? [];
  const whole = await node.factory.getJob("one");
  assert.equal(
    before,
    whole.trained?.heldOutLosses[whole.trained.releasedEpoch ?? 0],
    "it starts where the other ended",
  );
  const checkpoint = loadCheckpoint(baseFolder);
  await assert.rejects(reproduceRelease(checkpoint, node.datanets, release.manifest), {
    code: "other-adapter",
  });
  const files = await node.factory.releaseFiles(first.id);
  const adapter = readPeft(
    JSON.parse(new TextDecoder().decode(files.adapterConfig)),
    parseSafetensors(files.adapterTensors, "first"),
    checkpoint.config,
    "first",
  );
  const again = await reproduceRelease(checkpoint, node.datanets, release.manifest, { start: adapter });
  assert.ok(again.matches);
});

test("a model's name serves an earlier release again, and its newest from the next release on; nothing is overwritten", async () => {
  const releases = [];
  const listed = async () => (await node.factory.models()).find(({ model }) => model === "line")?.id;
  for (const seed of [1, 2, 3]) {
    await node.factory.createJob(`line-${seed}`, { ...spec, model: "line", recipe: { ...quick, seed } });
    await node.jobs.drain();
    releases.push((await node.factory.getJob(`line-${seed}`)).releaseId as Digest);
  }
  const [first, second, third] = releases as [Digest, Digest, Digest];
  const served = async () => (await node.factory.findRelease("line"))?.id;
  assert.deepEqual([await served(), await listed()], [third, third]);
  const { serves, served: before } = await node.factory.serve("line");
  assert.deepEqual([serves.id, before.id, await served(), await listed()], [second, third, second, second]);
  assert.deepEqual(
    (await node.factory.versions("line")).map(({ id, parentRelease, served, supersededBy }) => [
      id,
      parentRelease,
      served,
      supersededBy,
    ]),
    [
      [third, second, false, null],
      [second, first, true, third],
      [first, null, false, second],
    ],
  );
  await node.factory.serve("line");
  await assert.rejects(node.factory.serve("line"), { code: "no-parent" });
  assert.equal(await served(), first);
  await node.factory.serve("line", third);
  assert.equal(await served(), third);
  await node.factory.serve("line", first);
  const foreign = (await node.factory.findRelease("words"))?.id as Digest;
  await assert.rejects(node.factory.serve("line", foreign), { code: "unknown-release" });
  await assert.rejects(node.factory.serve("nobody"), { code: "unknown-release" });
  await node.run("line-4", { ...spec, model: "line", recipe: { ...quick, seed: 4 } });
  const fourth = await node.factory.findRelease("line");
  assert.equal(fourth?.id, (await node.factory.getJob("line-4")).releaseId, "a new release serves itself");
  assert.equal(fourth?.manifest.parentRelease, third, "and comes after the newest, whichever was served");
  const [one, two] = [await node.factory.findRelease(first), await node.factory.findRelease(second)];
  assert.ok(one && two);
  const differences = diffReleases(one.manifest, two.manifest);
  assert.deepEqual(
    differences.find(({ path }) => path === "recipe.seed"),
    { path: "recipe.seed", before: 1, after: 2 },
  );
  assert.deepEqual(differences.find(({ path }) => path === "parentRelease")?.after, first);
  assert.ok(differences.every(({ path }) => !path.startsWith("datanets") && !path.startsWith("base")));
  assert.deepEqual(diffReleases(one.manifest, one.manifest), []);
});
