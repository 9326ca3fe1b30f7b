import assert from "node:assert/strict";
import { test } from "node:test";
import { loadCheckpoint } from "../../src/engine/index.ts";
import { at, payees } from "../../src/protocol/fixtures/batch.ts";
import {
  type CommittedBatch,
  genesisSplit,
  listLies,
  openBatch,
  type ReleaseFacts,
  receiptLies,
  textDigest,
} from "../../src/protocol/index.ts";
import { openIndex } from "../../src/settlement/index.ts";
import { makeAnswers } from "../../src/validators/fixtures/attester.ts";
import { plants } from "./plants.ts";
import { makeLyingRelease } from "./releases.ts";
import { run } from "./run.ts";
import { baseFolder } from "./world.ts";

const datanets = [{ owner: at(5), pool: at(6), acceptedExamples: 28 }];
const base = loadCheckpoint(baseFolder);
const { release } = await makeLyingRelease("honest", payees.developer);
const { index } = release.served.manifest;
const facts: ReleaseFacts = {
  publishedAt: 1n,
  promptWeiPerToken: BigInt(release.served.manifest.price.promptWeiPerToken),
  completionWeiPerToken: BigInt(release.served.manifest.price.completionWeiPerToken),
  root: index.root,
  rows: index.contributors + index.nullRows,
  contributors: index.contributors,
  k: index.k,
  thresholdMillionths: index.thresholdMillionths,
};

/** The kinds of lies that a check of what was published finds, each once. */
async function lies(name: string): Promise<string[]> {
  const plant = plants(payees.operator)[name]!;
  const setting = { payees, datanets, channels: [textDigest("one")], perChannel: 3, issuedAt: 2_000n };
  const { receipts } = await makeAnswers(base, release, setting, plant.twist);
  const content = plant.content(receipts.slice(0, plant.settles));
  const committed: CommittedBatch = { ...plant.committed(content), number: 0 };
  const { batch, withheld } = openBatch(committed, content);
  assert.deepEqual(withheld, [], "what is published is what is committed");
  const terms = { split: genesisSplit, payees, datanets };
  const index = await openIndex(facts, release.indexRows);
  const known = { release: facts, terms, index, settleable: true };
  const found = [...listLies(batch), ...batch.receipts.flatMap((_, i) => [...receiptLies(batch, i, known)])];
  return [...new Set(found.map(({ kind }) => kind))];
}

test("each lie of an attester is one lie; what only a quorum or the holder sees looks true", async () => {
  const kinds = { gap: "tiling", overlap: "tiling", sum: "journal-sum" } as Record<string, string>;
  for (const [name, { decided }] of Object.entries(plants(payees.operator)))
    assert.deepEqual(await lies(name), decided === "proof" ? [kinds[name] ?? name] : [], name);
});

test("a lie that is proven and one that is judged cost their attesters a bond, and no honest party anything", {
  timeout: 300_000,
}, async () => {
  const plan = { lies: ["score", "query"], indexLies: null, validators: [], honestValidators: 3 };
  const { rows, judged } = await run(plan);
  for (const { name, net, asItShould } of rows) assert.ok(asItShould, `${name}: ${net} wei`);
  const bond = 1_000n * 10n ** 18n;
  for (const liar of ["score", "query"]) assert.equal(rows.find(({ name }) => name === liar)!.net, -bond);
  const undone = judged.filter(({ outcome }) => outcome === "executed").map(({ about }) => about);
  assert.deepEqual(undone, ["accusation of query"]);
});
