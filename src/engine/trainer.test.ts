import assert from "node:assert/strict";
import { test } from "node:test";
import { type ModelConfig, moduleNames } from "./config.ts";
import { exportPeft } from "./peft.ts";
import { createPretrainer, initialWeights, type PretrainRecipe } from "./pretrain.ts";
import { createRandom } from "./random.ts";
import {
  copyTrainState,
  createTrainer,
  DivergedError,
  type TrainRecipe,
  type TrainState,
} from "./trainer.ts";

const config: ModelConfig = {
  family: "llama",
  layers: 2,
  hidden: 32,
  heads: 4,
  kvHeads: 2,
  headDim: 8,
  intermediate: 48,
  vocab: 64,
  biases: [],
  qkNorm: false,
  rope: { theta: 10_000 },
  normEpsilon: 1e-5,
  maxPositions: 64,
  tied: true,
};
const base = { config, weights: initialWeights(config, 5) };
const random = createRandom(8);
const sequences = Array.from({ length: 23 }, () => {
  const ids = Array.from({ length: 6 + random.below(6) }, () => random.below(64));
  return { ids, targets: [ids.length - 2, ids.length - 1] };
});
const recipe: TrainRecipe = {
  rank: 2,
  alpha: 4,
  modules: moduleNames,
  seed: 7,
  threads: 2,
  learningRate: 5e-3,
  warmupSteps: 3,
  finalRate: 0.1,
  batch: 5,
  epochs: 3,
  clip: 1,
  optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 },
  stopLoss: 0,
};

async function train(own: TrainRecipe, steps = Number.POSITIVE_INFINITY, saved?: TrainState) {
  const trainer = await createTrainer(base, own, sequences, saved === undefined ? {} : { saved });
  const losses: number[] = [];
  while (!trainer.done && losses.length < steps) losses.push((await trainer.step()).loss);
  return {
    trainer,
    losses,
    bytes: Buffer.from(exportPeft(trainer.state.adapter, "x")["adapter_model.safetensors"]).toString(
      "base64",
    ),
  };
}

test("the same recipe gives the same adapter to the byte, another seed another one", async () => {
  const first = await train(recipe);
  assert.equal(first.losses.length, 15);
  assert.ok((first.losses.at(-1) as number) < (first.losses[0] as number));
  assert.equal((await train(recipe)).bytes, first.bytes);
  assert.notEqual((await train({ ...recipe, seed: 8 })).bytes, first.bytes);
});

test("a run that continues from a saved state is the run that never stopped", async () => {
  const whole = await train(recipe);
  for (const stop of [1, 5, 7]) {
    const part = await train(recipe, stop);
    const rest = await train(recipe, undefined, copyTrainState(part.trainer.state));
    assert.deepEqual([...part.losses, ...rest.losses], whole.losses);
    assert.equal(rest.bytes, whole.bytes, `stopped after step ${stop}`);
  }
});

test("training stops below the loss asked for, and names the step where it diverges", async () => {
  const early = await train({ ...recipe, stopLoss: 100 });
  assert.equal(early.losses.length, 5);
  await assert.rejects(train({ ...recipe, learningRate: 1e30, warmupSteps: 1, clip: 1e30 }), DivergedError);
  await assert.rejects(createTrainer(base, recipe, []), /nothing to train on/);
});

test("pretraining continues bit for bit from its state", async () => {
  const own: PretrainRecipe = {
    config,
    seed: 3,
    length: 16,
    batch: 4,
    learningRate: 3e-3,
    warmupSteps: 2,
    finalRate: 0.1,
    clip: 1,
    optimizer: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1 },
    threads: 1,
  };
  const stream = Uint16Array.from({ length: 16 * 4 * 8 + 1 }, () => random.below(64));
  const run = async (steps: number, state?: Parameters<typeof createPretrainer>[2]) => {
    const trainer = await createPretrainer(own, stream, state);
    const losses: number[] = [];
    for (let i = 0; i < steps; i++) losses.push(await trainer.step());
    return { losses, state: trainer.state };
  };
  const whole = await run(8);
  const part = await run(3);
  const rest = await run(5, {
    step: 3,
    weights: new Map([...part.state.weights].map(([name, w]) => [name, w.slice()])),
    optimizer: {
      step: 3,
      moments: new Map(
        [...part.state.optimizer.moments].map(([name, { m, v }]) => [name, { m: m.slice(), v: v.slice() }]),
      ),
    },
  });
  assert.deepEqual([...part.losses, ...rest.losses], whole.losses);
});

test("rows left out take nothing with them: order, steps and denominators stay", async () => {
  const one: TrainRecipe = { ...recipe, batch: 23, epochs: 1, clip: 1e9 };
  const gradient = async (without: ReadonlySet<number>) => {
    const trainer = await createTrainer(base, one, sequences, { without });
    const { gradientNorm, loss } = await trainer.step();
    const { m } = [...trainer.state.optimizer.moments.values()].at(-1)!;
    return { m, gradientNorm, loss };
  };
  const all = await gradient(new Set());
  const odd = await gradient(new Set(sequences.keys().filter((i) => i % 2 === 0)));
  const even = await gradient(new Set(sequences.keys().filter((i) => i % 2 === 1)));
  // The parts' gradients sum to the whole's: nothing was divided by fewer tokens.
  for (const [i, value] of all.m.entries())
    assert.ok(Math.abs(value - (odd.m[i]! + even.m[i]!)) < 1e-6 + 1e-4 * Math.abs(value), `${i}`);
  const none = await gradient(new Set(sequences.keys()));
  assert.equal(none.gradientNorm, 0);
  assert.equal(
    (await train(recipe)).trainer.steps,
    (await createTrainer(base, recipe, sequences, { without: new Set([3]) })).steps,
  );
});
