/**
 * The engine against PyTorch transformers and peft: logits, losses, gradients and AdamW steps on tiny random checkpoints.
 * `scripts/golden.py` made the fixtures and defines every quantity.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  type Adapter,
  argmax,
  createDecoder,
  createEvaluator,
  createGradients,
  createSession,
  createTrainer,
  exportPeft,
  formatSafetensors,
  gradientOutput,
  loadCheckpoint,
  loadPeft,
  makeBatch,
  moduleNames,
  newOptimizerState,
  parseSafetensors,
  readPeft,
  readSafetensors,
  run,
  type Sequence,
  type TensorData,
  trainingGraph,
  weightFeeds,
  weightShapes,
} from "./index.ts";

const fixture = (...path: string[]) => join(import.meta.dirname, "fixtures", ...path);

/** One checkpoint of every other architecture: biases, head norms, stretched positions, stored in every type. */
const otherFamilies = ["llama3-rope", "llama-bias", "qwen2", "qwen3", "mistral"];

type Facts = { losses: number[]; greedy: number[][] };
type Steps = {
  lr: number;
  weightDecay: number;
  clipNorm: number | null;
  recordedSteps: number[];
  steps: { objective: number; gradientNorm: number }[];
};
type Expected = { batch: { ids: number[]; weights: number[] }[]; adamw: Steps; adamwClipped: Steps } & Record<
  "base" | "adapter-a" | "adapter-b",
  Facts
>;

function load(name: string) {
  const expected = JSON.parse(readFileSync(fixture(name, "expected.json"), "utf8")) as Expected;
  const arrays = new Map(
    ["expected.safetensors", "gradients.safetensors"]
      .filter((file) => existsSync(fixture(name, file)))
      .flatMap((file) => [...readSafetensors(fixture(name, file))]),
  );
  const array = (key: string): Float32Array => {
    const found = arrays.get(key);
    assert.ok(found, `${name}: there is no expected "${key}"`);
    return found.data;
  };
  const sequences: Sequence[] = expected.batch.map(({ ids, weights }) => ({
    ids,
    targets: weights.flatMap((weight, t) => (weight === 0 ? [] : [t])),
  }));
  return { expected, array, sequences, checkpoint: loadCheckpoint(fixture(name)) };
}

/** Asserts max |actual − expected| ≤ tolerance · max |expected|. */
function near(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string) {
  assert.equal(actual.length, expected.length, `${what}: length`);
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    assert.ok(Number.isFinite(actual[i]), `${what}: element ${i} is ${actual[i]}`);
    difference = Math.max(difference, Math.abs((actual[i] as number) - (expected[i] as number)));
    largest = Math.max(largest, Math.abs(expected[i] as number));
  }
  assert.ok(
    difference <= tolerance * largest,
    `${what}: relative error ${difference / largest}, at most ${tolerance}`,
  );
}

const peftKey = (name: string) => `base_model.model.${name}.weight`;

for (const name of ["llama-untied", "llama-tied", ...otherFamilies])
  test(`${name}: logits, losses and the gradient of every weight are PyTorch's`, async () => {
    const { expected, array, sequences, checkpoint } = load(name);
    const { config } = checkpoint;
    const weights = weightFeeds(config, checkpoint.weights);
    const positions = Math.max(...sequences.map(({ ids }) => ids.length));
    const session = await createSession(
      trainingGraph({ config, lora: [], loraScale: 1, positions, gradients: "weights", logits: true }),
      { threads: 1 },
    );
    // Every position but the last predicts something: all those rows of logits.
    const everyToken = sequences.map(({ ids }) => ({ ids, targets: ids.map((_, t) => t).slice(1) }));
    const { logits } = await run(session, { ...makeBatch(config, everyToken).feeds, ...weights });
    const rows = sequences.flatMap(({ ids }, i) => [
      ...array(`base.logits.${i}`).subarray(0, (ids.length - 1) * config.vocab),
    ]);
    near(logits as Float32Array, rows, 1e-4, "logits");

    const batch = makeBatch(config, sequences, { weight: () => 1 / sequences.length });
    const out = await run(session, { ...batch.feeds, ...weights });
    const losses = sequences.map(() => 0);
    batch.owner.forEach((b, i) => {
      losses[b] = (losses[b] as number) + (out.nll?.[i] as number);
    });
    near(losses, expected.base.losses, 1e-4, "losses");
    for (const key of weightShapes(config).keys())
      near(
        out[gradientOutput(key)] as Float32Array,
        array(`base.gradient.${key}`),
        1e-4,
        `gradient of ${key}`,
      );
  });

for (const { folder, adapters } of [
  { folder: "llama-untied", adapters: ["base", "adapter-a", "adapter-b"] },
  ...["llama-tied", ...otherFamilies].map((folder) => ({ folder, adapters: ["base"] as const })),
] as const)
  test(`${folder}: ${adapters.join(", ")} decode in one batch to PyTorch's logits, position by position, and greedy answers`, async () => {
    const { expected, array, sequences, checkpoint } = load(folder);
    const rows = adapters.flatMap((adapter, slot) =>
      sequences.map(({ ids }, i) => ({
        adapter,
        slot,
        i,
        ids,
        golden: array(`${adapter}.logits.${i}`),
        answer: [] as number[],
      })),
    );
    const options = {
      modules: moduleNames,
      rank: 4,
      slots: 2,
      maxRows: rows.length,
      maxLength: Math.max(...sequences.map(({ ids }) => ids.length)) + 9,
      threads: 1,
    };
    const vocab = checkpoint.config.vocab;
    for (const prefillLength of [1, 4, Number.POSITIVE_INFINITY]) {
      const decoder = await createDecoder(checkpoint, options);
      adapters.forEach((adapter, slot) => {
        if (slot > 0) decoder.setSlot(slot, loadPeft(fixture(folder, adapter), checkpoint.config));
      });
      for (const row of rows) row.answer = [];
      let logits = await decoder.prefill(
        rows.map(({ ids, slot }) => ({ ids: ids.slice(0, prefillLength), slot })),
      );
      const at = rows.map(({ ids }) => Math.min(prefillLength, ids.length));
      while (rows.some(({ answer }) => answer.length < 8)) {
        const next = rows.map(({ adapter, i, ids, golden, answer }, b) => {
          const own = logits[b] as Float32Array;
          const position = at[b] as number;
          at[b] = position + 1;
          if (position <= ids.length) {
            const what = `${adapter}, sequence ${i}, position ${position - 1}, prefilled ${prefillLength}`;
            near(own, golden.subarray((position - 1) * vocab, position * vocab), 1e-4, what);
          }
          if (position < ids.length) return ids[position] as number;
          answer.push(argmax(own));
          return answer.at(-1) as number;
        });
        logits = await decoder.decode(next);
      }
      for (const { adapter, i, answer } of rows)
        assert.deepEqual(answer.slice(0, 8), expected[adapter].greedy[i]);
    }
  });

for (const name of ["adapter-a", "adapter-b"] as const)
  test(`${name}: losses are peft's, and an export holds the same adapter`, async () => {
    const { expected, sequences, checkpoint } = load("llama-untied");
    const { config } = checkpoint;
    const adapter = loadPeft(fixture("llama-untied", name), config);
    const evaluate = await createEvaluator(checkpoint, adapter.config, 16, 1);
    const { losses } = await evaluate(adapter, sequences);
    const means = expected[name].losses.map((loss, i) => loss / (sequences[i]?.targets.length as number));
    near(losses, means, 1e-4, "losses");

    const exported = exportPeft(adapter, "llama-untied");
    const tensors = parseSafetensors(exported["adapter_model.safetensors"], "export");
    assert.deepEqual(tensors, readSafetensors(fixture("llama-untied", name, "adapter_model.safetensors")));
    const json = JSON.parse(new TextDecoder().decode(exported["adapter_config.json"]));
    const again = readPeft(json, tensors, config, "export");
    assert.deepEqual(again.tensors, adapter.tensors);
    assert.deepEqual(again.config.modules, adapter.config.modules);
    near([again.config.scale], [adapter.config.scale], 1e-12, "scale");
  });

test("adapter-c, whose ranks differ by module, is refused by name", () => {
  const { checkpoint } = load("llama-untied");
  assert.throws(() => loadPeft(fixture("llama-untied", "adapter-c"), checkpoint.config), /per-module ranks/);
});

for (const parts of [["A", "B"], ["B"]] as const)
  test(`adapter-a: gradients by ${parts} of each example in a padded batch are peft's of each example alone`, async () => {
    const { expected, array, sequences, checkpoint } = load("llama-untied");
    const adapter = loadPeft(fixture("llama-untied", "adapter-a"), checkpoint.config);
    const gradients = await createGradients(checkpoint, adapter.config, { parts, positions: 16, threads: 1 });
    const { data, loss } = await gradients.rows(adapter, sequences);
    near(loss, expected["adapter-a"].losses, 1e-4, "losses");
    assert.equal(gradients.segments.length, checkpoint.config.layers * moduleNames.length * parts.length);
    assert.equal(data.length, sequences.length * gradients.width);
    sequences.forEach((_, i) => {
      for (const { name, offset, length } of gradients.segments) {
        const own = data.subarray(i * gradients.width + offset, i * gradients.width + offset + length);
        near(own, array(`adapter-a.gradient.${i}.${peftKey(name)}`), 1e-4, `gradient ${i} of ${name}`);
      }
    });
  });

for (const label of ["adamw", "adamwClipped"] as const)
  test(`${label}: three steps of the trainer on adapter-a end where torch.optim.AdamW does`, async () => {
    const { expected, array, sequences, checkpoint } = load("llama-untied");
    const { lr, weightDecay, clipNorm, recordedSteps, steps } = expected[label];
    const adapter: Adapter = loadPeft(fixture("llama-untied", "adapter-a"), checkpoint.config);
    // The trainer takes the mean over target tokens, the fixture over sequences: the same descent with every gradient, and so ε and
    // the largest norm, scaled by one factor.
    const factor = sequences.length / sequences.reduce((sum, { targets }) => sum + targets.length, 0);
    const trainer = await createTrainer(
      checkpoint,
      {
        rank: adapter.config.rank,
        alpha: adapter.config.scale * adapter.config.rank,
        modules: adapter.config.modules,
        seed: 1,
        threads: 1,
        learningRate: lr,
        warmupSteps: 1,
        finalRate: 1,
        batch: sequences.length,
        epochs: steps.length,
        clip: (clipNorm ?? Number.POSITIVE_INFINITY) * factor,
        optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 * factor, weightDecay },
        stopLoss: 0,
      },
      sequences,
      { step: 0, adapter, optimizer: newOptimizerState() },
    );
    for (const [index, { objective, gradientNorm }] of steps.entries()) {
      const done = await trainer.step();
      near([done.loss], [objective * factor], 1e-4, `loss at step ${index}`);
      near([done.gradientNorm], [gradientNorm * factor], 1e-4, `gradient norm at step ${index}`);
      if (!recordedSteps.includes(index + 1)) continue;
      for (const [name, { data }] of trainer.state.adapter.tensors)
        near(
          data,
          array(`${label}.step${index + 1}.${peftKey(name)}`),
          1e-5,
          `${name} after step ${index + 1}`,
        );
    }
    assert.ok(trainer.done);
  });

test("half precision is read and written to the bit", () => {
  const path = fixture("mistral", "model.safetensors");
  const body = (bytes: Uint8Array) =>
    Buffer.from(
      bytes.subarray(8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true))),
    );
  assert.deepEqual(body(formatSafetensors(readSafetensors(path), "F16")), body(readFileSync(path)));

  const golden = readSafetensors(fixture("half-precision.safetensors"));
  const written = formatSafetensors([["x", golden.get("float32") as TensorData]], "F16");
  assert.deepEqual(parseSafetensors(written, "rounded").get("x"), golden.get("float16"));
});
