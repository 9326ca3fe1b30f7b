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
import { cutDivisor, type MillionthsEstimate } from "../protocol/index.ts";
import type { JobSpec } from "./job.ts";
import type { Recipe } from "./recipe.ts";
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
  /** `[Q][C]`: contributors' rows' scores, in the unit of `predicted`; and by row, whose it is. */
  rows: number[][];
  contributorOfRow: number[];
  /** `[Q]`: the threshold against chance, in the same unit. */
  thresholds: number[];
  /** `[Q]`: target tokens of the answers, and their mean loss under the release, nats per token. */
  tokens: number[];
  released: number[];
};

export type CalibrationTable = Foretold & {
  /** `[M][Q]`: mean loss, nats per target token, after retraining m; then the same with another seed, if that was asked for. */
  losses: number[][];
  otherSeed: number[][];
  /** `[G]`: contributors left out together; `[G][Q]`: mean loss without them. */
  groups: number[][];
  leftOut: number[][];
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
  leftOutGroups: number;
};

/** The examples that retraining `number` keeps: half of them, drawn by seed. */
export const halfSubset = (examples: number, seed: number, number: number): Set<number> =>
  new Set(
    shuffle(
      Array.from({ length: examples }, (_, i) => i),
      createRandom(seed, 7_000 + number),
    ).slice(0, Math.ceil(examples / 2)),
  );

/** One training without some examples, by the number it is written down under. */
export type Plan = {
  trainingSeed: number;
  kept: ReadonlySet<number>;
  of: "half" | "other-seed" | "leave-out";
};

/** Contributors dealt into groups by seed; none where there are fewer than two to compare. */
export function contributorGroups(
  contributorOf: readonly number[],
  groups: number,
  seed: number,
): number[][] {
  const present = [...new Set(contributorOf)].sort((a, b) => a - b);
  const count = Math.min(groups, present.length);
  if (count < 2) return [];
  const dealt = shuffle(present, createRandom(seed, 63));
  return Array.from({ length: count }, (_, g) =>
    dealt.filter((_, i) => i % count === g).sort((a, b) => a - b),
  );
}

/** Every retraining that a recipe's calibration asks for, in order. */
export function planRetrainings(
  { seed, calibration: { retrainings, ceiling } }: Pick<Recipe, "seed" | "calibration">,
  contributorOf: readonly number[],
  groups: readonly (readonly number[])[],
): Plan[] {
  const halves = (of: Plan["of"], trainingSeed: number) =>
    Array.from({ length: retrainings }, (_, m) => ({
      ...{ of, trainingSeed },
      kept: halfSubset(contributorOf.length, seed, m),
    }));
  return [
    ...halves("half", seed),
    ...(ceiling ? halves("other-seed", (seed + 1) >>> 0) : []),
    ...groups.map((group) => ({
      of: "leave-out" as const,
      trainingSeed: seed,
      kept: new Set(contributorOf.keys().filter((i) => !group.includes(contributorOf[i] as number))),
    })),
  ];
}

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
  contributorOfRow: readonly number[];
  thresholdMillionths: number;
  texts: readonly string[];
  queries: readonly string[];
  tokens: number[];
  released: number[];
}): Foretold {
  const { sets, scores, contributorOfRow, queries } = parts;
  const rows = contributorOfRow.length;
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
    rows: rowsOf(scores.rows, width, 0, rows),
    contributorOfRow: [...contributorOfRow],
    thresholds: rowsOf(scores.rows, width, rows, width).map(
      (nulls) =>
        (parts.thresholdMillionths / 1e6) * nulls.reduce((highest, score) => Math.max(highest, score), 0),
    ),
    tokens: parts.tokens,
    released: parts.released,
  };
}

const millionths = ({ mean, lo, hi }: Pick<QueryEstimate, "mean" | "lo" | "hi">): MillionthsEstimate => {
  const [m, l, h] = [mean, lo, hi].map((x) => Math.round(x * 1e6)) as [number, number, number];
  return { mean: m, lo: l, hi: h };
};

/** A run that keeps one thing: sums over a run's examples are known already, so each run is scored by its own column. */
const column = (m: number, of: number) => Uint8Array.from({ length: of }, (_, i) => (i === m ? 1 : 0));

/** Fewer shares cannot tell where 95 % of them end. */
const sharesMin = 20;

/**
 * How far a contributor's share of what an answer pays for influence is from its share of what leaving contributors out really does: the 95 % quantile,
 * with the correction of split conformal prediction (Lei et al. 2018, arXiv 1604.04173), of |share − share of positive effects| over
 * answers and groups that are listed. It holds for answers like those it was measured on.
 *
 * @returns millionths; null where too few shares were seen
 */
export function shareError({
  rows,
  contributorOfRow,
  thresholds,
  tokens,
  released,
  groups,
  leftOut,
}: Pick<
  CalibrationTable,
  "rows" | "contributorOfRow" | "thresholds" | "tokens" | "released" | "groups" | "leftOut"
>): number | null {
  const errors: number[] = [];
  for (const [q, scores] of rows.entries()) {
    const best = scores.reduce((most, score) => Math.max(most, score), 0);
    const cut = Math.max(thresholds[q] as number, best / Number(cutDivisor));
    const listed = groups.map((group) =>
      scores.reduce(
        (sum, score, row) =>
          group.includes(contributorOfRow[row] as number) ? sum + Math.max(0, score - cut) : sum,
        0,
      ),
    );
    const effects = groups.map((_, g) => {
      const rise = (leftOut[g]?.[q] as number) - (released[q] as number);
      return (listed[g] as number) > 0 ? Math.max(0, rise * (tokens[q] as number)) : 0;
    });
    const scored = listed.reduce((sum, x) => sum + x, 0);
    const happened = effects.reduce((sum, x) => sum + x, 0);
    for (const [g, score] of listed.entries())
      if (score > 0)
        errors.push(Math.abs(score / scored - (happened > 0 ? (effects[g] as number) / happened : 0)));
  }
  if (errors.length < sharesMin) return null;
  errors.sort((a, b) => a - b);
  return Math.ceil((errors[Math.ceil((errors.length + 1) * 0.95) - 1] as number) * 1e6);
}

/** The manifest's facts. @throws RangeError when the table's parts do not fit one another */
export function judgeScores(table: CalibrationTable): Calibrated {
  const { predicted, words, losses, otherSeed } = table;
  const runs = losses.map((of, m) => ({ kept: column(m, losses.length), losses: of }));
  const others = otherSeed.map((of, m) => ({ kept: column(m, losses.length), losses: of }));
  const ours = lds(Float64Array.from(predicted.flat()), runs);
  const lexical = lds(Float64Array.from(words.flat()), runs);
  const apart = millionths(difference(ours, lexical));
  return {
    retrainings: losses.length + otherSeed.length + table.leftOut.length,
    queries: predicted.length,
    lds: millionths(ours),
    bm25: millionths(lexical),
    difference: apart,
    ceiling: otherSeed.length === 0 ? null : millionths(crossSeedCeiling(runs, others)),
    separates: apart.lo > 0,
    shareErrorMillionths: shareError(table),
    leftOutGroups: table.groups.length,
  };
}
