import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  createGradients,
  createRandom,
  createTrainer,
  loadCheckpoint,
  loraOf,
  moduleNames,
  type Sequence,
  type TrainRecipe,
} from "../../engine/index.ts";
import { createProducts } from "../linalg.ts";
import { collectMaterial, methodNames, methods } from "./index.ts";

const base = loadCheckpoint(
  join(fileURLToPath(new URL("../../engine/fixtures/", import.meta.url)), "llama-untied"),
);
const random = createRandom(6);
const token = () => 3 + random.below(base.config.vocab - 3);
/** A key of two to six tokens and a value of two. */
const sequences = Array.from({ length: 21 }, (): Sequence => {
  const ids = Array.from({ length: 4 + random.below(5) }, token);
  return { ids, targets: [ids.length - 2, ids.length - 1] };
});
const queries = sequences.slice(0, 7);
const texts = {
  train: sequences.map(({ ids }) => ids.join(" ")),
  queries: queries.map(({ ids }) => ids.join(" ")),
};
const recipe: TrainRecipe = {
  rank: 4,
  alpha: 8,
  modules: moduleNames,
  seed: 2,
  threads: 1,
  learningRate: 5e-3,
  warmupSteps: 3,
  finalRate: 0.1,
  batch: 7,
  epochs: 6,
  clip: 1,
  optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
  stopLoss: 0,
};
const trainer = await createTrainer(base, recipe, sequences);
while (!trainer.done) await trainer.step();
const { adapter, optimizer } = trainer.state;
const moments = { optimizer, beta2: recipe.optimizer.beta2 };
const options = {
  parts: ["A", "B"] as const,
  samples: 2,
  seed: 3,
  threads: 1,
  hidden: true,
  factors: true,
  checkpoints: [{ adapter, moments, learningRate: 0.5 }],
  checkpointSamples: 1,
  batch: 4,
};
const collect = (own: Partial<typeof options> & { bytesMax?: number } = {}) =>
  collectMaterial(base, adapter, moments, sequences, queries, texts, { ...options, ...own });
const material = await collect();

const near = (actual: ArrayLike<number>, expected: ArrayLike<number>, what: string) => {
  assert.equal(actual.length, expected.length, what);
  const largest = Array.from(expected).reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  for (let i = 0; i < expected.length; i++)
    assert.ok(
      Math.abs((actual[i] as number) - (expected[i] as number)) <= 1e-4 * largest,
      `${what} [${i}]: ${actual[i]} against ${expected[i]}`,
    );
};

test("rows stand in the order of the examples, whatever the batches were", async () => {
  const gradients = await createGradients(base, loraOf(recipe), {
    parts: ["A", "B"],
    positions: 32,
    threads: 1,
  });
  const one = await gradients.rows(adapter, sequences, 0, undefined, 1);
  near(material.train, one.data, "train");
  near(material.queries, one.data.subarray(0, queries.length * material.width), "queries");
  near(material.checkpoints[0]?.train as Float32Array, material.train, "checkpoint");
  const single = await collect({ batch: 1 });
  near(single.hidden.train, material.hidden.train, "hidden");
  near(
    single.hidden.queries,
    material.hidden.train.subarray(0, queries.length * base.config.hidden),
    "hidden",
  );
  const [n, p] = [sequences.length, material.width];
  assert.equal(material.sampled.length, n * 2 * p);
  assert.equal(material.checkpoints[0]?.sampled.length, n * p);
  assert.equal(material.factors.length, material.segments.length);
});

test("the same seed draws the same labels, another one others", async () => {
  const again = await collect({ hidden: false, factors: false, checkpoints: [] });
  assert.deepEqual(again.train, material.train);
  near(again.sampled, material.sampled, "sampled");
  const other = await collect({ seed: 4, hidden: false, factors: false, checkpoints: [] });
  assert.notDeepEqual(other.sampled, again.sampled);
});

test("every method scores what was collected, and finds a taught example by itself", async () => {
  const products = await createProducts(1);
  for (const name of methodNames) {
    const scores = await methods[name].score(material, products);
    assert.equal(scores.length, queries.length * sequences.length);
    assert.ok(scores.every(Number.isFinite), name);
    const found = queries.filter((_, q) => {
      const own = scores.subarray(q * sequences.length, (q + 1) * sequences.length);
      return own.indexOf(Math.max(...own)) === q;
    });
    assert.ok(found.length >= 6, `${name}: ${found.length} of ${queries.length}`);
  }
});

test("too much memory, texts of another number, and factors without draws are refused before any work", async () => {
  await assert.rejects(collect({ bytesMax: 1000 }), /Use fewer draws/);
  await assert.rejects(collect({ samples: 0 }), /at least one label draw/);
  await assert.rejects(
    collectMaterial(base, adapter, moments, sequences, queries, { ...texts, train: [] }, options),
    /texts for 0 examples/,
  );
});
