/**
 * How far a query that was computed again may be from the one that was published.
 *
 * Gradients are floating point: threads and instruction sets change the order of sums, and with it the last bits. The published q is
 * right if it is as near as honest machines are to each other (`distance`) and pays as the right one pays (`moved`). The second is what
 * the first is for: whoever bends q within its distance still moves no more than the stated part of a fee.
 *
 * What is paid moves with the scores: who comes to stand above the cut starts from nothing. One step is left, from the last contributor to the
 * common pools. Where the highest score is nearer to the threshold than machines are to each other (`noise`), nobody could tell which is right, and
 * both are.
 */
import {
  aboveCut,
  cutDivisor,
  cutOf,
  payWeights,
  type ScoreEntry,
  score,
  thresholdOf,
} from "../protocol/index.ts";

export type Tolerance = {
  /** Most that ‖q − q′‖ may be of ‖q′‖. */
  readonly distance: number;
  /** Most of a fee that may go to others than with the q computed again. */
  readonly moved: number;
  /** How near honest machines are to each other, as a part of ‖q‖: a score is uncertain by this times ‖q‖ ‖row‖. */
  readonly noise: number;
};

export const tolerance: Tolerance = { distance: 1 / 256, moved: 0.01, noise: 1 / 4096 };

/** What a query is compared by: the release's rows, its threshold, and what part of a fee is divided by influence. */
export type QueryTerms = {
  /** Contributors' rows, then null rows. */
  readonly rows: readonly ArrayLike<number>[];
  readonly contributors: number;
  readonly thresholdMillionths: number;
  /** Influence head over fee, 0 to 1. */
  readonly influenceShare: number;
};

export type QueryComparison = {
  /** ‖q − q′‖ / ‖q′‖; 0 where both are 0. */
  readonly distance: number;
  /** Part of the fee that goes to others, 0 to 1. */
  readonly moved: number;
  /** Whether the highest score is too near to the threshold to say if anybody is paid. */
  readonly border: boolean;
  /** Whether both are within tolerance. */
  readonly within: boolean;
};

const norm = (values: ArrayLike<number>) => {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (values[i] as number) ** 2;
  return Math.sqrt(sum);
};

/** ‖a − b‖ / ‖b‖. */
export function relativeDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const difference = norm(
    Float64Array.from({ length: b.length }, (_, i) => (a[i] as number) - (b[i] as number)),
  );
  return difference === 0 ? 0 : difference / (norm(b) || 1);
}

function scoring(q: ArrayLike<number>, { rows, contributors, thresholdMillionths }: QueryTerms) {
  const all = rows.map((row) => score(row, q));
  const { threshold, thresholdRow } = thresholdOf(all.slice(contributors), thresholdMillionths, contributors);
  const scores = all.slice(0, contributors);
  const listed = aboveCut(scores, threshold);
  const weights = new Map(
    payWeights(listed, threshold).map((weight, i) => [(listed[i] as ScoreEntry).row, Number(weight)]),
  );
  const sum = [...weights.values()].reduce((total, weight) => total + weight, 0);
  const bestRow = scores.indexOf(Math.max(...scores));
  return {
    scores,
    weights,
    sum,
    bestRow,
    threshold: Number(threshold),
    thresholdRow,
    cut: Number(cutOf(scores, threshold)),
  };
}

/**
 * An upper bound on what any query within a distance of this one moves of a fee. A score changes by at most δ_c = d ‖q‖ ‖row_c‖ (Cauchy–Schwarz),
 * the cut by at most δ, a fifth of the largest δ_c or c times the largest of a null row; a weight by at most δ_c + δ, where the score comes that
 * near to the cut; and with W = Σ w_c the parts by ½ Σ |Δp_c| ≤ Σ |Δw_c| / (W − Σ |Δw_c|).
 *
 * @returns a part of the fee, at most the influence head's
 */
export function mostMoved(q: ArrayLike<number>, terms: QueryTerms, distance: number): number {
  const { rows, contributors, thresholdMillionths, influenceShare } = terms;
  const { scores, sum, cut } = scoring(q, terms);
  const offs = rows.map((row) => distance * norm(q) * norm(row));
  const cutOff = Math.max(
    Math.max(...offs.slice(0, contributors)) / Number(cutDivisor),
    (thresholdMillionths / 1e6) * Math.max(...offs.slice(contributors)),
  );
  let change = 0;
  for (const [row, value] of scores.entries()) {
    const off = (offs[row] as number) + cutOff;
    if (value + off > cut) change += off;
  }
  return sum === 0 ? 0 : influenceShare * Math.min(1, change >= sum ? 1 : change / (sum - change));
}

/**
 * @param published q of the receipt, k integers
 * @param computed q computed again, k integers
 */
export function compareQueries(
  published: ArrayLike<number>,
  computed: ArrayLike<number>,
  terms: QueryTerms,
  allowed: Tolerance = tolerance,
): QueryComparison {
  const distance = relativeDistance(published, computed);
  const [theirs, mine] = [scoring(published, terms), scoring(computed, terms)];
  const { rows, thresholdMillionths, influenceShare } = terms;
  const size = (row: number) => norm(rows[row] as ArrayLike<number>);
  const unsure =
    allowed.noise *
    norm(computed) *
    (size(mine.bestRow) + (thresholdMillionths / 1e6) * size(mine.thresholdRow));
  const border =
    (theirs.sum === 0) !== (mine.sum === 0) &&
    Math.abs((mine.scores[mine.bestRow] as number) - mine.threshold) <= unsure;
  let difference = 0;
  for (const row of new Set([...theirs.weights.keys(), ...mine.weights.keys()]))
    difference += Math.abs(
      (theirs.weights.get(row) ?? 0) / (theirs.sum || 1) - (mine.weights.get(row) ?? 0) / (mine.sum || 1),
    );
  // Without anybody listed the pools are paid: one more payee on either side.
  difference += Math.abs(Number(theirs.sum === 0) - Number(mine.sum === 0));
  const moved = border ? 0 : (difference / 2) * influenceShare;
  return { distance, moved, border, within: distance <= allowed.distance && moved <= allowed.moved };
}
