/**
 * How far a payout is from what contributors were worth: ½ Σ_c |share − share by effect|, where a contributor's effect on a query is the rise
 * of its loss when the model is trained again without the contributor, and effects below 0 count as none. It is the part of the money that
 * would have to change hands, 0 … 1. What is paid to nobody goes to the common pool, which is one more payee; a query that nobody helped
 * belongs to the pool.
 */
import { type BootstrapOptions, overQueries, type QueryEstimate } from "./bootstrap.ts";
import { contributorsKept, type SubsetRun } from "./lds.ts";
import { topOf } from "./ranks.ts";

/** What a payout rule may read about one answer. */
export type ScoredAnswer = {
  /** `[N]` of the single examples. */
  readonly examples: ArrayLike<number>;
  readonly contributorOf: readonly number[];
  /** `[C]`, each the sum of its examples'. */
  readonly contributors: ArrayLike<number>;
  /** T: what chance reaches, in the same unit; at least 0. */
  readonly threshold: number;
};

/** Shares `[C]` that sum to 1, or to 0 when nobody is paid. */
export type PayoutRule = (answer: ScoredAnswer) => Float64Array;

/** Positive parts as parts of their sum; all 0 when none is positive. */
export function positiveShares(values: ArrayLike<number>): Float64Array {
  const positive = Float64Array.from(values, (x) => Math.max(0, x));
  const sum = positive.reduce((total, x) => total + x, 0);
  return sum > 0 ? positive.map((x) => x / sum) : positive;
}

/** In proportion to S, where it is positive. */
export const paySums: PayoutRule = ({ contributors }) => positiveShares(contributors);

/** In proportion to S, where it is above T. */
export const paySumsAbove: PayoutRule = ({ contributors, threshold }) =>
  positiveShares(Float64Array.from(contributors, (s) => (s > threshold ? s : 0)));

/** In proportion to S − T, where it is positive. */
export const payExcess: PayoutRule = ({ contributors, threshold }) =>
  positiveShares(Float64Array.from(contributors, (s) => s - threshold));

/** In proportion to the sums of the m highest positive scores of single examples. */
export const payTop =
  (m: number): PayoutRule =>
  ({ examples, contributorOf, contributors }) => {
    const sums = new Float64Array(contributors.length);
    for (const i of topOf(examples, m)) {
      const c = contributorOf[i] as number;
      sums[c] = (sums[c] as number) + Math.max(0, examples[i] as number);
    }
    return positiveShares(sums);
  };

/** A retraining of one seed. */
export type SeededRun = SubsetRun & { readonly seed: number };

/**
 * What each contributor was worth to each query: the rise of the loss without it, over the same seed's model trained on everything, mean
 * over seeds.
 *
 * @param without runs that each drop exactly one contributor
 * @returns `[Q,C]`, nats per target token
 * @throws RangeError when a contributor was never dropped, or a seed lacks its full model
 */
export function leaveOneOutEffects(
  full: readonly SeededRun[],
  without: readonly SeededRun[],
  contributorOf: readonly number[],
  contributors: number,
): Float64Array {
  const queries = full[0]?.losses.length ?? 0;
  const effects = new Float64Array(queries * contributors);
  const times = new Uint32Array(contributors);
  for (const [m, run] of without.entries()) {
    const kept = contributorsKept(run.kept, contributorOf, contributors, `Run ${m}`);
    const dropped = [...kept.keys()].filter((c) => kept[c] === 0);
    if (dropped.length !== 1)
      throw new RangeError(`Run ${m} drops ${dropped.length} contributors; a leave-one-out run drops one.`);
    const whole = full.find(({ seed }) => seed === run.seed);
    if (whole === undefined || run.losses.length !== queries)
      throw new RangeError(
        `Run ${m} has no model of seed ${run.seed} trained on everything to compare with.`,
      );
    const c = dropped[0] as number;
    times[c] = (times[c] as number) + 1;
    for (let q = 0; q < queries; q++) {
      const at = q * contributors + c;
      effects[at] = (effects[at] as number) + (run.losses[q] as number) - (whole.losses[q] as number);
    }
  }
  const missing = times.indexOf(0);
  if (missing !== -1)
    throw new RangeError(`No run drops contributor ${missing}, so its effect is not known.`);
  return effects.map((sum, at) => sum / (times[at % contributors] as number));
}

/**
 * Mean over queries, with an interval over them.
 *
 * @param shares `[Q][C]`, as a {@link PayoutRule} gives them
 * @param effects `[Q,C]`
 */
export function payoutError(
  shares: readonly Float64Array[],
  effects: Float64Array,
  options: BootstrapOptions = {},
): QueryEstimate {
  const contributors = effects.length / shares.length;
  const perQuery = shares.map((share, q) => {
    if (share.length !== contributors)
      throw new RangeError(`Query ${q} pays ${share.length} contributors; effects are of ${contributors}.`);
    const worth = positiveShares(effects.subarray(q * contributors, (q + 1) * contributors));
    let apart = 0;
    let [paid, owed] = [0, 0];
    for (let c = 0; c < contributors; c++) {
      apart += Math.abs((share[c] as number) - (worth[c] as number));
      paid += share[c] as number;
      owed += worth[c] as number;
    }
    return (apart + Math.abs(paid - owed)) / 2;
  });
  return overQueries(perQuery, options);
}
