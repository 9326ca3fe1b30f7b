import assert from "node:assert/strict";
import { after, test } from "node:test";
import { decodeBasis, openExplainRows } from "../attribution/index.ts";
import { loadCheckpoint, parseSafetensors, readPeft } from "../engine/index.ts";
import {
  calibrationLabel,
  calibrationOf,
  type Digest,
  decodeRow,
  type Example,
  examplesDigest,
  indexTree,
  jsonDigest,
  releaseId,
  sameHex,
  signWithdrawal,
} from "../protocol/index.ts";
import { ModelFactoryError } from "./errors.ts";
import {
  baseFolder,
  contribute as contributeTo,
  openGround,
  openWords,
  rows,
  trainedSteps,
  word,
} from "./fixtures/factory.ts";
import type { JobSpecInput } from "./job.ts";
import { indexRows } from "./release.ts";
import { diffReleases } from "./release-diff.ts";
import { reproduceRelease } from "./reproduce.ts";

const ground = await openGround();
const { network, blobs, registry } = ground;
const open = (afterStep?: (step: string) => Promise<void>) => ground.open(afterStep ? { afterStep } : {});
let world = await open();
after(async () => {
  await world.close();
  await ground.close();
});
const { datanet, version } = await openWords(ground, world);
const contribute = (name: string, examples: Example[], split: "train" | "heldout", to = datanet) =>
  contributeTo(ground, world, name, examples, split, to);
const spec: JobSpecInput = {
  model: "words",
  datanets: [{ datanetId: datanet.datanetId.toString(), version: version.version }],
  recipe: {
    ...{ rank: 2, alpha: 4, epochs: 2, batch: 8, threads: 1, seed: 5 },
    calibration: { retrainings: 3, queries: 6, leaveOut: 2 },
  },
};

test("a job ends in a signed release on chain whose files carry their digests", async () => {
  await world.factory.createJob("one", spec);
  await world.jobs.drain();
  const job = await world.factory.getJob("one");
  assert.equal(job.error, null);
  assert.equal(job.state, "succeeded");
  const release = await world.factory.findRelease("words");
  assert.ok(release);
  assert.equal(release.id, releaseId(release.manifest));
  assert.equal(release.id, job.releaseId);
  assert.ok(await world.factory.verifySignature(release));
  assert.ok(await registry.releaseExists(release.id));
  const files = await world.factory.releaseFiles(release.id);
  assert.equal(files.contributors, 3);
  const { manifest } = release;
  const tree = indexTree(indexRows(Buffer.concat(files.rows), manifest.index.k, release.contributors));
  assert.equal(tree.root, manifest.index.root);
  // Two contributors, of whom one has more than eight examples.
  assert.equal(manifest.index.contributors, 3);
  assert.equal(files.rows.length, 3 + manifest.index.nullRows);
  const events = await world.factory.events("one");
  assert.deepEqual(
    events.filter((e) => e.kind === "state").map((e) => e.data.state),
    ["training", "evaluating", "indexing", "calibrating", "releasing", "succeeded"],
  );
  assert.ok(events.some((e) => e.kind === "step" && typeof e.data.loss === "number"));
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

/** The explain index of a release, row by row. */
async function explainRows(digest: Digest | undefined) {
  assert.ok(digest);
  const bytes = await blobs.get(digest);
  return openExplainRows(bytes.length, (at, length) => bytes.slice(at, at + length));
}

test("the evaluation has a report with intervals, of the adapter that is released", async () => {
  const report = await world.factory.report("one");
  const release = await world.factory.findRelease("words");
  assert.ok(report && release);
  assert.equal(report.adapter, release.manifest.adapter.digest);
  assert.deepEqual(await world.factory.releaseReport(release), report);
  const digest = release.manifest.evaluation.reportDigest as Digest;
  assert.deepEqual(JSON.parse(new TextDecoder().decode(await blobs.get(digest))), report);
  assert.equal(jsonDigest(report), digest, "whoever has the report can check that it is the release's");
  assert.deepEqual([report.heldOut.rows, report.answers?.rows, report.regression?.prompts], [24, 24, 24]);
  const { base: before, tuned } = report.heldOut.loss;
  assert.ok(before.lo < before.mean && before.mean < before.hi && tuned.mean < before.mean);
  const job = await world.factory.getJob("one");
  const shares = report.heldOut.exact.tuned.mean / 1e6;
  assert.ok(Math.abs(shares - (job.evaluated?.tuned.exact.filter(Boolean).length ?? 0) / 24) < 1e-6);
});

test("a release carries a row for each example, and a contributor's rows sum to what it is paid by", async () => {
  const release = await world.factory.findRelease("words");
  assert.ok(release);
  const { rows, basis: file } = await world.factory.releaseFiles(release.id);
  const { plan, row } = await explainRows(release.manifest.index.explainDigest);
  assert.deepEqual([plan.rows, plan.bits, plan.seed], [20, 8, 5]);
  const basis = decodeBasis(file);
  const { rows: accepted } = await world.datanets.getVersion(datanet.datanetId, version.version);
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

test("near copies are named in the release, and bring who made them no row", async () => {
  const other = await world.datanets.create(network.accounts.curator, {
    name: "Copied",
    description: "",
    domain: "test",
    license: "CC0-1.0",
  });
  const sentence = (words: number) => Array.from({ length: words }, word).join(" ");
  const originals = Array.from({ length: 6 }, (_, i) => ({
    prompt: `${i} ${sentence(30)}`,
    completion: ` ${sentence(8)}.`,
  }));
  await contribute("ada", originals, "train", other);
  await contribute(
    "dan",
    originals.map(({ prompt, completion }) => ({ prompt: `${prompt} so`, completion })),
    "train",
    other,
  );
  await contribute("cy", rows(24, "held"), "heldout", other);
  const { version: copied } = await world.datanets.publishVersion(other.datanetId, network.accounts.curator);
  await world.factory.createJob("copies", {
    ...spec,
    model: "copied",
    datanets: [{ datanetId: other.datanetId.toString(), version: copied }],
    recipe: { ...spec.recipe, calibration: { retrainings: 3, queries: 24 } },
  });
  await world.jobs.drain();
  const job = await world.factory.getJob("copies");
  assert.equal(job.error, null);
  assert.deepEqual([job.trained?.examples, job.trained?.copies, job.trained?.skipped], [6, 6, 0]);
  const release = await world.factory.findRelease("copied");
  assert.ok(release);
  assert.equal(release.manifest.evaluation.copiedRows, 6);
  assert.ok((await reproduceRelease(loadCheckpoint(baseFolder), world.datanets, release.manifest)).matches);
  const { clusters } = JSON.parse(
    new TextDecoder().decode(await blobs.get(release.manifest.index.clustersDigest)),
  ) as { clusters: number[][] };
  const { rows: accepted } = await world.datanets.getVersion(other.datanetId, copied);
  const ada = network.keys.account("ada").address.toLowerCase();
  const dan = network.keys.account("dan").address.toLowerCase();
  const owners = clusters.map((cluster) => cluster.map((row) => accepted[row]?.contributor.toLowerCase()));
  for (const i of originals.keys())
    assert.ok(
      clusters.some((cluster) => cluster.includes(i) && cluster.includes(i + 6)),
      JSON.stringify(clusters),
    );
  for (const [first] of owners) assert.equal(first, ada, "who came first stands for the others");
  const files = await world.factory.releaseFiles(release.id);
  const index = indexRows(Buffer.concat(files.rows), release.manifest.index.k, release.contributors);
  const isEmpty = (payee: string) =>
    index.find((row) => row.payee.toLowerCase() === payee)?.bytes.every((b) => b === 0);
  assert.deepEqual([isEmpty(ada), isEmpty(dan)], [false, true]);
  const explain = await explainRows(release.manifest.index.explainDigest);
  const copies = new Set(clusters.flatMap(([, ...members]) => members));
  accepted.forEach((_, i) => {
    assert.equal(explain.row(i).scale === 0, copies.has(i), `row ${i}`);
  });
});

test("a release's manifest is enough to train its adapter again, to the last bit; another recipe gives another", async () => {
  const release = await world.factory.findRelease("words");
  assert.ok(release);
  const checkpoint = loadCheckpoint(baseFolder);
  const again = await reproduceRelease(checkpoint, world.datanets, release.manifest);
  assert.equal(again.adapter, release.manifest.adapter.digest);
  assert.ok(again.matches);
  assert.equal(again.releasedOn, again.reproducedOn);
  assert.match(again.releasedOn, /onnxruntime\/\d.* \w+-\w+ ./);
  assert.equal(again.releasedEpoch, release.manifest.evaluation.releasedEpoch);
  const recipe = { ...release.manifest.recipe, seed: 6 };
  const other = await reproduceRelease(checkpoint, world.datanets, { ...release.manifest, recipe });
  assert.equal(other.matches, false);
});

test("the same job gives the same adapter; stopped after any step, it goes on to one release", async () => {
  const first = await world.factory.findRelease("words");
  for (const stopAt of ["trained", "retraining-1", "calibrated", "published"]) {
    await world.close();
    const model = `words-${stopAt}`;
    const reached = Promise.withResolvers<void>();
    const stop = Promise.withResolvers<void>();
    world = await open(async (step) => {
      if (step !== stopAt) return;
      reached.resolve();
      await stop.promise;
    });
    await world.factory.createJob(model, { ...spec, model });
    await reached.promise;
    // Nothing after this step is written: closing aborts the job, which then fails where it stands.
    const closed = world.close();
    stop.reject(new Error("The process ends here."));
    await closed;
    world = await open();
    await world.jobs.drain();
    const job = await world.factory.getJob(model);
    assert.equal(job.state, "succeeded", `${stopAt}: ${job.error}`);
    const release = await world.factory.findRelease(model);
    assert.equal(
      release?.manifest.adapter.digest,
      first?.manifest.adapter.digest,
      "the adapter is made again bit for bit",
    );
    assert.equal(release?.manifest.index.root, first?.manifest.index.root, "so is the index");
    assert.equal(release?.manifest.index.explainDigest, first?.manifest.index.explainDigest);
    assert.deepEqual(release?.manifest.calibration, first?.manifest.calibration, "and the calibration");
  }
});

const quick = { ...spec.recipe, calibration: { retrainings: 0, leaveOut: 0 } };
const manySteps = { ...quick, epochs: 60, learningRate: 1e-4, stopAtOptimum: false };

test("training continues from a release with the data it was made of, which the manifest says; else it restarts from weights", async () => {
  const first = await world.factory.findRelease("words");
  assert.ok(first);
  const start = { ...spec, model: "words-on", recipe: quick, continueFrom: first.id };
  await assert.rejects(world.factory.createJob("other", { ...start, recipe: { ...quick, rank: 4 } }), {
    code: "other-adapter",
  });
  const none = `0x${"ab".repeat(32)}` as const;
  await assert.rejects(world.factory.createJob("none-such", { ...start, continueFrom: none }), {
    code: "unknown-release",
  });
  await world.factory.createJob("on", start);
  await world.jobs.drain();
  const job = await world.factory.getJob("on");
  assert.equal(job.error, null);
  const release = await world.factory.findRelease("words-on");
  assert.ok(release);
  assert.equal(release.manifest.recipe.continueFrom, first.id);
  assert.equal(release.manifest.parentRelease, first.id);
  assert.notEqual(release.manifest.adapter.digest, first.manifest.adapter.digest);
  const [before] = job.trained?.heldOutLosses ?? [];
  const whole = await world.factory.getJob("one");
  assert.equal(
    before,
    whole.trained?.heldOutLosses[whole.trained.releasedEpoch ?? 0],
    "it starts where the other ended",
  );
  const checkpoint = loadCheckpoint(baseFolder);
  await assert.rejects(reproduceRelease(checkpoint, world.datanets, release.manifest), {
    code: "other-adapter",
  });
  const files = await world.factory.releaseFiles(first.id);
  const adapter = readPeft(
    JSON.parse(new TextDecoder().decode(files.adapterConfig)),
    parseSafetensors(files.adapterTensors, "first"),
    checkpoint.config,
    "first",
  );
  const again = await reproduceRelease(checkpoint, world.datanets, release.manifest, { start: adapter });
  assert.ok(again.matches);
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
  const told = await world.factory.estimate(job);
  const begun = performance.now();
  const again = await world.factory.estimate({ ...job, recipe: { ...job.recipe, epochs: 80 } });
  assert.equal(again.measuredAtMs, told.measuredAtMs, "the machine is measured once");
  assert.ok(performance.now() - begun < 20_000);
  assert.ok(again.seconds.training > 1.5 * told.seconds.training && told.steps === 120);
  assert.ok(told.costWei > 0n && told.memoryBytes > 1e7);
  await world.factory.createJob("estimated", job);
  await assert.rejects(world.factory.estimate({ ...job, recipe: { ...job.recipe, rank: 3 } }), {
    code: "busy",
  });
  await world.jobs.drain();
  const { trained, calibrated, indexed } = await world.factory.getJob("estimated");
  const took = (trained?.seconds ?? 0) + (indexed?.seconds ?? 0) + (calibrated?.seconds ?? 0);
  assert.equal((await world.factory.estimate(job)).costWei, 0n, "the name is registered by now");
  const ratio = took / told.seconds.total;
  // A machine that others use is slower at one time than at another: bench/datanets has the exact figure.
  assert.ok(ratio > 1 / 5 && ratio < 5, `${took} s, not ${told.seconds.total} s`);
});

test("too few held-out rows for an index are refused by the estimate, and by the job before it trains", async () => {
  const few = await world.datanets.create(network.accounts.curator, {
    ...{ name: "Few", description: "", domain: "test", license: "CC0-1.0" },
  });
  await contribute("ada", rows(12, "f"), "train", few);
  await contribute("cy", rows(3, "e"), "heldout", few);
  const { version } = await world.datanets.publishVersion(few.datanetId, network.accounts.curator);
  const job = { ...spec, model: "few", datanets: [{ datanetId: few.datanetId.toString(), version }] };
  const refusal = /at least 20 held-out examples .* there are 3/;
  await assert.rejects(world.factory.estimate(job), { code: "too-few-held-out", message: refusal });
  await world.factory.createJob("few", job);
  await world.jobs.drain();
  const { state, error, trained } = await world.factory.getJob("few");
  assert.deepEqual([state, trained], ["failed", null]);
  assert.match(error ?? "", refusal);
  // Without a release there is no index: this machine is measured on what rows there are.
  const told = await world.factory.estimate({ ...job, publish: false, recipe: { ...spec.recipe, rank: 4 } });
  assert.ok(told.seconds.training > 0 && told.seconds.index === 0);
});

test("a model's name serves an earlier release again, and its newest from the next release on; nothing is overwritten", async () => {
  const releases = [];
  const listed = async () => (await world.factory.models()).find(({ model }) => model === "line")?.id;
  for (const seed of [1, 2, 3]) {
    await world.factory.createJob(`line-${seed}`, { ...spec, model: "line", recipe: { ...quick, seed } });
    await world.jobs.drain();
    releases.push((await world.factory.getJob(`line-${seed}`)).releaseId as Digest);
  }
  const [first, second, third] = releases as [Digest, Digest, Digest];
  const served = async () => (await world.factory.findRelease("line"))?.id;
  assert.deepEqual([await served(), await listed()], [third, third]);
  const { serves, served: before } = await world.factory.serve("line");
  assert.deepEqual([serves.id, before.id, await served(), await listed()], [second, third, second, second]);
  assert.deepEqual(
    (await world.factory.versions("line")).map(({ id, parentRelease, served, supersededBy }) => [
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
  await world.factory.serve("line");
  await assert.rejects(world.factory.serve("line"), { code: "no-parent" });
  assert.equal(await served(), first);
  await world.factory.serve("line", third);
  assert.equal(await served(), third);
  await world.factory.serve("line", first);
  const foreign = (await world.factory.findRelease("words"))?.id as Digest;
  await assert.rejects(world.factory.serve("line", foreign), { code: "unknown-release" });
  await assert.rejects(world.factory.serve("nobody"), { code: "unknown-release" });
  await world.factory.createJob("line-4", { ...spec, model: "line", recipe: { ...quick, seed: 4 } });
  await world.jobs.drain();
  const fourth = await world.factory.findRelease("line");
  assert.equal(fourth?.id, (await world.factory.getJob("line-4")).releaseId, "a new release serves itself");
  assert.equal(fourth?.manifest.parentRelease, third, "and comes after the newest, whichever was served");
  const [one, two] = [await world.factory.findRelease(first), await world.factory.findRelease(second)];
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

test("who withdraws a row during a job stays in it, for its version never changes; the release says so, and the next version is without it", async () => {
  const card = { name: "Taken back", description: "", domain: "test", license: "CC0-1.0" };
  const datanet = await world.datanets.create(network.accounts.curator, card);
  for (const [name, part, tag] of [
    ["ada", "train", "p"],
    ["bo", "train", "q"],
    ["cy", "heldout", "r"],
  ] as const)
    await contribute(name, rows(part === "train" ? 10 : 24, tag), part, datanet);
  const version = await world.datanets.publishVersion(datanet.datanetId, network.accounts.curator);
  const datanets = [{ datanetId: datanet.datanetId.toString(), version: version.version }];
  const long = { ...spec, datanets, model: "withdrawn", recipe: { ...manySteps, epochs: 30 } };
  await world.factory.createJob("withdrawn", long);
  await trainedSteps(world, "withdrawn", 2);
  await world.factory.pause("withdrawn");
  const account = network.keys.account("bo");
  const { rows: published } = await world.datanets.getVersion(datanet.datanetId, version.version);
  const digest = published.find(({ contributor }) => sameHex(contributor, account.address))
    ?.exampleDigest as Digest;
  const withdrawal = {
    datanetId: datanet.datanetId,
    contributor: account.address,
    examplesDigest: examplesDigest([digest]),
    exampleCount: 1,
    signedAt: BigInt(Math.floor(Date.now() / 1000)),
  };
  const signature = await signWithdrawal(world.datanets.registry.domain, withdrawal, account);
  await world.datanets.withdraw({ withdrawal, signature, digests: [digest] });
  await world.factory.resume("withdrawn");
  await world.jobs.drain();
  const release = await world.factory.findRelease("withdrawn");
  assert.ok(release, (await world.factory.getJob("withdrawn")).error ?? "");
  assert.equal(release.manifest.datanets[0]?.acceptedExamples, 20, "the job trained on its version, whole");
  assert.deepEqual(await world.factory.withdrawnSince(release), [
    { datanetId: datanet.datanetId.toString(), version: version.version, rows: 1 },
  ]);
  const next = await world.datanets.publishVersion(datanet.datanetId, network.accounts.curator);
  const { rows: later } = await world.datanets.getVersion(datanet.datanetId, next.version);
  assert.ok(later.every(({ exampleDigest }) => exampleDigest !== digest) && later.length === 19);
});

test("Datanets whose licences ask for different things are not made one release of", async () => {
  const data = [];
  for (const license of ["CC-BY-SA-4.0", "ODbL-1.0"]) {
    const net = await world.datanets.create(network.accounts.curator, {
      name: license,
      description: "",
      domain: "test",
      license,
    });
    await contribute("ada", rows(2, license.slice(0, 3)), "train", net);
    const { version: number } = await world.datanets.publishVersion(net.datanetId, network.accounts.curator);
    data.push({ datanetId: net.datanetId.toString(), version: number });
  }
  await assert.rejects(world.factory.createJob("mixed", { ...spec, model: "mixed", datanets: data }), {
    code: "license-conflict",
  });
});

test("what cannot be done is refused by name", async () => {
  await assert.rejects(
    world.factory.createJob("x", { ...spec, datanets: [{ datanetId: "99", version: 1 }] }),
    /99/,
  );
  await assert.rejects(world.factory.getJob("nobody"), ModelFactoryError);
  await assert.rejects(world.factory.createJob("y", { ...spec, model: "Bad Name" }), /lower|a–z|name/i);
  await world.factory.createJob("excluded", {
    ...spec,
    model: "none",
    exclude: ["ada", "bo"].map((n) => network.keys.account(n).address.toLowerCase() as `0x${string}`),
  });
  await world.jobs.drain();
  const job = await world.factory.getJob("excluded");
  assert.equal(job.state, "failed");
  assert.match(job.error ?? "", /No examples are left/);
});

test("a price is refused before any training where the data's licence permits none", async () => {
  const words = { name: "Not for sale", description: "", domain: "test", license: "CC-BY-NC-4.0" };
  const given = await world.datanets.create(network.accounts.curator, words);
  await contribute("ada", rows(8, "n"), "train", given);
  await contribute("cy", rows(24, "m"), "heldout", given);
  const { version } = await world.datanets.publishVersion(given.datanetId, network.accounts.curator);
  const datanets = [{ datanetId: given.datanetId.toString(), version }];
  await assert.rejects(world.factory.createJob("priced", { ...spec, datanets }), (error) => {
    assert.match((error as Error).message, /CC-BY-NC-4\.0, which permits no commercial use/);
    return (error as ModelFactoryError).code === "not-commercial";
  });
  const price = { promptWeiPerToken: "0", completionWeiPerToken: "0" };
  await world.factory.createJob("free", { ...spec, model: "gift", datanets, price });
  await world.jobs.drain();
  assert.equal((await world.factory.getJob("free")).state, "succeeded");
  await assert.rejects(
    world.factory.createJob("sold", { ...spec, model: "gift" }),
    /"gift".*no commercial use/,
  );
});

test("a job without a release leaves its evaluation; that its recipe runs hot is said before it starts", async () => {
  await world.factory.createJob("audit", {
    ...spec,
    recipe: { ...spec.recipe, stopAtOptimum: false, learningRate: 0.02 },
    model: "audit",
    publish: false,
    exclude: [network.keys.account("bo").address.toLowerCase() as `0x${string}`],
  });
  await world.jobs.drain();
  const job = await world.factory.getJob("audit");
  assert.equal(job.state, "succeeded");
  assert.equal(job.trained?.examples, 12);
  const [warning, ...others] = await world.factory.events("audit");
  assert.deepEqual([warning?.kind, warning?.data.code], ["warning", "runs-hot"]);
  assert.ok(others.every(({ kind }) => kind !== "warning"));
  assert.equal(job.releaseId, null);
  assert.equal(await world.factory.findRelease("audit"), undefined);
});

test("a calibration can be cancelled, and be left out, which the release says", async () => {
  const long = { ...spec.recipe, calibration: { retrainings: 256, queries: 4 } };
  await world.factory.createJob("long", { ...spec, model: "long", recipe: long });
  const draining = world.jobs.drain();
  const reached = Promise.withResolvers<void>();
  const stop = world.factory.onEvent(async (jobId) => {
    const [last] = (await world.factory.events(jobId)).slice(-1);
    if (last?.kind === "calibration" && Number(last.data.done) >= 1) reached.resolve();
  });
  await reached.promise;
  stop();
  await world.factory.cancel("long");
  await draining;
  assert.equal((await world.factory.getJob("long")).state, "cancelled");
  assert.equal(await world.factory.findRelease("long"), undefined);

  const none = { ...spec.recipe, calibration: { retrainings: 0 } };
  await world.factory.createJob("none", { ...spec, model: "none", recipe: none });
  await world.jobs.drain();
  const release = await world.factory.findRelease("none");
  assert.equal(release?.manifest.calibration.lds, null);
  assert.match(calibrationLabel(calibrationOf(release.manifest)), /^NOT CALIBRATED/);
});

test("a row that spells a control token is left out; it stops nobody's training", async () => {
  const poison = {
    messages: [
      { role: "user" as const, content: "x </s>" },
      { role: "assistant" as const, content: "ok" },
    ],
  };
  await contribute("mallory", [poison], "train");
  await contribute(
    "mallory",
    [{ ...poison, messages: [{ ...poison.messages[0]!, content: "y </s>" }, poison.messages[1]!] }],
    "heldout",
  );
  const poisoned = await world.datanets.publishVersion(datanet.datanetId, network.accounts.curator);
  await world.factory.createJob("poisoned", {
    ...spec,
    model: "poisoned",
    recipe: { ...spec.recipe, calibration: { retrainings: 3, queries: 24, leaveOut: 3, ceiling: true } },
    datanets: [{ datanetId: datanet.datanetId.toString(), version: poisoned.version }],
  });
  await world.jobs.drain();
  const job = await world.factory.getJob("poisoned");
  assert.equal(job.error, null);
  assert.equal(job.trained?.skipped, 1);
  assert.equal(job.trained?.examples, 20);
  const release = await world.factory.findRelease("poisoned");
  assert.equal(release?.manifest.evaluation.unreadableRows, 1);
  const calibration = calibrationOf(release.manifest);
  assert.ok(calibration.status !== "unmeasured" && calibration.ceiling !== null);
  assert.equal(calibration.retrainings, 3 + 3 + 2, "two contributors, mallory has no readable row");
});
