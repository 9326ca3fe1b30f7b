/** Texts as vectors, against PyTorch's last hidden states; `scripts/golden.py` made the fixture. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  createEmbedder,
  loadCheckpoint,
  loadPeft,
  moduleNames,
  type Pooling,
  poolingOf,
  readSafetensors,
} from "./index.ts";

const folder = join(import.meta.dirname, "fixtures", "llama-untied");
const base = loadCheckpoint(folder);
const golden = readSafetensors(join(folder, "embeddings.safetensors"));
const { batch } = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8")) as {
  batch: { ids: number[] }[];
};
const texts = batch.map(({ ids }) => ids);
const adapters = {
  base: undefined,
  "adapter-a": loadPeft(join(folder, "adapter-a"), base.config),
};
const embedderOf = (pooling: Pooling, modules = moduleNames as typeof moduleNames | readonly []) =>
  createEmbedder(base, { pooling, modules, maxLength: 64, threads: 1 });

function near(actual: Float32Array, expected: Float32Array, what: string) {
  assert.equal(actual.length, expected.length);
  const largest = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  actual.forEach((x, i) => {
    assert.ok(
      Math.abs(x - (expected[i] as number)) <= 1e-4 * largest,
      `${what}, element ${i}: ${x}, ${expected[i]}`,
    );
  });
}

for (const mode of ["mean", "last", "cls"] as const)
  test(`${mode}: vectors of texts of three lengths in one batch are PyTorch's, with an adapter and without`, async () => {
    const embedder = await embedderOf({ mode, normalize: false });
    assert.equal(embedder.width, base.config.hidden);
    for (const label of ["base", "adapter-a", "base"] as const) {
      const vectors = await embedder.embed(texts, adapters[label]);
      texts.forEach((_, i) => {
        near(
          vectors[i] as Float32Array,
          golden.get(`${label}.${mode}.${i}`)?.data as Float32Array,
          `${label} ${i}`,
        );
      });
    }
  });

test("normalised vectors have length 1 and the same direction", async () => {
  const [plain] = await (await embedderOf({ mode: "mean", normalize: false })).embed(texts);
  const [unit] = await (await embedderOf({ mode: "mean", normalize: true })).embed(texts);
  assert.ok(Math.abs(Math.hypot(...(unit as Float32Array)) - 1) < 1e-6);
  const length = Math.hypot(...(plain as Float32Array));
  near(
    unit as Float32Array,
    (plain as Float32Array).map((x) => x / length),
    "unit",
  );
});

test("many texts come back in their order, whatever is run together", async () => {
  const embedder = await embedderOf({ mode: "last", normalize: false });
  const many = Array.from({ length: 150 }, (_, i) =>
    Array.from({ length: 1 + ((i * 7) % 60) }, (__, t) => (i + t) % 96),
  );
  const vectors = await embedder.embed(many);
  for (const i of [0, 1, 17, 77, 149]) {
    const [alone] = await embedder.embed([many[i] as number[]]);
    near(vectors[i] as Float32Array, alone as Float32Array, `text ${i}`);
  }
});

test("what cannot be embedded is refused by name", async () => {
  const embedder = await embedderOf({ mode: "mean", normalize: false });
  await assert.rejects(embedder.embed([[]]), /0 tokens: expected 1 to 64/);
  await assert.rejects(embedder.embed([Array(65).fill(1)]), /65 tokens: expected 1 to 64/);
  const narrow = await embedderOf({ mode: "mean", normalize: false }, []);
  await assert.rejects(narrow.embed(texts, adapters["adapter-a"]), /changes q_proj; here only/);
});

const scratch = mkdtempSync(join(tmpdir(), "pooling-"));
after(() => rmSync(scratch, { recursive: true }));
let folders = 0;
function folderWith(pooling: unknown, modules?: unknown): string {
  const made = join(scratch, String(folders++));
  mkdirSync(join(made, "1_Pooling"), { recursive: true });
  if (pooling !== undefined) writeFileSync(join(made, "1_Pooling", "config.json"), JSON.stringify(pooling));
  if (modules !== undefined) writeFileSync(join(made, "modules.json"), JSON.stringify(modules));
  return made;
}
const step = (name: string, idx = 0) => ({
  idx,
  name: String(idx),
  path: name === "Transformer" ? "" : `${idx}_${name}`,
  type: `sentence_transformers.models.${name}`,
});

test("pooling is read as sentence-transformers writes it", () => {
  assert.equal(poolingOf(folderWith(undefined)), undefined);
  const flags = {
    word_embedding_dimension: 32,
    pooling_mode_cls_token: false,
    pooling_mode_mean_tokens: false,
  };
  assert.deepEqual(poolingOf(folderWith({ ...flags, pooling_mode_lasttoken: true, include_prompt: true })), {
    mode: "last",
    normalize: false,
  });
  assert.deepEqual(
    poolingOf(
      folderWith({ ...flags, pooling_mode_mean_tokens: true }, [
        step("Transformer"),
        step("Pooling", 1),
        step("Normalize", 2),
      ]),
    ),
    { mode: "mean", normalize: true },
  );
  assert.deepEqual(poolingOf(folderWith({ embedding_dimension: 32, pooling_mode: "cls" })), {
    mode: "cls",
    normalize: false,
  });
});

for (const [what, pooling, modules, message] of [
  [
    "two poolings",
    { pooling_mode_cls_token: true, pooling_mode_mean_tokens: true },
    undefined,
    /cls_token and pooling_mode_mean/,
  ],
  ["no pooling", { pooling_mode_cls_token: false }, undefined, /the pooling ""/],
  ["another pooling", { pooling_mode_max_tokens: true }, undefined, /"pooling_mode_max_tokens"/],
  ["a name from nowhere", { pooling_mode: "constructor" }, undefined, /"constructor"/],
  [
    "a dense layer behind",
    { pooling_mode: "mean" },
    [step("Transformer"), step("Dense", 2)],
    /the step "Dense"/,
  ],
  ["a list that is none", { pooling_mode: "mean" }, { a: 1 }, /steps that are malformed/],
] as const)
  test(`a folder with ${what} is refused by name`, () => {
    assert.throws(() => poolingOf(folderWith(pooling, modules)), { name: "CheckpointError", message });
  });
