/** What the data of a job means for it: copies, rows taken back or unreadable, licences, and too few of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { loadCheckpoint } from "../engine/index.ts";
import { calibrationOf, type Digest, examplesDigest, sameHex, signWithdrawal } from "../protocol/index.ts";
import { ModelFactoryError } from "./errors.ts";
import { baseFolder, manySteps, openFactory, rows, word } from "./fixtures/factory.ts";
import { indexRows } from "./release.ts";
import { reproduceRelease } from "./reproduce.ts";

const node = await openFactory(() => ({
  takenBy: async (model) => (model === "loaded" ? "an adapter" : undefined),
}));
const { network, blobs, datanet, spec } = node;

test("near copies are named in the release, and bring who made them no row", async () => {
  const other = await node.create("Copied");
  const sentence = (words: number) => Array.from({ length: words }, word).join(" ");
  const originals = Array.from({ length: 6 }, (_, i) => ({
    prompt: `${i} ${sentence(30)}`,
    completion: ` ${sentence(8)}.`,
  }));
  await node.contribute("ada", originals, "train", other);
  await node.contribute(
    "dan",
    originals.map(({ prompt, completion }) => ({ prompt: `${prompt} so`, completion })),
    "train",
    other,
  );
  await node.contribute("cy", rows(24, "held"), "heldout", other);
  const { version: copied } = await node.publish(other);
  const job = await node.run("copies", {
    ...spec,
    model: "copied",
    datanets: [{ datanetId: other.datanetId.toString(), version: copied }],
    recipe: { ...spec.recipe, calibration: { retrainings: 3, queries: 24 } },
  });
  assert.equal(job.error, null);
  assert.deepEqual([job.trained?.examples, job.trained?.copies, job.trained?.skipped], [6, 6, 0]);
  const release = await node.factory.findRelease("copied");
  assert.ok(release);
  assert.equal(release.manifest.evaluation.copiedRows, 6);
  assert.ok((await reproduceRelease(loadCheckpoint(baseFolder), node.datanets, release.manifest)).matches);
  const { clusters } = JSON.parse(
    new TextDecoder().decode(await blobs.get(release.manifest.index.clustersDigest)),
  ) as { clusters: number[][] };
  const { rows: accepted } = await node.datanets.getVersion(other.datanetId, copied);
  const ada = network.keys.account("ada").address.toLowerCase();
  const dan = network.keys.account("dan").address.toLowerCase();
  const owners = clusters.map((cluster) => cluster.map((row) => accepted[row]?.contributor.toLowerCase()));
  for (const i of originals.keys())
    assert.ok(
      clusters.some((cluster) => cluster.includes(i) && cluster.includes(i + 6)),
      JSON.stringify(clusters),
    );
  for (const [first] of owners) assert.equal(first, ada, "who came first stands for the others");
  const files = await node.factory.releaseFiles(release.id);
  const index = indexRows(Buffer.concat(files.rows), release.manifest.index.k, release.contributors);
  const isEmpty = (payee: string) =>
    index.find((row) => row.payee.toLowerCase() === payee)?.bytes.every((b) => b === 0);
  assert.deepEqual([isEmpty(ada), isEmpty(dan)], [false, true]);
  const explain = await node.explainRows(release.manifest.index.explainDigest);
  const copies = new Set(clusters.flatMap(([, ...members]) => members));
  accepted.forEach((_, i) => {
    assert.equal(explain.row(i).scale === 0, copies.has(i), `row ${i}`);
  });
});

test("who withdraws a row during a job stays in it, for its version never changes; the release says so, and the next version is without it", async () => {
  const card = { name: "Taken back", description: "", domain: "test", license: "CC0-1.0" };
  const datanet = await node.datanets.create(network.accounts.curator, card);
  for (const [name, part, tag] of [
    ["ada", "train", "p"],
    ["bo", "train", "q"],
    ["cy", "heldout", "r"],
  ] as const)
    await node.contribute(name, rows(part === "train" ? 10 : 24, tag), part, datanet);
  const version = await node.publish(datanet);
  const datanets = [{ datanetId: datanet.datanetId.toString(), version: version.version }];
  const long = { ...spec, datanets, model: "withdrawn", recipe: { ...manySteps, epochs: 30 } };
  await node.factory.createJob("withdrawn", long);
  await node.trained("withdrawn", 2);
  await node.factory.pause("withdrawn");
  const account = network.keys.account("bo");
  const { rows: published } = await node.datanets.getVersion(datanet.datanetId, version.version);
  const digest = published.find(({ contributor }) => sameHex(contributor, account.address))
    ?.exampleDigest as Digest;
  const withdrawal = {
    datanetId: datanet.datanetId,
    contributor: account.address,
    examplesDigest: examplesDigest([digest]),
    exampleCount: 1,
    signedAt: BigInt(Math.floor(Date.now() / 1000)),
  };
  const signature = await signWithdrawal(node.datanets.registry.domain, withdrawal, account);
  await node.datanets.withdraw({ withdrawal, signature, digests: [digest] });
  await node.factory.resume("withdrawn");
  await node.jobs.drain();
  const release = await node.factory.findRelease("withdrawn");
  assert.ok(release, (await node.factory.getJob("withdrawn")).error ?? "");
  assert.equal(release.manifest.datanets[0]?.acceptedExamples, 20, "the job trained on its version, whole");
  assert.deepEqual(
    new Set(
      (await node.factory.givenTo(release)).map(({ contributor, examples }) => `${contributor} ${examples}`),
    ),
    new Set(["ada", "bo"].map((name) => `${network.keys.account(name).address.toLowerCase()} 10`)),
    "who gave only held-out rows gave nothing to train on",
  );
  // One that was made before this was written down is counted when it is asked for.
  const written = await node.factory.givenTo(release);
  const forget = "update modelfactory.releases set given = null where id = $1 returning id";
  assert.equal((await node.database.query(forget, [release.id])).length, 1);
  assert.deepEqual(await node.factory.givenTo(release), written);
  const [again] = await node.database.query("select given from modelfactory.releases where id = $1", [
    release.id,
  ]);
  assert.deepEqual(again, { given: written });
  assert.deepEqual(await node.factory.withdrawnSince(release), [
    { datanetId: datanet.datanetId.toString(), version: version.version, rows: 1 },
  ]);
  const next = await node.publish(datanet);
  const { rows: later } = await node.datanets.getVersion(datanet.datanetId, next.version);
  assert.ok(later.every(({ exampleDigest }) => exampleDigest !== digest) && later.length === 19);
});

test("a row that spells a control token is left out; it stops nobody's training", async () => {
  const poison = {
    messages: [
      { role: "user" as const, content: "x </s>" },
      { role: "assistant" as const, content: "ok" },
    ],
  };
  await node.contribute("mallory", [poison], "train");
  await node.contribute(
    "mallory",
    [{ ...poison, messages: [{ ...poison.messages[0]!, content: "y </s>" }, poison.messages[1]!] }],
    "heldout",
  );
  const poisoned = await node.publish(datanet);
  const job = await node.run("poisoned", {
    ...spec,
    model: "poisoned",
    recipe: { ...spec.recipe, calibration: { retrainings: 3, queries: 24, leaveOut: 3, ceiling: true } },
    datanets: [{ datanetId: datanet.datanetId.toString(), version: poisoned.version }],
  });
  assert.equal(job.error, null);
  assert.equal(job.trained?.skipped, 1);
  assert.equal(job.trained?.examples, 20);
  const release = await node.factory.findRelease("poisoned");
  assert.equal(release?.manifest.evaluation.unreadableRows, 1);
  const calibration = calibrationOf(release.manifest);
  assert.ok(calibration.status !== "unmeasured" && calibration.ceiling !== null);
  assert.equal(calibration.retrainings, 3 + 3 + 2, "two contributors, mallory has no readable row");
});

test("Datanets whose licences ask for different things are not made one release of", async () => {
  const data = [];
  for (const license of ["CC-BY-SA-4.0", "ODbL-1.0"]) {
    const net = await node.create(license, license);
    await node.contribute("ada", rows(2, license.slice(0, 3)), "train", net);
    const { version: number } = await node.publish(net);
    data.push({ datanetId: net.datanetId.toString(), version: number });
  }
  await assert.rejects(node.factory.createJob("mixed", { ...spec, model: "mixed", datanets: data }), {
    code: "license-conflict",
  });
});

test("a price is refused before any training where the data's licence permits none", async () => {
  const words = { name: "Not for sale", description: "", domain: "test", license: "CC-BY-NC-4.0" };
  const given = await node.datanets.create(network.accounts.curator, words);
  await node.contribute("ada", rows(8, "n"), "train", given);
  await node.contribute("cy", rows(24, "m"), "heldout", given);
  const { version } = await node.publish(given);
  const datanets = [{ datanetId: given.datanetId.toString(), version }];
  await assert.rejects(node.factory.createJob("priced", { ...spec, datanets }), (error) => {
    assert.match((error as Error).message, /CC-BY-NC-4\.0, which permits no commercial use/);
    return (error as ModelFactoryError).code === "not-commercial";
  });
  const price = { promptWeiPerToken: "0", completionWeiPerToken: "0" };
  await node.run("free", { ...spec, model: "gift", datanets, price });
  assert.equal((await node.factory.getJob("free")).state, "succeeded");
  await assert.rejects(
    node.factory.createJob("sold", { ...spec, model: "gift" }),
    /"gift".*no commercial use/,
  );
});

test("too few held-out rows for an index are refused by the estimate, and by the order", async () => {
  const few = await node.datanets.create(network.accounts.curator, {
    ...{ name: "Few", description: "", domain: "test", license: "CC0-1.0" },
  });
  await node.contribute("ada", rows(12, "f"), "train", few);
  await node.contribute("cy", rows(3, "e"), "heldout", few);
  const { version } = await node.publish(few);
  const job = { ...spec, model: "few", datanets: [{ datanetId: few.datanetId.toString(), version }] };
  const refusal = /at least 20 held-out examples .* there are 3/;
  await assert.rejects(node.factory.estimate(job), { code: "too-few-held-out", message: refusal });
  await assert.rejects(node.factory.createJob("few", job), { code: "too-few-held-out", message: refusal });
  // Of those that there are, some may be of whom the job leaves out: that is found when it reads them.
  const others = { ...job, datanets: [...job.datanets, ...spec.datanets] };
  const left = [network.keys.account("cy").address.toLowerCase() as `0x${string}`];
  const failed = await node.run("left-out", { ...others, exclude: left });
  assert.deepEqual([failed.state, failed.trained], ["failed", null]);
  assert.match(failed.error ?? "", /nothing to evaluate on/);
  // Without a release there is no index: this machine is measured on what rows there are.
  const told = await node.factory.estimate({ ...job, publish: false, recipe: { ...spec.recipe, rank: 4 } });
  assert.ok(told.seconds.training > 0 && told.seconds.index === 0);
});

test("names that are taken, and data with nothing to measure on, are refused before anything waits", async () => {
  for (const [model, code] of [
    [node.base.name, "model-taken"],
    ["loaded", "model-taken"],
  ] as const) {
    await assert.rejects(node.factory.createJob("named", { ...spec, model }), {
      code,
      message: /is taken by/,
    });
    await assert.rejects(node.factory.estimate({ ...spec, model }), { code });
  }
  const none = await node.create("None held out");
  await node.contribute("ada", rows(12, "z"), "train", none);
  const { version } = await node.publish(none);
  const datanets = [{ datanetId: none.datanetId.toString(), version }];
  const refusal = {
    code: "nothing-to-evaluate",
    message: /Contribute some with --heldout \(a release needs 20\)/,
  };
  await assert.rejects(node.factory.createJob("blind", { ...spec, datanets }), refusal);
  await assert.rejects(node.factory.getJob("blind"), { code: "unknown-job" });
});

test("what cannot be done is refused by name", async () => {
  await assert.rejects(
    node.factory.createJob("x", { ...spec, datanets: [{ datanetId: "99", version: 1 }] }),
    /99/,
  );
  await assert.rejects(node.factory.getJob("nobody"), ModelFactoryError);
  await assert.rejects(node.factory.createJob("y", { ...spec, model: "Bad Name" }), /lower|a–z|name/i);
  const job = await node.run("excluded", {
    ...spec,
    model: "none",
    exclude: ["ada", "bo"].map((n) => network.keys.account(n).address.toLowerCase() as `0x${string}`),
  });
  assert.equal(job.state, "failed");
  assert.match(job.error ?? "", /No examples are left/);
});
