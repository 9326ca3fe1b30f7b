/**
 * The engine against PyTorch transformers and peft: logits, losses, gradients and AdamW steps on tiny random checkpoints.
 * `scripts/golden.py` made the fixtures and defines every quantity.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  adamwStep,
  type Checkpoint,
  createSession,
  f32,
  formatSafetensors,
  globalNorm,
  gradientOutput,
  loadCheckpoint,
  loraInput,
  type ModuleName,
  makeBatch,
  moduleNames,
  modulePath,
  newOptimizerState,
  type Parameter,
  parseSafetensors,
  readSafetensors,
  run,
  type Sequence,
  type TensorData,
  trainingGraph,
  weightShapes,
} from "./index.ts";

const fixture = (...path: string[]) => join(import.meta.dirname, "fixtures", ...path);

type Facts = { losses: number[]; greedy: number[][]; objective?: number };
type Steps = {
  lr: number;
  weightDecay: number;
  clipNorm: number | null;
  steps: { objective: number; gradientNorm: number }[];
};
type Expected = {
  batch: { ids: number[]; weights: number[] }[];
  base: Facts;
  adamw: Steps;
  adamwClipped: Steps;
} & Record<`adapter-${string}`, Facts>;

function load(name: string) {
  const expected = JSON.parse(readFileSync(fixture(name, "expected.json"), "utf8")) as Expected;
  const arrays = readSafetensors(fixture(name, "expected.safetensors"));
  const array = (key: string): Float32Array => {
    const found = arrays.get(key);
    assert.ok(found, `${name}/expected.safetensors has no "${key}"`);
    return found.data;
  };
  const sequences: Sequence[] = expected.batch.map(({ ids, weights }) => ({
    ids,
    targets: weights.flatMap((weight, t) => (weight === 0 ? [] : [t])),
  }));
  return { expected, array, sequences, checkpoint: loadCheckpoint(fixture(name)) };
}

/** max |actual − expected| / max |expected|. */
function relativeError(actual: Float32Array, expected: Float32Array): number {
  assert.equal(actual.length, expected.length);
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    assert.ok(Number.isFinite(actual[i]), `element ${i} is ${actual[i]}`);
    difference = Math.max(difference, Math.abs((actual[i] as number) - (expected[i] as number)));
    largest = Math.max(largest, Math.abs(expected[i] as number));
  }
  return difference / largest;
}

function near(actual: Float32Array, expected: Float32Array, tolerance: number, what: string) {
  const error = relativeError(actual, expected);
  assert.ok(error <= tolerance, `${what}: relative error ${error}, at most ${tolerance}`);
}

const feedsOf = ({ config, weights }: Checkpoint) =>
  Object.fromEntries(
    [...weightShapes(config)].map(([name, shape]) => [name, f32(weights.get(name) as Float32Array, shape)]),
  );

/** Every position but the first is a target, so that every row of logits but the last is computed. */
const everyToken = (sequences: readonly Sequence[]): Sequence[] =>
  sequences.map(({ ids }) => ({ ids, targets: ids.map((_, t) => t).slice(1) }));

/** Compares `logits` of {@link everyToken}, the sequences one after the other, with the rows PyTorch gave. */
function nearLogits(
  logits: Float32Array,
  sequences: readonly Sequence[],
  expected: (i: number) => Float32Array,
  vocab: number,
) {
  let at = 0;
  sequences.forEach(({ ids }, i) => {
    const length = (ids.length - 1) * vocab;
    near(logits.subarray(at, at + length), expected(i).subarray(0, length), 1e-4, `logits of sequence ${i}`);
    at += length;
  });
  assert.equal(at, logits.length);
}

/** Σ nll of each sequence. */
function lossesOf(nll: Float32Array, owner: Int32Array, sequences: readonly Sequence[]): Float32Array {
  const losses = new Float32Array(sequences.length);
  nll.forEach((value, i) => {
    losses[owner[i] as number] = (losses[owner[i] as number] as number) + value;
  });
  return losses;
}

for (const name of ["llama-untied", "llama-tied"])
  test(`${name}: logits, losses and the gradient of every weight are PyTorch's`, async () => {
    const { expected, array, sequences, checkpoint } = load(name);
    const { config } = checkpoint;
    const weights = feedsOf(checkpoint);
    const graph = { config, lora: [], loraScale: 1, positions: 16 };

    const forward = await createSession(trainingGraph({ ...graph, gradients: "none", logits: true }), 1);
    const all = makeBatch(config, everyToken(sequences), { forwardOnly: true });
    const { logits } = await run(forward, { ...all.feeds, ...weights });
    nearLogits(logits as Float32Array, sequences, (i) => array(`base.logits.${i}`), config.vocab);

    const backward = await createSession(trainingGraph({ ...graph, gradients: "weights" }), 1);
    const batch = makeBatch(config, sequences, { weight: () => 1 / sequences.length });
    const out = await run(backward, { ...batch.feeds, ...weights });
    const losses = lossesOf(out.nll as Float32Array, batch.owner, sequences);
    near(losses, Float32Array.from(expected.base.losses), 1e-4, "losses");
    for (const key of weightShapes(config).keys())
      near(
        out[gradientOutput(key)] as Float32Array,
        array(`base.gradient.${key}`),
        1e-4,
        `gradient of ${key}`,
      );
  });

const peftName = (layer: number, name: ModuleName, part: "A" | "B") =>
  `base_model.model.${modulePath(layer, name)}.lora_${part}.weight`;

type AdapterTensor = { input: string; peft: string; tensor: TensorData };

function adapterTensors(adapter: string, modules: readonly ModuleName[], layers: number): AdapterTensor[] {
  const tensors = readSafetensors(fixture("llama-untied", adapter, "adapter_model.safetensors"));
  assert.equal(tensors.size, layers * modules.length * 2);
  return Array.from({ length: layers }, (_, layer) =>
    modules.flatMap((name) =>
      (["A", "B"] as const).map((part) => {
        const peft = peftName(layer, name, part);
        return { input: loraInput(layer, name, part), peft, tensor: tensors.get(peft) as TensorData };
      }),
    ),
  ).flat();
}

const adapterFeeds = (tensors: readonly AdapterTensor[]) =>
  Object.fromEntries(tensors.map(({ input, tensor }) => [input, f32(tensor.data, tensor.shape)]));

const adapters = [
  { adapter: "adapter-a", lora: moduleNames, loraScale: 8 / 4 },
  { adapter: "adapter-b", lora: ["q_proj", "v_proj"], loraScale: 8 / Math.sqrt(2) },
] as const;

for (const { adapter, lora, loraScale } of adapters)
  test(`${adapter}: logits and losses are peft's`, async () => {
    const { expected, array, sequences, checkpoint } = load("llama-untied");
    const { config } = checkpoint;
    const feeds = { ...feedsOf(checkpoint), ...adapterFeeds(adapterTensors(adapter, lora, config.layers)) };
    const session = await createSession(
      trainingGraph({ config, lora, loraScale, positions: 16, gradients: "none", logits: true }),
      1,
    );
    const all = makeBatch(config, everyToken(sequences), { forwardOnly: true });
    const { logits } = await run(session, { ...all.feeds, ...feeds });
    nearLogits(logits as Float32Array, sequences, (i) => array(`${adapter}.logits.${i}`), config.vocab);
    const batch = makeBatch(config, sequences, { forwardOnly: true });
    const { nll } = await run(session, { ...batch.feeds, ...feeds });
    const losses = lossesOf(nll as Float32Array, batch.owner, sequences);
    near(losses, Float32Array.from((expected[adapter] as Facts).losses), 1e-4, "losses");
  });

test("adapter-a: the gradients of each example in one padded batch are peft's of each example alone", async () => {
  const { array, sequences, checkpoint } = load("llama-untied");
  const { config } = checkpoint;
  const tensors = adapterTensors("adapter-a", moduleNames, config.layers);
  const graph = { config, lora: moduleNames, loraScale: 2, positions: 16 };
  const feeds = { ...makeBatch(config, sequences).feeds, ...feedsOf(checkpoint), ...adapterFeeds(tensors) };
  const each = await run(
    await createSession(trainingGraph({ ...graph, gradients: "lora-per-example" }), 1),
    feeds,
  );
  const summed = await run(await createSession(trainingGraph({ ...graph, gradients: "lora" }), 1), feeds);
  for (const { input, peft, tensor } of tensors) {
    const size = tensor.data.length;
    const sum = new Float32Array(size);
    const perExample = each[gradientOutput(input)] as Float32Array;
    sequences.forEach((_, i) => {
      const golden = array(`adapter-a.gradient.${i}.${peft}`);
      near(perExample.subarray(i * size, (i + 1) * size), golden, 1e-4, `gradient ${i} of ${peft}`);
      golden.forEach((value, j) => {
        sum[j] = (sum[j] as number) + value;
      });
    });
    near(summed[gradientOutput(input)] as Float32Array, sum, 1e-4, `summed gradient of ${peft}`);
  }
});

for (const label of ["adamw", "adamwClipped"] as const)
  test(`${label}: three steps on adapter-a end where torch.optim.AdamW does`, async () => {
    const { expected, array, sequences, checkpoint } = load("llama-untied");
    const { config } = checkpoint;
    const recipe = expected[label];
    const tensors = adapterTensors("adapter-a", moduleNames, config.layers);
    const session = await createSession(
      trainingGraph({ config, lora: moduleNames, loraScale: 2, positions: 16, gradients: "lora" }),
      1,
    );
    const batch = makeBatch(config, sequences, { weight: () => 1 / sequences.length });
    const feeds = { ...batch.feeds, ...feedsOf(checkpoint), ...adapterFeeds(tensors) };
    const state = newOptimizerState();
    for (const [index, step] of recipe.steps.entries()) {
      const out = await run(session, feeds);
      const parameters: Parameter[] = tensors.map(({ input, tensor }) => ({
        name: input,
        data: tensor.data,
        gradient: out[gradientOutput(input)] as Float32Array,
        decays: true,
      }));
      const norm = globalNorm(parameters);
      const objective = lossesOf(out.nll as Float32Array, batch.owner, sequences).reduce((a, b) => a + b) / 3;
      assert.ok(
        Math.abs(norm / step.gradientNorm - 1) < 1e-4,
        `gradient norm ${norm}, ${step.gradientNorm} in PyTorch`,
      );
      assert.ok(
        Math.abs(objective / step.objective - 1) < 1e-4,
        `objective ${objective}, ${step.objective} in PyTorch`,
      );
      const scale = recipe.clipNorm === null ? 1 : Math.min(1, recipe.clipNorm / norm);
      const options = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: recipe.weightDecay };
      adamwStep(parameters, state, recipe.lr, scale, options);
      if (label === "adamw" && index === 1) continue;
      if (label === "adamwClipped" && index < 2) continue;
      for (const { peft, tensor } of tensors)
        near(
          tensor.data,
          array(`${label}.step${index + 1}.${peft}`),
          1e-5,
          `${peft} after step ${index + 1}`,
        );
    }
  });

for (const [name, what] of [
  ["qwen2", /qwen2.*Supported/],
  ["qwen3", /qwen3.*Supported/],
  ["mistral", /mistral.*Supported/],
  ["llama3-rope", /rope scaling/],
] as const)
  test(`${name} is refused by name, not run as something it is not`, () => {
    assert.throws(() => loadCheckpoint(fixture(name)), { name: "UnsupportedModelError", message: what });
  });

test("half precision is read and written to the bit", () => {
  const path = fixture("mistral", "model.safetensors");
  const original = readFileSync(path);
  const body = (bytes: Uint8Array) =>
    bytes.subarray(8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true)));
  const written = formatSafetensors(readSafetensors(path), "F16");
  assert.deepEqual(Buffer.from(body(written)), Buffer.from(body(original)));

  const golden = readSafetensors(fixture("half-precision.safetensors"));
  const source = golden.get("float32") as TensorData;
  const rounded = parseSafetensors(formatSafetensors([["x", source]], "F16"), "rounded").get("x");
  assert.deepEqual(rounded, golden.get("float16"));
});

test("an adapter file written by the engine holds peft's tensors to the bit", () => {
  for (const adapter of ["adapter-a", "adapter-b", "adapter-c"]) {
    const tensors = readSafetensors(fixture("llama-untied", adapter, "adapter_model.safetensors"));
    assert.deepEqual(parseSafetensors(formatSafetensors(tensors, "F32"), adapter), tensors);
  }
});
