/**
 * How long a job will take, what memory it needs and what it costs, before it starts: the machine's speeds, measured once on small parts of
 * the same work, times the work that the recipe and its rows ask for. Everything is counted in padded tokens, positions of a batch times its
 * longest row, for that is what a graph computes; the index's linear algebra in multiplications.
 */
import { z } from "zod";
import { defaultPayIndexOptions, directionsToRead, payIndexCost } from "../attribution/index.ts";
import { gradientSegments, loraOf, type ModelConfig } from "../engine/index.ts";
import { maxDimensions } from "../protocol/index.ts";
import type { Recipe } from "./recipe.ts";

const seconds = z.number().nonnegative();
/** c₀ + c₁ · amount, seconds. */
const lineSchema = z.strictObject({ fixed: seconds, each: seconds });
type Line = z.infer<typeof lineSchema>;

/** What a machine does over a base with a shape of adapter. */
export const speedsSchema = z.strictObject({
  /** A step of the optimiser, by padded tokens; and opening what trains. */
  step: lineSchema,
  open: seconds,
  /** A batch of a forward pass, by padded tokens; and opening it. */
  forward: lineSchema,
  openForward: seconds,
  /** Writing answers, by passes. */
  answers: lineSchema,
  /**
   * The index's stages: by padded tokens; curvature by numbers that are read and written, and by multiplications; the last by multiplications of
   * what makes the basis, and of the held-out answers that chance is measured on, which are projected onto it.
   */
  duplicates: lineSchema,
  gradients: lineSchema,
  heldOut: lineSchema,
  curvature: lineSchema.extend({ multiplication: seconds }),
  basis: z.strictObject({ multiplication: seconds, projected: seconds }),
  /** Bytes beyond what was held before, at their highest: of training by padded token of a batch, of evaluating, of the index without its linear algebra. */
  stepBytesPerToken: z.number().nonnegative(),
  evaluationBytes: z.number().nonnegative(),
  indexBytes: z.number().nonnegative(),
});
export type Speeds = z.infer<typeof speedsSchema>;

/** The line through two measurements, neither part of it below nothing. */
export function lineThrough(
  a: { amount: number; seconds: number },
  b: { amount: number; seconds: number },
): Line {
  const [low, high] = a.amount <= b.amount ? [a, b] : [b, a];
  // Between amounts that hardly differ, a slope is noise: both say how long the amount takes as a whole.
  if (high.amount < 1.5 * low.amount)
    return { fixed: 0, each: (low.seconds + high.seconds) / (low.amount + high.amount) };
  const each = Math.max(0, (high.seconds - low.seconds) / (high.amount - low.amount));
  const fixed = Math.max(0, low.seconds - each * low.amount);
  // Where the smaller took longer, all of the larger's time is by amount.
  return each === 0 ? { fixed: 0, each: high.seconds / high.amount } : { fixed, each };
}

/** Two measurements of two kinds of work each, as what a unit of either takes; neither less than nothing. */
export function twoRates(
  a: { first: number; second: number; seconds: number },
  b: { first: number; second: number; seconds: number },
): { first: number; second: number } {
  const turn = b.first / a.first;
  const apart = b.second - a.second * turn;
  const fitted = apart <= 0 ? 0 : Math.max(0, (b.seconds - a.seconds * turn) / apart);
  // No more of it than either took as a whole.
  const second = Math.min(fitted, a.seconds / a.second, b.seconds / b.second);
  return { first: (b.seconds - second * b.second) / b.first, second };
}

const on = ({ fixed, each }: Line, amount: number) => fixed + each * amount;

/** What a job asks for, counted from its rows as a model reads them. */
export type Work = {
  readonly examples: number;
  readonly heldOut: number;
  readonly contributors: number;
  readonly evaluated: number;
  readonly queries: number;
  readonly retrainings: { readonly halves: number; readonly leaveOut: number };
  readonly stepsPerEpoch: number;
  /** Padded tokens of one epoch's batches, and of its longest. */
  readonly epochTokens: number;
  readonly batchTokens: number;
  /** Padded tokens, in batches as the engine makes them, of the rows that each is done with. */
  readonly judgeTokens: number;
  readonly evaluatedTokens: number;
  /** Passes that writing answers takes. */
  readonly answerPasses: number;
  /** General prompts, and their padded tokens. */
  readonly prompts: number;
  readonly promptTokens: number;
  readonly exampleTokens: number;
  readonly heldOutTokens: number;
  readonly queryTokens: number;
  /** Finding rows that repeat others' text and making tokens of them took so long, just now. */
  readonly readSeconds: number;
};

/** Rows of a batch where the engine evaluates, and where it makes gradients. */
export const evaluationBatch = 20;
export const gradientBatch = 16;

/** Padded tokens of rows in batches, and the most of one. */
export function paddedTokens(lengths: readonly number[], batch: number): { total: number; most: number } {
  let total = 0;
  let most = 0;
  for (let at = 0; at < lengths.length; at += batch) {
    const part = lengths.slice(at, at + batch);
    const padded = part.length * Math.max(...part);
    total += padded;
    most = Math.max(most, padded);
  }
  return { total, most };
}

/**
 * What the index's linear algebra does, layer by layer: the numbers of sampled gradients and of rows that it reads and writes, and its multiplications. A layer's
 * s sampled gradients are multiplied with each other, factored (s³/3), and with each of the rows that are solved for, to and fro.
 */
export function indexWork(
  model: ModelConfig,
  recipe: Recipe,
  work: Pick<Work, "examples" | "heldOut" | "contributors"> & Partial<Pick<Work, "retrainings" | "queries">>,
): {
  touched: number;
  curvature: number;
  basis: number;
  projected: number;
  memory: number;
  files: number;
} {
  const { examples, heldOut, contributors, queries = 0 } = work;
  const sets = (work.retrainings?.halves ?? 0) + (work.retrainings?.leaveOut ?? 0);
  const { samples, maxFisherRows, nullRows, examplesPerRow } = defaultPayIndexOptions;
  const lora = loraOf(recipe);
  const { width } = gradientSegments(model, { ...lora, rank: directionsToRead(model, lora) }, ["B"]);
  const sampled = Math.min(maxFisherRows, examples * samples);
  const rows = Math.max(contributors, Math.ceil(examples / examplesPerRow));
  const total = rows + nullRows;
  const probes = 2 * Math.min(64, examples, heldOut);
  const solved = total + probes + sets + examples;
  const cost = payIndexCost({
    ...{ examples, heldOut, rows, width },
    widestLayer: Math.ceil(width / model.layers),
    options: defaultPayIndexOptions,
  });
  return {
    touched: width * (sampled + solved),
    curvature:
      width * (sampled ** 2 / 2 + 2 * sampled * solved + total ** 2 / 2 + queries * (total + probes + sets)) +
      model.layers * (sampled ** 3 / 3 + sampled ** 2 * solved),
    basis: width * total * total + total ** 3,
    projected: width * Math.min(total, maxDimensions) * Math.floor(heldOut / 2),
    ...cost,
  };
}

/** Seconds of the curvature's stage. */
export const curvatureSeconds = (
  { multiplication, ...line }: Speeds["curvature"],
  { touched, curvature }: Pick<ReturnType<typeof indexWork>, "touched" | "curvature">,
): number => on(line, touched) + multiplication * curvature;

export type Estimate = {
  /** Seconds of each step of the job; the whole is their sum. */
  readonly seconds: {
    readonly reading: number;
    readonly training: number;
    readonly evaluation: number;
    readonly index: number;
    readonly calibration: number;
    readonly total: number;
  };
  /** The least that training takes where it stops at the held-out optimum: its patience has to run out first. */
  readonly trainingSecondsLeast: number;
  readonly steps: number;
  /** What the process holds at its highest, of which it holds `residentBytes` already; and temporary files. */
  readonly memoryBytes: number;
  readonly scratchBytes: number;
};

/**
 * @param publish whether the job ends in a release, with index and calibration
 * @param residentBytes what the process holds with the base open and nothing under way
 */
export function estimateJob(
  model: ModelConfig,
  recipe: Recipe,
  work: Work,
  speeds: Speeds,
  { publish, residentBytes }: { readonly publish: boolean; readonly residentBytes: number },
): Estimate {
  const { samples, maxFisherRows } = defaultPayIndexOptions;
  // Above so many gradients with drawn labels, examples are thinned evenly.
  const drawn = samples / Math.max(1, Math.ceil((work.examples * samples) / maxFisherRows));
  const batches = (rows: number) => Math.ceil(rows / evaluationBatch);
  const forward = (rows: number, tokens: number) =>
    rows === 0 ? 0 : speeds.openForward + batches(rows) * speeds.forward.fixed + tokens * speeds.forward.each;
  const judging = Math.min(work.heldOut, recipe.heldOutRows);
  const judge = forward(judging, work.judgeTokens) - (judging === 0 ? 0 : speeds.openForward);
  const epochs = (count: number, part: number) =>
    count * (work.stepsPerEpoch * speeds.step.fixed + work.epochTokens * part * speeds.step.each);
  const trainFor = (count: number) =>
    work.readSeconds +
    speeds.open +
    (judging === 0 ? 0 : speeds.openForward) +
    epochs(count, 1) +
    (count + 1) * judge;
  const training = trainFor(recipe.epochs);
  const evaluation =
    2 *
    (forward(work.evaluated, work.evaluatedTokens) +
      forward(work.prompts, work.promptTokens) +
      on(speeds.answers, work.answerPasses));
  const linear = indexWork(model, recipe, work);
  const index = !publish
    ? 0
    : on(speeds.duplicates, work.exampleTokens) +
      on(speeds.gradients, work.exampleTokens * (1 + drawn)) +
      on(speeds.heldOut, work.heldOutTokens + work.queryTokens) +
      curvatureSeconds(speeds.curvature, linear) +
      speeds.basis.multiplication * linear.basis +
      speeds.basis.projected * linear.projected;
  const { halves, leaveOut } = work.retrainings;
  const retraining = (part: number) =>
    work.readSeconds + speeds.open + epochs(recipe.epochs, part) + forward(work.queries, work.queryTokens);
  const calibration = publish
    ? halves * retraining(0.5) + leaveOut * retraining(leaveOut === 0 ? 1 : 1 - 1 / leaveOut)
    : 0;
  const least =
    recipe.stopAtOptimum && judging > 0 ? Math.min(recipe.epochs, recipe.patience + 1) : recipe.epochs;
  return {
    seconds: {
      reading: work.readSeconds,
      ...{ training, evaluation, index, calibration },
      total: training + evaluation + index + calibration,
    },
    trainingSecondsLeast: trainFor(least),
    steps: work.stepsPerEpoch * recipe.epochs,
    memoryBytes: Math.ceil(
      residentBytes +
        Math.max(
          speeds.stepBytesPerToken * work.batchTokens,
          speeds.evaluationBytes,
          publish ? speeds.indexBytes + linear.memory : 0,
        ),
    ),
    scratchBytes: publish ? linear.files : 0,
  };
}
