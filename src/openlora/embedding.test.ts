/** The port's vectors, against the engine's own. */
import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { createEmbedder, loadCheckpoint, moduleNames, poolingOf } from "../engine/index.ts";
import { parseAdapter } from "./adapters.ts";
import { randomAdapter, tinyBaseName, writeTinyBase } from "./fixtures/tiny-base.ts";
import { createOpenLora, OverloadedError } from "./index.ts";

const folder = writeTinyBase();
mkdirSync(join(folder, "1_Pooling"));
writeFileSync(join(folder, "1_Pooling", "config.json"), JSON.stringify({ pooling_mode_mean_tokens: true }));
const { digest, files } = randomAdapter(1);
/** So large that its products overflow. */
const wild = randomAdapter(2, { strength: 1e30 });
const late = randomAdapter(3);
const arrival = Promise.withResolvers<void>();
const openLora = await createOpenLora({
  baseFolder: folder,
  baseName: tinyBaseName,
  async loadAdapter(asked) {
    if (asked === late.digest) await arrival.promise;
    return asked === late.digest ? late.files : asked === wild.digest ? wild.files : files;
  },
  options: { threads: 1, rank: 4, maxRows: 2 },
});
after(async () => {
  await openLora.close();
  rmSync(folder, { recursive: true });
});
const texts = Array.from({ length: 40 }, (_, i) => `the river and the mill ${"naïve ".repeat(i % 7)}${i}`);

test("texts and tokens become the engine's vectors, under an adapter and without, while answers go on", async () => {
  assert.equal(openLora.info().embeddings, true);
  const base = loadCheckpoint(folder);
  const pooling = poolingOf(folder);
  assert.ok(pooling);
  const embedder = await createEmbedder(base, { pooling, modules: moduleNames, maxLength: 256, threads: 1 });
  const ids = texts.map((text) => base.tokenizer.encodeWhole(text));
  const adapter = parseAdapter(digest, files, { name: tinyBaseName, config: base.config, rank: 4 });
  const [plain, adapted, asTokens, answer] = await Promise.all([
    openLora.embed({ prompts: texts }),
    openLora.embed({ prompts: texts, adapter: digest }),
    openLora.embed({ prompts: ids }),
    openLora.generate({ prompt: { prompt: "the river" }, maxTokens: 30, temperature: 0 }),
  ]);
  assert.equal(answer.outputIds.length, 30);
  assert.equal(plain.promptTokens, ids.flat().length);
  const near = (actual: readonly Float32Array[], expected: readonly Float32Array[]) =>
    expected.forEach((vector, i) => {
      assert.ok(vector.every((x, j) => Math.abs(x - (actual[i]?.[j] as number)) < 1e-4));
    });
  near(plain.vectors, await embedder.embed(ids));
  near(asTokens.vectors, plain.vectors);
  near(adapted.vectors, await embedder.embed(ids, adapter));
  assert.ok(plain.vectors[0]?.some((x, j) => Math.abs(x - (adapted.vectors[0]?.[j] as number)) > 1e-3));
});

test("nobody waits for somebody else's adapter", async () => {
  let arrived = false;
  const waiting = openLora.embed({ prompts: ["a"], adapter: late.digest }).then(({ vectors }) => {
    arrived = true;
    return vectors;
  });
  const [base] = (await openLora.embed({ prompts: ["a"] })).vectors;
  assert.equal(arrived, false);
  arrival.resolve();
  assert.notDeepEqual((await waiting)[0], base);
});

test("what cannot be embedded is refused by name", async () => {
  await assert.rejects(openLora.embed({ prompts: [] }), { code: "invalid-request" });
  await assert.rejects(openLora.embed({ prompts: [[9_999]] }), { code: "prompt-invalid", message: /9999/ });
  await assert.rejects(openLora.embed({ prompts: ["x".repeat(500)] }), { code: "prompt-too-long" });
  const many = Array.from({ length: 1_000 }, () => Array<number>(66).fill(1));
  await assert.rejects(openLora.embed({ prompts: many }), {
    code: "prompt-too-long",
    message: /first 993 of 1000 texts have 65538 tokens together/,
  });
  await assert.rejects(openLora.embed({ prompts: ["a"], adapter: wild.digest }), {
    code: "engine-failed",
    message: /not numbers/,
  });
  await assert.rejects(openLora.embed({ prompts: ["a"], signal: AbortSignal.abort() }), {
    code: "cancelled",
  });
  const crowd = await Promise.allSettled(
    Array.from({ length: 40 }, () => openLora.embed({ prompts: texts })),
  );
  const refused = crowd.filter((outcome) => outcome.status === "rejected").map(({ reason }) => reason);
  assert.equal(refused.length, 8);
  assert.ok(refused.every((reason) => reason instanceof OverloadedError));
});

test("a base that was not made for it says so", async () => {
  const other = writeTinyBase();
  await using plain = await createOpenLora({
    baseFolder: other,
    baseName: tinyBaseName,
    loadAdapter: async () => files,
    options: { threads: 1 },
  });
  assert.equal(plain.info().embeddings, false);
  await assert.rejects(plain.embed({ prompts: ["a"] }), { code: "invalid-request", message: /1_Pooling/ });
  rmSync(other, { recursive: true });
});
