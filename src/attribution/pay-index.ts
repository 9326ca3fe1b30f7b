/**
 * The pay index of a release: one integer row per contributor and, to compare with, null rows made the same way from examples that were
 * never trained on. A query projected on the same basis gives every score as an exact integer dot product.
 *
 * It is built in three passes over temporary files (`index-gradients`, `index-rows`, `index-basis`), so that memory holds one layer of what
 * is solved for and never an N × p matrix: {@link payIndexCost} says how much.
 */
import {
  type Adapter,
  type createGradients,
  createRandom,
  type GradientSegment,
  type Sequence,
  shuffle,
} from "../engine/index.ts";
import { maxDimensions } from "../protocol/index.ts";
import type { Basis } from "./basis.ts";
import { representativesOf } from "./clusters/index.ts";
import { integerRows } from "./index-basis.ts";
import { gradientFile, thinnedDamping, thinning, trainingGradients } from "./index-gradients.ts";
import { type Sums, solveRows } from "./index-rows.ts";
import { adamMetric, layerBlocks } from "./influence.ts";
import { type IndexInspection, inspectedFile } from "./inspect-index.ts";
import { createProducts } from "./linalg.ts";
import { createProjection } from "./projection.ts";
import { groupRows } from "./row-groups.ts";
import { createInt16Scan } from "./scan.ts";
import { createScratch } from "./scratch.ts";

/** What a manifest names: adamfisher of the B matrices, read along `directionsToRead` directions, which are sixteen for most. */
export const indexMethod = "adamfisher-b16";

export type PayIndexOptions = {
  /** Gradients with drawn labels per example. */
  samples: number;
  /** ρ: damping as a part of the curvature's mean eigenvalue, less where examples are thinned (`thinnedDamping`). */
  damping: number;
  /** Most sampled gradients the curvature is fitted on; more examples are thinned evenly. */
  maxFisherRows: number;
  /** Rows of a contributor's examples take at most so many, unless there would be more rows than dimensions. */
  examplesPerRow: number;
  nullRows: number;
  /** c: nothing is paid for what does not exceed this part of the highest null score. */
  threshold: number;
  seed: number;
  threads: number;
  /** Where temporary files go, by default the system's folder for them; {@link payIndexCost} says how large they get. */
  scratchFolder?: string;
};

export const defaultPayIndexOptions: PayIndexOptions = {
  samples: 4,
  damping: 0.5,
  maxFisherRows: 3072,
  examplesPerRow: 8,
  nullRows: 199,
  threshold: 0.1,
  seed: 1,
  threads: 2,
};

/** Adam's v after training, by tensor name, and its β₂ and number of steps; or the metric D^−½ `[p]` that follows from them. */
export type IndexMetric =
  | {
      secondMoments: ReadonlyMap<string, Float32Array>;
      beta2: number;
      steps: number;
    }
  | { metric: Float32Array };

export type PayIndexInput = IndexMetric & {
  gradients: Awaited<ReturnType<typeof createGradients>>;
  adapter: Adapter;
  /** Training examples and, for each, its contributor's number in 0 … contributors − 1. */
  sequences: readonly Sequence[];
  contributorOf: readonly number[];
  contributors: number;
  /** Of every example, the number of the one it repeats, its own if none (`findClusters`): a near duplicate is left out, and earns nothing. */
  representatives?: ArrayLike<number>;
  /** Examples of the same kind that were never trained on. */
  heldOut: readonly Sequence[];
  /** Which of them have the form of answers to questions: how far chance reaches is measured on those, when there are at least 20. */
  heldOutIsAnswer?: readonly boolean[];
  /**
   * Score these answers, too, in floating point: against sums over sets of examples, to be held against retrainings on just those sets, and
   * against every row. Scores are linear, so a set costs one more row to solve for, whatever its size.
   */
  calibration?: { sets: readonly ReadonlySet<number>[]; queries: readonly Sequence[] };
  /** Takes each training example's own row R_i = H⁻¹ D^−½ g_i `[p]`, in order, when all are solved: for the explain index. Near duplicates have none. */
  explain?: (row: Float32Array, example: number) => void;
  /** For who makes the index again to check one; not together with `explain`. */
  inspect?: IndexInspection;
};

/** Scores of answers in the solve's own unit, before anything is rounded; positive made the answer more likely. */
export type CalibrationScores = {
  /** `[Q, sets]`: Σ over a set's examples. */
  sets: Float32Array;
  /** `[Q, rows]`, null rows last. */
  rows: Float32Array;
};

export type PayIndex = {
  /** Contributors' rows, then null rows; each k integers in ±32,767. */
  rows: Int16Array[];
  /** Of each of the former, whose it is; and the most examples that one stands for. */
  contributorOfRow: readonly number[];
  examplesPerRow: number;
  k: number;
  basis: Basis;
  /** What one unit of a row is worth. */
  scale: number;
  /** T is this many millionths of the highest null score. */
  thresholdMillionths: number;
  /** Where calibration was asked for. */
  calibration?: CalibrationScores;
  report: {
    examples: number;
    heldOut: number;
    width: number;
    fisherRows: number;
    bytes: number;
    /** Share of held-out answers that would pay somebody. */
    falseDiscovery: number;
    /** The part of the highest null score that somebody's score exceeds in 5 % of held-out answers: what exceeds it is hardly chance. */
    chance: number;
    /** Norm of trained examples' rows over held-out examples' rows, root mean squares. */
    nullScale: number;
    seconds: number;
    /** Of those, what `explain` took: solving for each example's own row, and handing it out. */
    explainSeconds: number;
  };
};

export type IndexStage = "gradients" | "held-out gradients" | "curvature" | "basis";

/** Single rows of each kind whose lengths are compared. */
const mostProbes = 64;

/**
 * What building holds, beyond the base model and its gradient graph and what runtime and collector keep on top, for one layer of w numbers out of p, n sampled gradients, m rows
 * that are solved for and t rows of the index: the sampled gradients and the sums, the Gram matrix in float64, 256 rows under way; then
 * the rows and the basis of one layer, and the basis in bytes.
 *
 * @returns bytes of memory and of temporary files
 */
export function payIndexCost(shape: {
  examples: number;
  heldOut: number;
  /** Contributors' rows. */
  rows: number;
  width: number;
  widestLayer: number;
  options: Pick<PayIndexOptions, "samples" | "maxFisherRows" | "nullRows">;
}): { memory: number; files: number } {
  const { examples, heldOut, rows, width: p, widestLayer: w, options } = shape;
  const { fisherRows: n } = thinning(examples, options);
  const t = rows + options.nullRows;
  const m = t + 2 * Math.min(mostProbes, examples, heldOut);
  const k = Math.min(t, maxDimensions);
  // Products return from the runtime through a copy: what it returns is counted twice.
  const solving = 4 * w * (n + m + 5 * 256) + 8 * n * n + 8 * t * t + 4 * 256 * (6 * n + 2 * t);
  const rounding = 4 * w * (t + 3 * k) + 8 * 3 * t * t + k * p + 2 * t * k;
  return { memory: Math.max(solving, rounding), files: 4 * p * (examples + n + heldOut + t) };
}

/** The same as if the members of clusters had not been given: only representatives are in sums, sets, curvature and the sizes of null rows. */
function withoutMembers(input: PayIndexInput): PayIndexInput {
  const { representatives, sequences, contributorOf, calibration, explain, inspect } = input;
  if (representatives === undefined) return input;
  const kept = representativesOf([...sequences.keys()], representatives);
  const place = new Map(kept.map((example, at) => [example, at]));
  const placesOf = (set: ReadonlySet<number>) =>
    new Set([...set].flatMap((example) => place.get(example) ?? []));
  return {
    ...input,
    sequences: kept.map((example) => sequences[example] as Sequence),
    contributorOf: kept.map((example) => contributorOf[example] as number),
    ...(calibration && { calibration: { ...calibration, sets: calibration.sets.map(placesOf) } }),
    ...(explain && { explain: (row: Float32Array, at: number) => explain(row, kept[at] as number) }),
    ...(inspect && {
      inspect: { ...inspect, examples: inspect.examples.flatMap((example) => place.get(example) ?? []) },
    }),
  };
}

const metricOf = (
  { segments, width }: PayIndexInput["gradients"],
  { secondMoments, beta2, steps }: Exclude<IndexMetric, { metric: Float32Array }>,
) =>
  adamMetric(
    segments as GradientSegment[],
    width,
    (name) => {
      const v = secondMoments.get(name);
      if (v === undefined) throw new RangeError(`The optimizer's state lacks ${name}.`);
      return v;
    },
    1 - beta2 ** steps,
  );

/** With fewer held-out examples, influence is not told from chance. */
export const heldOutLeast = 20;

/** @throws RangeError when there is too little held-out material to make null rows from */
export async function buildPayIndex(
  input: PayIndexInput,
  options: PayIndexOptions,
  onProgress: (stage: IndexStage, done: number, of: number) => void = () => {},
): Promise<PayIndex> {
  const started = performance.now();
  const { gradients, adapter, sequences, contributorOf, contributors, heldOut, ...wanted } =
    withoutMembers(input);
  const { calibration, explain, inspect } = wanted;
  const { segments, width: p } = gradients;
  if (heldOut.length < heldOutLeast)
    throw new RangeError(
      `A pay index needs at least ${heldOutLeast} held-out examples to tell influence from chance; there are ${heldOut.length}.`,
    );
  const metric = "metric" in input ? input.metric : metricOf(gradients, input);
  if (metric.length !== p) throw new RangeError(`The metric has ${metric.length} numbers, a gradient ${p}.`);
  const blocks = layerBlocks(segments);
  using scratch = createScratch(options.scratchFolder);
  const fileOf = (which: readonly Sequence[], scale: boolean, onDone?: (done: number) => void) =>
    gradientFile(gradients, adapter, which, scale ? metric : undefined, blocks, scratch, onDone);

  onProgress("gradients", 0, sequences.length);
  const training = await trainingGradients(
    gradients,
    adapter,
    sequences,
    metric,
    blocks,
    scratch,
    options,
    (done) => onProgress("gradients", done, sequences.length),
  );

  // Held-out examples: one half makes null rows, the other asks questions.
  const order = shuffle(Array.from(heldOut.keys()), createRandom(options.seed, 42));
  const half = Math.ceil(order.length / 2);
  const sequencesAt = (numbers: readonly number[]) => numbers.map((i) => heldOut[i] as Sequence);
  const others = order.slice(half);
  const answers = others.filter((i) => input.heldOutIsAnswer?.[i] === true);
  const asked = answers.length >= 20 ? answers : others;
  const report = (done: number) => onProgress("held-out gradients", done, half + asked.length);
  report(0);
  const nullMaterial = await fileOf(sequencesAt(order.slice(0, half)), true, report);
  const queries = await fileOf(sequencesAt(asked), false, (done) => report(half + done));
  const calibrationQueries = calibration?.queries ?? [];
  const calibrated = await fileOf(calibrationQueries, true);

  // What becomes rows: sums of contributors' examples, null sums of as many held-out examples, single rows of both kinds to compare their
  // lengths, and sums over sets.
  const { members, contributorOfRow, examplesPerRow } = groupRows(contributorOf, contributors, {
    examplesPerRow: options.examplesPerRow,
    nullRows: options.nullRows,
  });
  const draws = createRandom(options.seed, 43);
  const nullMembers = Array.from({ length: options.nullRows }, (_, n) =>
    Array.from({ length: Math.max(1, members[n % members.length]?.length ?? 0) }, () => draws.below(half)),
  );
  const probes = Math.min(mostProbes, sequences.length, heldOut.length);
  const evenly = Array.from({ length: probes }, (_, i) => [Math.round((i * sequences.length) / probes)]);
  const sets = (calibration?.sets ?? []).map((set) => [...set].sort((a, b) => a - b));
  const own = (list: readonly (readonly number[])[]): Sums => ({
    file: training.own,
    examples: sequences.length,
    members: list,
  });
  const heldOutSums = (list: readonly (readonly number[])[]): Sums => ({
    file: nullMaterial,
    examples: half,
    members: list,
  });
  const inspected =
    inspect && inspectedFile(scratch, blocks, inspect, training.own, { file: nullMaterial, rows: half });
  const each = explain === undefined ? inspected : { file: training.own, rows: sequences.length };
  const products = await createProducts(options.threads);
  const total = members.length + options.nullRows;
  onProgress("curvature", 0, blocks.length);
  const solved = await solveRows(
    products,
    {
      blocks,
      fisher: training.fisher,
      fisherRows: training.fisherRows,
      damping: thinnedDamping(sequences.length, options),
      sums: [
        own(members),
        heldOutSums(nullMembers),
        own(evenly),
        heldOutSums(Array.from({ length: probes }, (_, i) => [i])),
        own(sets),
      ],
      kept: total,
      ...(each && { each }),
      queries: { file: calibrated, rows: calibrationQueries.length },
    },
    (rows) => scratch.file(rows, blocks),
    (layer) => onProgress("curvature", layer, blocks.length),
  );
  const handedOut = performance.now();
  if (explain !== undefined) for (let i = 0; i < sequences.length; i++) explain(training.own.row(i), i);
  const explainSeconds = solved.eachSeconds + (performance.now() - handedOut) / 1000;

  // A trained example is fitted and its gradient short; a held-out one is not. Null rows are scaled to the length of trained ones, so that
  // the threshold compares directions.
  const squaresFrom = (first: number) =>
    solved.squares.subarray(first, first + probes).reduce((sum, square) => sum + square, 0);
  const nullScale = Math.sqrt(squaresFrom(total) / squaresFrom(total + probes));
  const factors = Float64Array.from({ length: total }, (_, i) => (i < members.length ? 1 : nullScale));

  if (inspect !== undefined && inspected !== undefined)
    await inspect.take({
      ...{ products, blocks, total, factors },
      ...{ rows: solved.rows, gram: solved.gram },
      example: (at) => inspected.file.row(at),
      heldOut: () => inspected.file.row(inspected.rows - 1),
    });

  onProgress("basis", 0, 1);
  const { rows, scale, basis } = await integerRows(
    products,
    solved.rows,
    total,
    solved.gram,
    factors,
    blocks,
    metric,
  );
  onProgress("basis", 1, 1);

  const scan = createInt16Scan({ rows: total, columns: basis.k, row: (i) => rows[i] as Int16Array });
  const project = createProjection(basis);
  const thresholdMillionths = Math.round(options.threshold * 1e6);
  const ratios = overChance(members.length, asked.length, (i) => scan.scores(project(queries.row(i))));
  return {
    rows,
    contributorOfRow,
    examplesPerRow,
    k: basis.k,
    basis,
    scale,
    thresholdMillionths,
    ...(calibration === undefined
      ? {}
      : { calibration: calibrationScores(solved.scores, calibrationQueries.length, sets.length, factors) }),
    report: {
      examples: sequences.length,
      heldOut: heldOut.length,
      width: p,
      fisherRows: training.fisherRows,
      bytes: basis.k * p + 4 * (basis.k + p) + total * basis.k * 2,
      falseDiscovery: ratios.filter((ratio) => ratio * 1e6 > thresholdMillionths).length / asked.length,
      chance: ratios[Math.floor(0.95 * (asked.length - 1))] as number,
      nullScale,
      seconds: (performance.now() - started) / 1000,
      explainSeconds,
    },
  };
}

/** Of the products with everything solved for: those with the index's rows, and those with sets, which were solved for last. */
function calibrationScores(
  scores: Float64Array,
  queries: number,
  sets: number,
  factors: Float64Array,
): CalibrationScores {
  const total = factors.length;
  const m = queries === 0 ? 0 : scores.length / queries;
  const part = (count: number, at: (query: number, i: number) => number) =>
    Float32Array.from({ length: queries * count }, (_, i) => at(Math.floor(i / count), i % count));
  return {
    sets: part(sets, (query, i) => scores[query * m + m - sets + i] as number),
    rows: part(total, (query, i) => (scores[query * m + i] as number) * (factors[i] as number)),
  };
}

/** Of questions about things nobody taught, the highest contributors' score over the highest null score; ascending. */
function overChance(rows: number, questions: number, score: (question: number) => Float64Array): number[] {
  return Array.from({ length: questions }, (_, i) => {
    const scores = score(i);
    const best = Math.max(...scores.subarray(0, rows));
    const chance = Math.max(0, ...scores.subarray(rows));
    return best <= 0 ? 0 : chance === 0 ? Number.POSITIVE_INFINITY : best / chance;
  }).sort((a, b) => a - b);
}
