/**
 * Calibration: are a release's scores right? The recipe is run again on seeded halves of its examples, and what the scores foretold of each
 * answer's loss is held against what happened (Park et al. 2023, arXiv 2303.14186), beside what BM25 foretold on the same runs.
 */
import {
  type CalibrationScores,
  createBm25,
  crossSeedCeiling,
  difference,
  lds,
  type QueryEstimate,
} from "../attribution/index.ts";
import { createRandom, type Example, shuffle } from "../engine/index.ts";
import type { MillionthsEstimate } from "../protocol/index.ts";
import type { JobSpec } from "./job.ts";
import { drawRows } from "./training.ts";

/** What scores and words foretold, and what the retrainings found. */
export type Foretold = {
  seed: number;
  /** Training examples, of which each retraining kept half. */
  examples: number;
  contributorOf: number[];
  /** `[Q][M]`: sum of the scores of the examples that retraining m kept; the same of BM25. */
  predicted: number[][];
  words: number[][];
  /** `[Q][C]`: contributors' scores, in the unit of `predicted`. */
  contributors: number[][];
  /** `[Q]`: what a contributor's score had to exceed. */
  thresholds: number[];
  /** `[Q]`: target tokens of the answers. */
  tokens: number[];
};

export type CalibrationTable = Foretold & {
  /** `[M][Q]`: mean loss, nats per target token, after retraining m; then the same with another seed, if that was asked for. */
  losses: number[][];
  otherSeed: number[][];
};

export type Calibrated = {
  retrainings: number;
  queries: number;
  lds: MillionthsEstimate;
  bm25: MillionthsEstimate;
  difference: MillionthsEstimate;
  ceiling: MillionthsEstimate | null;
  separates: boolean;
  shareErrorMillionths: number | null;
};

/** The examples that retraining `number` keeps: half of them, drawn by seed. */
export const halfSubset = (examples: number, seed: number, number: number): Set<number> =>
  new Set(
    shuffle(
      Array.from({ length: examples }, (_, i) => i),
      createRandom(seed, 7_000 + number),
    ).slice(0, Math.ceil(examples / 2)),
  );

/**
 * Answers to test scores with: the evaluation's, else held-out rows, those in the form of answers when there are at least 20. None of them was
 * trained on.
 */
export function calibrationQueries(
  { evaluation, recipe }: Pick<JobSpec, "evaluation" | "recipe">,
  heldOut: readonly Example[],
): Example[] {
  const answers = heldOut.filter((example) => "messages" in example);
  const from = evaluation.length > 0 ? evaluation : answers.length >= 20 ? answers : heldOut;
  return drawRows(from.length, recipe.calibration.queries, recipe.seed, 62).map((i) => from[i] as Example);
}

/** What is known once the index is built: sums of scores, and of BM25's, over each half. */
export function foretell(parts: {
  seed: number;
  sets: readonly ReadonlySet<number>[];
  scores: CalibrationScores;
  contributorOf: number[];
  contributors: number;
  thresholdMillionths: number;
  texts: readonly string[];
  queries: readonly string[];
  tokens: number[];
}): Foretold {
  const { sets, scores, contributors, queries } = parts;
  const width = scores.rows.length / queries.length;
  const rowsOf = (values: Float32Array, count: number, from = 0, to = count) =>
    queries.map((_, q) => Array.from(values.subarray(q * count + from, q * count + to)));
  const bm25 = createBm25(parts.texts);
  return {
    seed: parts.seed,
    examples: parts.texts.length,
    contributorOf: parts.contributorOf,
    predicted: rowsOf(scores.sets, sets.length),
    words: queries.map((query) => {
      const byExample = bm25(query);
      return sets.map((set) => {
        let sum = 0;
        for (const i of set) sum += byExample[i] as number;
        return sum;
      });
    }),
    contributors: rowsOf(scores.rows, width, 0, contributors),
    thresholds: rowsOf(scores.rows, width, contributors, width).map(
      (nulls) =>
        (parts.thresholdMillionths / 1e6) * nulls.reduce((highest, score) => Math.max(highest, score), 0),
    ),
    tokens: parts.tokens,
  };
}

const millionths = ({ mean, lo, hi }: Pick<QueryEstimate, "mean" | "lo" | "hi">): MillionthsEstimate => {
  const [m, l, h] = [mean, lo, hi].map((x) => Math.round(x * 1e6)) as [number, number, number];
  return { mean: m, lo: l, hi: h };
};

/** A run that keeps one thing: sums over a run's examples are known already, so each run is scored by its own column. */
const column = (m: number, of: number) => Uint8Array.from({ length: of }, (_, i) => (i === m ? 1 : 0));

/** The manifest's facts. @throws RangeError when the table's parts do not fit one another */
export function judgeScores(table: CalibrationTable): Calibrated {
  const { predicted, words, losses, otherSeed } = table;
  const runs = losses.map((of, m) => ({ kept: column(m, losses.length), losses: of }));
  const others = otherSeed.map((of, m) => ({ kept: column(m, losses.length), losses: of }));
  const ours = lds(Float64Array.from(predicted.flat()), runs);
  const lexical = lds(Float64Array.from(words.flat()), runs);
  const apart = millionths(difference(ours, lexical));
  return {
    retrainings: losses.length + otherSeed.length,
    queries: predicted.length,
    lds: millionths(ours),
    bm25: millionths(lexical),
    difference: apart,
    ceiling: otherSeed.length === 0 ? null : millionths(crossSeedCeiling(runs, others)),
    separates: apart.lo > 0,
    shareErrorMillionths: null,
  };
}
