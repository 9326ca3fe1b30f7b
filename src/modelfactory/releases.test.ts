import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { randomAdapter, tinyBaseName, writeTinyBase } from "../openlora/fixtures/tiny-base.ts";
import { createOpenLora } from "../openlora/index.ts";
import { type Digest, type Manifest, manifestSchema, zeroAddress, zeroDigest } from "../protocol/index.ts";
import { openBlobFolder, openScratchDatabase } from "../store/index.ts";
import { createReleaseList, findRelease, latestRelease, releaseOfAdapter } from "./releases.ts";
import { migrateModelFactory } from "./tables.ts";

const count = 10_000;
const modelCount = 9_000;
const database = await openScratchDatabase();
const folder = mkdtempSync(join(tmpdir(), "openledger-releases-"));
const baseFolder = writeTinyBase();
after(async () => {
  await database.close();
  for (const path of [folder, baseFolder]) rmSync(path, { recursive: true });
});
await migrateModelFactory(database);
const blobs = await openBlobFolder(folder);
const { digest: real, files } = randomAdapter(1);
await blobs.put(files.tensors);

const manifest: Manifest = manifestSchema.parse({
  schema: "openledger/release/1",
  base: {
    name: tinyBaseName,
    weightsDigest: zeroDigest,
    tokenizerDigest: zeroDigest,
    configDigest: zeroDigest,
  },
  datanets: [
    {
      datanetId: "1",
      version: 1,
      root: zeroDigest,
      count: 100,
      license: "CC0-1.0",
      acceptedExamples: 100,
      consentsRoot: zeroDigest,
    },
  ],
  recipe: { epochs: "3", batch: "8" },
  seed: 1,
  threads: 1,
  engineVersion: "test",
  adapter: { digest: zeroDigest, rank: 4, alpha: "8", modules: ["q_proj", "v_proj"] },
  lossCurveDigest: zeroDigest,
  evaluation: { examples: 20 },
  index: {
    method: "adamfisher-b16",
    lambda: "0.2",
    samples: 2,
    basisDigest: zeroDigest,
    scale: "1",
    contributors: 50,
    examplesPerRow: 8,
    nullRows: 199,
    k: 64,
    root: zeroDigest,
    thresholdMillionths: 1,
    clustersDigest: zeroDigest,
  },
  calibration: {},
  payoutRule: 2,
  parentRelease: null,
  price: { promptWeiPerToken: "1", completionWeiPerToken: "2" },
  developer: zeroAddress,
  createdAtMs: 1,
});

/** Release n and its adapter have the digest n; it is of model n modulo {@link modelCount}, and made at time n. */
const numbered = (n: number): Digest => `0x${n.toString(16).padStart(64, "0")}`;
await database.query(
  `insert into modelfactory.releases (id, model, manifest, adapter_config, rows_digest, contributors, signature, created_at_ms)
   select digest, 'model-' || n % $2, jsonb_set($3::jsonb, '{adapter,digest}', to_jsonb(case when n = 7 then $4 else digest end)), $5, $1, $6::jsonb, '0x', n
   from generate_series(1, $7::int) as n, lateral (select '0x' || lpad(to_hex(n), 64, '0') as digest) as d`,
  [
    zeroDigest,
    modelCount,
    manifest,
    real,
    await blobs.put(files.config),
    JSON.stringify(Array.from({ length: 50 }, () => zeroAddress)),
    count,
  ],
);

test("10,000 releases: each model's newest, newest first, listed without their manifests, once", async () => {
  const models = createReleaseList(database);
  const [first, again] = await Promise.all([models(), models()]);
  assert.equal(first.length, modelCount);
  assert.deepEqual(
    first.map(({ createdAtMs }) => createdAtMs),
    Array.from({ length: modelCount }, (_, i) => count - i),
  );
  assert.deepEqual(first[0], {
    id: numbered(count),
    model: `model-${count % modelCount}`,
    createdAtMs: count,
    manifest: {
      base: manifest.base,
      developer: manifest.developer,
      adapter: { ...manifest.adapter, digest: numbered(count) },
      price: manifest.price,
      calibration: manifest.calibration,
    },
  });
  assert.equal(again, first);
  assert.equal(await models(), first);

  const insert = (id: Digest) =>
    database.query(
      `insert into modelfactory.releases select $1, 'model-0', manifest, adapter_config, rows_digest, contributors, signature, null, null, created_at_ms + 1
       from modelfactory.releases where id = $2`,
      [id, numbered(count)],
    );
  await insert(numbered(count + 1));
  const [newest, ...others] = await models();
  assert.deepEqual([newest?.id, newest?.model], [numbered(count + 1), "model-0"]);
  assert.equal(others.length, modelCount - 1);
  await database.query("delete from modelfactory.releases where id = $1", [numbered(count + 1)]);
});

test("10,000 releases: one is found by name, id or adapter without reading the others", async () => {
  assert.equal((await latestRelease(database, "model-500"))?.id, numbered(9_500));
  assert.equal((await findRelease(database, numbered(77)))?.model, "model-77");
  assert.equal((await releaseOfAdapter(database, numbered(77)))?.id, numbered(77));
  assert.equal(await releaseOfAdapter(database, numbered(7)), undefined);
  const plan = await database.query<{ "QUERY PLAN": string }>(
    "explain select id from modelfactory.releases where manifest -> 'adapter' ->> 'digest' = $1 order by created_at_ms desc, id limit 1",
    [real],
  );
  assert.match(plan.map((line) => line["QUERY PLAN"]).join("\n"), /releases_by_adapter/);
});

test("10,000 registered adapters cost nothing until one is asked for: the files of the others are not even there", async () => {
  const loads: Digest[] = [];
  await using openLora = await createOpenLora({
    baseFolder,
    baseName: tinyBaseName,
    async loadAdapter(adapter) {
      loads.push(adapter);
      const release = await releaseOfAdapter(database, adapter);
      if (release === undefined) throw new Error(`No release has the adapter ${adapter}.`);
      return { config: await blobs.get(release.adapterConfig), tensors: await blobs.get(adapter) };
    },
    options: { threads: 1, maxRows: 2, rank: 4 },
  });
  const ask = (adapter?: Digest) =>
    openLora.generate({ prompt: { prompt: "the river" }, maxTokens: 4, temperature: 0, adapter });
  const { adapters: before } = await openLora.metrics();
  assert.equal((await ask()).outputIds.length, 4);
  assert.deepEqual([loads, before.memoryBytes], [[], 0]);
  await Promise.all([ask(real), ask(real)]);
  await assert.rejects(ask(numbered(8)), { code: "adapter-unavailable", message: /is not in/ });
  assert.deepEqual(loads, [real, numbered(8)]);
});
