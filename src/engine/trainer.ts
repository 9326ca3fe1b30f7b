/**
 * Fine-tunes a LoRA adapter. Everything follows from checkpoint, sequences and recipe: the same inputs on the same class of machine give
 * the same bytes, and a run that continues from a saved state gives what an uninterrupted one gives.
 */
import {
  type AdamWOptions,
  adamwStep,
  globalNorm,
  newOptimizerState,
  type OptimizerState,
  type Parameter,
} from "./adamw.ts";
import { makeBatch, type Sequence } from "./batch.ts";
import type { Weights } from "./checkpoint.ts";
import { type ModelConfig, type ModuleName, weightShapes } from "./config.ts";
import { type Adapter, adapterShapes, initialAdapter, type LoraConfig } from "./lora.ts";
import { createRandom, shuffle } from "./random.ts";
import { createSession, type Device, f32, run, type Tensor, toDevice } from "./runtime.ts";
import { gradientOutput, trainingGraph } from "./training-graph.ts";

export type TrainRecipe = {
  rank: number;
  alpha: number;
  modules: readonly ModuleName[];
  seed: number;
  threads: number;
  /** The CPU when left out. Like the number of threads it changes the order of sums, and so the bytes of the adapter. */
  device?: Device;
  learningRate: number;
  warmupSteps: number;
  /** Learning rate at the end of the last epoch, as a part of the peak; linear in between. */
  finalRate: number;
  batch: number;
  epochs: number;
  /** Largest norm of the whole gradient. */
  clip: number;
  optimizer: AdamWOptions;
  /** Stop after an epoch whose mean training loss is below this; 0 never stops. */
  stopLoss: number;
};

/**
 * The learning rate of one step: it rises over the warm-up, and falls linearly from the first step to the last at the same time.
 *
 * @param step from 0
 * @param steps of all epochs
 */
export const learningRateAt = (
  { learningRate, warmupSteps, finalRate }: Pick<TrainRecipe, "learningRate" | "warmupSteps" | "finalRate">,
  step: number,
  steps: number,
): number => learningRate * Math.min(1, (step + 1) / warmupSteps) * (1 - ((1 - finalRate) * step) / steps);

export type TrainState = { step: number; adapter: Adapter; optimizer: OptimizerState };

const copyAdapter = ({ config, tensors }: Adapter): Adapter => ({
  config,
  tensors: new Map([...tensors].map(([name, { data, shape }]) => [name, { data: data.slice(), shape }])),
});

/** A state that further training leaves as it is. */
export const copyTrainState = ({ step, adapter, optimizer }: TrainState): TrainState => ({
  step,
  adapter: copyAdapter(adapter),
  optimizer: {
    step: optimizer.step,
    moments: new Map(
      [...optimizer.moments].map(([name, { m, v }]) => [name, { m: m.slice(), v: v.slice() }]),
    ),
  },
});

export type TrainStep = {
  step: number;
  epoch: number;
  loss: number;
  gradientNorm: number;
  learningRate: number;
  tokens: number;
};

export class DivergedError extends Error {
  override name = "DivergedError";
}

/** Inputs that do not change while an adapter is used: the base weights. */
export const weightFeeds = (config: ModelConfig, weights: Weights): Record<string, Tensor> =>
  Object.fromEntries(
    [...weightShapes(config)].map(([name, shape]) => [name, f32(weights.get(name) as Float32Array, shape)]),
  );

export const adapterFeeds = (adapter: Adapter): Record<string, Tensor> =>
  Object.fromEntries([...adapter.tensors].map(([name, { data, shape }]) => [name, f32(data, shape)]));

export const loraOf = (recipe: Pick<TrainRecipe, "rank" | "alpha" | "modules">): LoraConfig => ({
  rank: recipe.rank,
  scale: recipe.alpha / recipe.rank,
  modules: recipe.modules,
});

/** Longest input of a set of sequences, rounded up so that graphs are shared. */
export const positionsFor = (sequences: readonly Sequence[]) =>
  Math.ceil(sequences.reduce((most, s) => Math.max(most, s.ids.length), 1) / 32) * 32;

/** Nats and target tokens of the batches of an epoch that have been trained on. */
export type EpochSums = { readonly loss: number; readonly tokens: number };

export type TrainerOptions = {
  /** The state to go on from. */
  saved?: TrainState;
  /** What the epoch that `saved` stands in had lost so far: {@link EpochSums}. */
  epoch?: EpochSums;
  /** The adapter to start from, in place of a fresh one: it is copied. Ignored where `saved` is given. */
  start?: Adapter;
  /**
   * Rows left out of their batches, while order, steps and denominators stay as with them: what training would have been had these rows
   * said nothing. Attribution is measured against such counterfactuals.
   */
  without?: ReadonlySet<number>;
};

export async function createTrainer(
  base: { config: ModelConfig; weights: Weights },
  recipe: TrainRecipe,
  sequences: readonly Sequence[],
  { saved, epoch: begun, start, without }: TrainerOptions = {},
) {
  const { config } = base;
  const { device = "cpu" } = recipe;
  if (sequences.length === 0)
    throw new RangeError("There is nothing to train on: the recipe selects no examples.");
  const lora = loraOf(recipe);
  const shapes = adapterShapes(config, lora);
  const session = await createSession(
    trainingGraph({
      config,
      lora: lora.modules,
      loraScale: lora.scale,
      positions: positionsFor(sequences),
      gradients: "lora",
      device,
    }),
    { threads: recipe.threads, device },
  );
  const baseFeeds = await toDevice(weightFeeds(config, base.weights), device);
  const state: TrainState = saved ?? {
    step: 0,
    adapter: start === undefined ? initialAdapter(config, lora, recipe.seed) : copyAdapter(start),
    optimizer: newOptimizerState(),
  };
  const stepsPerEpoch = Math.ceil(sequences.length / recipe.batch);
  const steps = stepsPerEpoch * recipe.epochs;
  let epochLoss = begun?.loss ?? 0;
  let epochTokens = begun?.tokens ?? 0;
  let stopped = false;

  const orderOf = (epoch: number) =>
    shuffle(Array.from(sequences.keys()), createRandom(recipe.seed, 1000 + epoch));
  let order = orderOf(Math.floor(state.step / stepsPerEpoch));

  /** Loss and gradients of a batch, every token weighing 1 / denominator. */
  const gradientsOf = (rows: readonly number[], denominator: number) => {
    const batch = makeBatch(
      config,
      rows.map((i) => sequences[i] as Sequence),
      { weight: () => 1 / denominator },
    );
    return run(session, { ...batch.feeds, ...baseFeeds, ...adapterFeeds(state.adapter) });
  };
  /** The same of a batch with nothing in it. */
  const silence: Record<string, Float32Array> = {
    nll: new Float32Array(0),
    ...Object.fromEntries(
      shapes.map(({ name, shape }) => [gradientOutput(name), new Float32Array(shape[0] * shape[1])]),
    ),
  };

  const rate = (step: number) => learningRateAt(recipe, step, steps);

  return {
    steps,
    stepsPerEpoch,
    state,
    /** All steps are done, or an epoch ended below the loss to stop at. */
    get done() {
      return stopped || state.step >= steps;
    },
    /**
     * One optimiser step on the next batch of the seeded order.
     *
     * @throws DivergedError naming the step when the loss or the gradient is not a number
     */
    async step(): Promise<TrainStep> {
      const { step } = state;
      const epoch = Math.floor(step / stepsPerEpoch);
      const at = step % stepsPerEpoch;
      if (at === 0) order = orderOf(epoch);
      const members = order.slice(at * recipe.batch, (at + 1) * recipe.batch);
      const targets = (rows: readonly number[]) =>
        rows.reduce((sum, i) => sum + (sequences[i] as Sequence).targets.length, 0);
      const kept = without === undefined ? members : members.filter((i) => !without.has(i));
      const denominator = targets(members);
      const tokens = targets(kept);
      const out = tokens === 0 ? silence : await gradientsOf(kept, denominator);
      const parameters: Parameter[] = shapes.map(({ name }) => ({
        name,
        data: state.adapter.tensors.get(name)?.data as Float32Array,
        gradient: out[gradientOutput(name)] as Float32Array,
        decays: true,
      }));
      const gradientNorm = globalNorm(parameters);
      const total = (out.nll as Float32Array).reduce((sum, x) => sum + x, 0);
      if (!Number.isFinite(gradientNorm) || !Number.isFinite(total))
        throw new DivergedError(
          `Training diverged at step ${step}: loss ${total / tokens}, gradient norm ${gradientNorm}. Lower the learning rate.`,
        );
      const learningRate = rate(step);
      adamwStep(
        parameters,
        state.optimizer,
        learningRate,
        Math.min(1, recipe.clip / Math.max(gradientNorm, 1e-30)),
        recipe.optimizer,
      );
      state.step = step + 1;
      epochLoss = at === 0 ? total : epochLoss + total;
      epochTokens = at === 0 ? tokens : epochTokens + tokens;
      if (at === stepsPerEpoch - 1 && epochLoss / epochTokens < recipe.stopLoss) stopped = true;
      return { step, epoch, loss: total / Math.max(1, tokens), gradientNorm, learningRate, tokens };
    },
    /** Mean training loss so far in the current epoch, nats per target token. */
    epochLoss: () => epochLoss / Math.max(1, epochTokens),
    /** What a state saved now has to be gone on with. */
    epochSums: (): EpochSums => ({ loss: epochLoss, tokens: epochTokens }),
  };
}

/** Mean loss and exact-match share of sequences under an adapter (every target is the most likely token). */
export async function createEvaluator(
  base: { config: ModelConfig; weights: Weights },
  lora: LoraConfig,
  positions: number,
  threads: number,
  device: Device = "cpu",
) {
  const { config } = base;
  const session = await createSession(
    trainingGraph({
      config,
      lora: lora.modules,
      loraScale: lora.scale,
      positions,
      gradients: "none",
      logits: true,
      device,
    }),
    { threads, device },
  );
  const baseFeeds = await toDevice(weightFeeds(config, base.weights), device);
  return async (
    adapter: Adapter,
    sequences: readonly Sequence[],
    batchSize = 20,
    onBatch: (done: number) => void = () => {},
  ) => {
    const losses: number[] = [];
    const exact: boolean[] = [];
    let total = 0;
    let tokens = 0;
    for (let start = 0; start < sequences.length; start += batchSize) {
      const chosen = sequences.slice(start, start + batchSize);
      const batch = makeBatch(config, chosen, { forwardOnly: true });
      const out = await run(session, { ...batch.feeds, ...baseFeeds, ...adapterFeeds(adapter) });
      const nll = out.nll as Float32Array;
      const logits = out.logits as Float32Array;
      const labels = batch.feeds.labels?.data as BigInt64Array;
      const sums = new Float64Array(chosen.length);
      const right = chosen.map(() => true);
      batch.owner.forEach((b, i) => {
        sums[b] = (sums[b] as number) + (nll[i] as number);
        const row = logits.subarray(i * config.vocab, (i + 1) * config.vocab);
        if (argmax(row) !== Number(labels[i])) right[b] = false;
      });
      chosen.forEach((s, b) => {
        losses.push((sums[b] as number) / s.targets.length);
        total += sums[b] as number;
        tokens += s.targets.length;
      });
      exact.push(...right);
      onBatch(losses.length);
    }
    return { loss: total / tokens, losses, exact };
  };
}

export function argmax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] as number) > (values[best] as number)) best = i;
  return best;
}
