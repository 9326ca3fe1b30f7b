/** Trains every weight of a small model from scratch, checkpointed so that it continues bit for bit. */
import {
  type AdamWOptions,
  adamwStep,
  globalNorm,
  newOptimizerState,
  type OptimizerState,
  type Parameter,
} from "./adamw.ts";
import { makeBatch } from "./batch.ts";
import { type ModelConfig, weightShapes } from "./config.ts";
import { createRandom } from "./random.ts";
import { createSession, f32, run, type Tensor } from "./runtime.ts";
import { gradientOutput, trainingGraph } from "./training-graph.ts";

export type PretrainRecipe = {
  config: ModelConfig;
  seed: number;
  /** Windows of `length + 1` tokens are cut from the stream one after the other. */
  length: number;
  batch: number;
  learningRate: number;
  warmupSteps: number;
  /** Learning rate at the end, as a part of the peak; the way there is a cosine. */
  finalRate: number;
  clip: number;
  optimizer: AdamWOptions;
  threads: number;
};

export type PretrainState = { step: number; weights: Map<string, Float32Array>; optimizer: OptimizerState };

/** Normal weights of deviation 1/√in; projections into the residual stream are scaled down by √(2·layers). Norms are 1, biases 0. */
export function initialWeights(config: ModelConfig, seed: number): Map<string, Float32Array> {
  const random = createRandom(seed, 17);
  const weights = new Map<string, Float32Array>();
  for (const [name, shape] of weightShapes(config)) {
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
    if (name.endsWith("norm.weight")) data.fill(1);
    else if (!name.endsWith(".bias")) {
      const into =
        name.endsWith("o_proj.weight") || name.endsWith("down_proj.weight")
          ? Math.sqrt(2 * config.layers)
          : 1;
      const deviation = 1 / Math.sqrt(shape[1] as number) / into;
      for (let i = 0; i < data.length; i++) data[i] = random.normal() * deviation;
    }
    weights.set(name, data);
  }
  return weights;
}

/**
 * @param stream tokens, read in order once
 * @param state where to continue, or a fresh start
 */
export async function createPretrainer(recipe: PretrainRecipe, stream: Uint16Array, state?: PretrainState) {
  const { config, length, batch } = recipe;
  const session = await createSession(
    trainingGraph({ config, lora: [], loraScale: 1, positions: length, gradients: "weights" }),
    { threads: recipe.threads },
  );
  const now: PretrainState = state ?? {
    step: 0,
    weights: initialWeights(config, recipe.seed),
    optimizer: newOptimizerState(),
  };
  const steps = Math.floor((stream.length - 1) / (length * batch));
  const shapes = [...weightShapes(config)];
  const weightFeeds: Record<string, Tensor> = Object.fromEntries(
    shapes.map(([name, shape]) => [name, f32(now.weights.get(name) as Float32Array, shape)]),
  );
  const targets = Array.from({ length }, (_, i) => i + 1);

  function feedsAt(tokens: Uint16Array, start: number, rows: number) {
    const sequences = Array.from({ length: rows }, (_, b) => ({
      ids: Array.from(tokens.subarray(start + b * length, start + (b + 1) * length + 1)),
      targets,
    }));
    return makeBatch(config, sequences, { weight: () => 1 / (rows * length) });
  }

  const rate = (step: number) =>
    recipe.learningRate *
    Math.min(1, (step + 1) / recipe.warmupSteps) *
    (recipe.finalRate + (1 - recipe.finalRate) * 0.5 * (1 + Math.cos((Math.PI * step) / steps)));

  return {
    steps,
    state: now,
    /** One optimiser step; returns the mean loss in nats per token. */
    async step(): Promise<number> {
      const { feeds } = feedsAt(stream, now.step * length * batch, batch);
      const out = await run(session, { ...feeds, ...weightFeeds });
      const parameters: Parameter[] = shapes.map(([name, shape]) => ({
        name,
        data: now.weights.get(name) as Float32Array,
        gradient: out[gradientOutput(name)] as Float32Array,
        decays: shape.length > 1,
      }));
      const norm = globalNorm(parameters);
      if (!Number.isFinite(norm))
        throw new Error(`The gradient is not a number at step ${now.step}. Lower the learning rate.`);
      adamwStep(parameters, now.optimizer, rate(now.step), Math.min(1, recipe.clip / norm), recipe.optimizer);
      now.step += 1;
      return mean(out.nll as Float32Array);
    },
    /** Mean loss over the first windows of another stream. */
    async evaluate(tokens: Uint16Array, windows: number): Promise<number> {
      let total = 0;
      const rounds = Math.max(1, Math.floor(Math.min(windows, (tokens.length - 1) / length) / batch));
      for (let i = 0; i < rounds; i++) {
        const out = await run(session, {
          ...feedsAt(tokens, i * length * batch, batch).feeds,
          ...weightFeeds,
        });
        total += mean(out.nll as Float32Array);
      }
      return total / rounds;
    },
  };
}

function mean(values: Float32Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}
