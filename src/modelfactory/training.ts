/**
 * Training to the held-out optimum: after each epoch the held-out rows are evaluated, and the adapter of the best epoch is what is released,
 * with Adam's state as it was then.
 */
import {
  type Adapter,
  ChatError,
  type Checkpoint,
  copyTrainState,
  createEvaluator,
  createRandom,
  createTrainer,
  type Example,
  exampleSequence,
  loraOf,
  positionsFor,
  type Sequence,
  shuffle,
  type TrainState,
} from "../engine/index.ts";
import { type Recipe, toTrainRecipe } from "./recipe.ts";
import type { TrainingProgress } from "./training-state.ts";

export type StepEvent = {
  step: number;
  steps: number;
  epoch: number;
  /** Whether it is its epoch's last. */
  epochEnds: boolean;
  loss: number;
  learningRate: number;
  gradientNorm: number;
  tokensPerSecond: number;
};
/** `epoch` epochs are done, by `step` steps; 0 is what training started from. Losses are nats per target token; `bestEpoch` has the lowest so far. */
export type EpochEvent = { epoch: number; step: number; heldOutLoss: number; bestEpoch: number };

export type TrainedAdapter = {
  /** Of the epoch that is released. */
  state: TrainState;
  /** How many epochs the released adapter was trained for, and the mean training loss of each epoch run. */
  releasedEpoch: number;
  epochLosses: number[];
  /** Mean held-out loss before training and after each epoch; empty without held-out rows. */
  heldOutLosses: number[];
  heldOutRows: number;
  /** Mean training loss of each step. */
  stepLosses: number[];
  lossFirst: number;
  tokens: number;
  /** Spent here, and before what was gone on with. */
  seconds: number;
};

export type TrainingOptions = {
  signal: AbortSignal;
  onStep: (event: StepEvent) => void;
  onEpoch: (event: EpochEvent) => void;
  /** The adapter that training continues from; without it, it starts from fresh weights. */
  start?: Adapter | undefined;
  /** Train no more steps than these, and give the adapter as it is then, whichever epoch was best. */
  stepsMost?: number | undefined;
  /** Go on from here: the bytes at the end are those of a training that was never interrupted. */
  saved?: TrainingProgress | undefined;
  /** Asked to keep what has been reached: between two steps whenever `saveEveryMs` have gone by, and when the training is aborted. */
  save?: ((progress: TrainingProgress) => void) | undefined;
  saveEveryMs?: number | undefined;
};

/** A training that is killed loses no more than this, and writes no oftener. */
const defaultSaveEveryMs = 30_000;

/** The caller aborted. */
export class CancelledError extends Error {
  override name = "CancelledError";
}

/** The most tokens of a row that are read; longer rows lose their beginning. */
export const sequenceLength = (base: Checkpoint, recipe: Recipe): number =>
  Math.min(recipe.maxLength, base.config.maxPositions);

/**
 * Rows as a model reads them. A row that spells a control token, or that its chat template refuses, is left out, the same in training and
 * index: anybody may contribute, and one such row must not stop everybody's training.
 */
export function readableRows(base: Checkpoint, recipe: Recipe, examples: readonly Example[]) {
  const sequences: Sequence[] = [];
  const kept: number[] = [];
  const maxLength = sequenceLength(base, recipe);
  for (const [i, example] of examples.entries())
    try {
      const { trainOnEnd } = recipe;
      sequences.push(exampleSequence(base.tokenizer, example, { trainOnEnd, maxLength }));
      kept.push(i);
    } catch (error) {
      if (!(error instanceof ChatError)) throw error;
    }
  return { sequences, kept };
}

/** At most `max` of `count` rows, drawn by seed, ascending. */
export const drawRows = (count: number, max: number, seed: number, stream: number): number[] =>
  shuffle(
    Array.from({ length: count }, (_, i) => i),
    createRandom(seed, stream),
  )
    .slice(0, max)
    .sort((a, b) => a - b);

/** @throws CancelledError, DivergedError */
export async function trainAdapter(
  base: Pick<Checkpoint, "config" | "weights">,
  recipe: Recipe,
  sequences: readonly Sequence[],
  heldOut: readonly Sequence[],
  options: TrainingOptions,
): Promise<TrainedAdapter> {
  const { signal, onStep, onEpoch, start, saved, save, saveEveryMs = defaultSaveEveryMs } = options;
  const { stepsMost = Number.POSITIVE_INFINITY } = options;
  const begunAt = performance.now();
  const trainer = await createTrainer(base, toTrainRecipe(recipe), sequences, {
    ...(start && { start }),
    ...(saved && { saved: saved.state, epoch: saved.epoch }),
  });
  const judges = drawRows(heldOut.length, recipe.heldOutRows, recipe.seed, 61).map(
    (i) => heldOut[i] as Sequence,
  );
  const evaluate =
    judges.length === 0
      ? undefined
      : await createEvaluator(base, loraOf(recipe), positionsFor(judges), recipe.threads);
  const stepLosses = [...(saved?.stepLosses ?? [])];
  const epochLosses = [...(saved?.epochLosses ?? [])];
  const heldOutLosses = [...(saved?.heldOutLosses ?? [])];
  let best = saved?.best;
  let tokens = saved?.tokens ?? 0;
  let savedAt = begunAt;
  const seconds = () => (saved?.seconds ?? 0) + (performance.now() - begunAt) / 1000;

  /** @returns whether the optimum is behind us */
  async function judge(): Promise<boolean> {
    if (evaluate === undefined) return false;
    const epoch = epochLosses.length;
    const { loss } = await evaluate(trainer.state.adapter, judges);
    heldOutLosses.push(loss);
    // What training started from is measured, never released.
    if (recipe.stopAtOptimum && epoch > 0 && (best === undefined || loss < best.loss))
      best = { loss, epoch, state: copyTrainState(trainer.state) };
    onEpoch({
      ...{ epoch, step: trainer.state.step, heldOutLoss: loss },
      bestEpoch: heldOutLosses.indexOf(Math.min(...heldOutLosses)),
    });
    return recipe.stopAtOptimum && epoch > 0 && epoch - (best?.epoch ?? 0) >= recipe.patience;
  }

  let over = saved === undefined && (await judge());
  while (!trainer.done && !over && trainer.state.step < stepsMost) {
    // Only here, where another step is certain to follow: nothing of the end has to be kept.
    if (
      save !== undefined &&
      trainer.state.step > 0 &&
      (signal.aborted || performance.now() - savedAt >= saveEveryMs)
    ) {
      save({
        ...{ state: trainer.state, epoch: trainer.epochSums(), best },
        ...{ stepLosses, epochLosses, heldOutLosses, tokens, seconds: seconds() },
      });
      savedAt = performance.now();
    }
    if (signal.aborted) throw new CancelledError("The training was cancelled.");
    const begun = performance.now();
    const { step, epoch, loss, learningRate, gradientNorm, tokens: stepTokens } = await trainer.step();
    const epochEnds = (step + 1) % trainer.stepsPerEpoch === 0;
    stepLosses.push(loss);
    tokens += stepTokens;
    onStep({
      ...{ step: step + 1, steps: trainer.steps, epoch, epochEnds, loss, learningRate, gradientNorm },
      tokensPerSecond: (stepTokens / (performance.now() - begun)) * 1000,
    });
    if (epochEnds) {
      epochLosses.push(trainer.epochLoss());
      over = await judge();
    }
    await new Promise((resolve) => setImmediate(resolve)); // lets a cancellation in
  }
  const kept = trainer.state.step === stepsMost ? undefined : best;
  return {
    state: kept?.state ?? trainer.state,
    releasedEpoch: kept?.epoch ?? epochLosses.length,
    epochLosses,
    heldOutLosses,
    heldOutRows: judges.length,
    stepLosses,
    lossFirst: stepLosses[0] ?? Number.NaN,
    tokens,
    seconds: seconds(),
  };
}

/**
 * What answers would have cost the model had it been trained without some examples: seed, order, steps and denominators are the release's.
 *
 * @param kept the examples that stay
 * @returns mean loss of each query, nats per target token
 * @throws CancelledError, DivergedError
 */
export async function retrain(
  base: Pick<Checkpoint, "config" | "weights">,
  recipe: Recipe,
  sequences: readonly Sequence[],
  kept: ReadonlySet<number>,
  steps: number,
  queries: readonly Sequence[],
  { signal, onStep, start }: Pick<TrainingOptions, "signal" | "start"> & { onStep: (step: number) => void },
): Promise<number[]> {
  const trainer = await createTrainer(base, toTrainRecipe(recipe), sequences, {
    ...(start && { start }),
    without: new Set(sequences.keys().filter((i) => !kept.has(i))),
  });
  // The release's number of steps, whatever this run's own losses say.
  while (trainer.state.step < steps) {
    if (signal.aborted) throw new CancelledError("The retraining was cancelled.");
    await trainer.step();
    onStep(trainer.state.step);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const evaluate = await createEvaluator(base, loraOf(recipe), positionsFor(queries), recipe.threads);
  return (await evaluate(trainer.state.adapter, queries)).losses;
}
