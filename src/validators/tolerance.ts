/**
 * How far a query that was computed again may be from the one that was published.
 *
 * Gradients are floating point: threads and instruction sets change the order of sums, and with it the last bits. The published q is
 * right if it is as near as honest machines are to each other (`distance`) and pays as the right one pays (`moved`). The second is what
 * the first is for: whoever bends q within its distance still moves no more than the stated part of a fee.
 *
 * Being listed is a step, so a fee could turn over by the last bit of a score. Where a score is nearer to the threshold than machines
 * are to each other (`noise`), the receipt's own list is followed: nobody could tell which is right.
 */
import { aboveThreshold, score, thresholdOf } from "../protocol/index.ts";

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
  /** Contributors' rows too near to the threshold to say whether they are paid. */
  readonly border: readonly number[];
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

/** Contributors' scores, who stands above the threshold, and by how much each may be off. */
function scoring(
  q: ArrayLike<number>,
  { rows, contributors, thresholdMillionths }: QueryTerms,
  noise: number,
) {
  const all = rows.map((row) => score(row, q));
  const { threshold, thresholdRow } = thresholdOf(all.slice(contributors), thresholdMillionths, contributors);
  const scores = all.slice(0, contributors);
  const listed = new Set(aboveThreshold(scores, threshold).map(({ row }) => row));
  const unit = noise * norm(q);
  const nullNorm = (thresholdMillionths / 1e6) * norm(rows[thresholdRow] as ArrayLike<number>);
  const isNear = (row: number) =>
    Math.abs((scores[row] as number) - Number(threshold)) <=
    unit * (norm(rows[row] as ArrayLike<number>) + nullNorm);
  return { scores, listed, isNear };
}

/** What part of the influence head each listed contributor gets. */
function shares(scores: readonly number[], listed: ReadonlySet<number>): Map<number, number> {
  const kept = [...listed].map((row) => [row, Math.max(0, scores[row] as number)] as const);
  const sum = kept.reduce((total, [, value]) => total + value, 0);
  return new Map(kept.map(([row, value]) => [row, sum === 0 ? 1 / kept.length : value / sum]));
}

/**
 * An upper bound on what any query within a distance of this one moves of a fee, as long as it lists the same contributors. A score
 * changes by at most δ_c = d ‖q‖ ‖row_c‖ (Cauchy–Schwarz), and with S = Σ S_c the parts by ½ Σ |Δp_c| ≤ Σ δ_c / (S − Σ δ_c).
 *
 * @returns a part of the fee, at most the influence head's
 */
export function mostMoved(q: ArrayLike<number>, terms: QueryTerms, distance: number): number {
  const { scores, listed } = scoring(q, terms, 0);
  const sum = [...listed].reduce((total, row) => total + (scores[row] as number), 0);
  const off = [...listed].reduce((total, row) => total + norm(terms.rows[row] as ArrayLike<number>), 0);
  const change = distance * norm(q) * off;
  return listed.size < 2
    ? 0
    : terms.influenceShare * Math.min(1, change >= sum ? 1 : change / (sum - change));
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
  const theirs = scoring(published, terms, allowed.noise);
  const mine = scoring(computed, terms, allowed.noise);
  const border = Array.from({ length: terms.contributors }, (_, row) => row).filter(
    (row) => theirs.listed.has(row) !== mine.listed.has(row) && mine.isNear(row),
  );
  const listed = new Set(mine.listed);
  for (const row of border)
    if (theirs.listed.has(row)) listed.add(row);
    else listed.delete(row);
  const [a, b] = [shares(theirs.scores, theirs.listed), shares(mine.scores, listed)];
  let difference = 0;
  for (const row of new Set([...a.keys(), ...b.keys()]))
    difference += Math.abs((a.get(row) ?? 0) - (b.get(row) ?? 0));
  // Without anybody listed the pools are paid: one more payee on either side.
  difference += Math.abs(Number(a.size === 0) - Number(b.size === 0));
  const moved = (difference / 2) * terms.influenceShare;
  return { distance, moved, border, within: distance <= allowed.distance && moved <= allowed.moved };
}
