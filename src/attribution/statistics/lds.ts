/**
 * The linear datamodeling score (Park et al. 2023, arXiv 2303.14186, definition 2.4): how well sums of scores foretell what retraining
 * without some examples does. For a query, Spearman's ρ over subsets between Σ scores of the examples kept and −loss after retraining on
 * them; the score is the mean over queries.
 *
 * Intervals resample queries and subsets together. A subset drawn twice is a tie in both series and tells nothing new, so the draws, and the
 * interval with them, lie a little below the mean.
 */
import {
  type BootstrapOptions,
  estimateOf,
  meanOf,
  type QueryEstimate,
  resampling,
  weightedMean,
} from "./bootstrap.ts";
import { type Ordering, orderingOf, weightedSpearman } from "./ranks.ts";

/** What a retraining on a part of the examples found. */
export type SubsetRun = {
  /** `[N]`, 1 for an example that was trained on. */
  readonly kept: Uint8Array;
  /** `[Q]`, mean nats per target token. */
  readonly losses: ArrayLike<number>;
};

const subsetsMin = 3;

/** ρ of every query over all subsets, and its mean with a joint interval. @param a, b one ordering of the M subsets for each query */
function correlate(
  a: readonly Ordering[],
  b: readonly Ordering[],
  subsets: number,
  options: BootstrapOptions,
): QueryEstimate {
  const queries = a.length;
  const scratch = [new Float64Array(subsets), new Float64Array(subsets)] as const;
  const rho = (q: number, counts: ArrayLike<number>) =>
    weightedSpearman(a[q] as Ordering, b[q] as Ordering, counts, scratch);
  const once = new Uint8Array(subsets).fill(1);
  const perQuery = Float64Array.from({ length: queries }, (_, q) => rho(q, once));
  const plan = resampling(queries, subsets, options);
  const inDraw = new Float64Array(queries);
  const draws = Float64Array.from({ length: plan.draws }, (_, draw) => {
    const counts = plan.queryCounts(draw);
    const subsetCounts = plan.subsetCounts(draw);
    for (let q = 0; q < queries; q++) inDraw[q] = counts[q] === 0 ? 0 : rho(q, subsetCounts);
    return weightedMean(inDraw, counts);
  });
  return { ...estimateOf(meanOf(perQuery), draws), perQuery, draws, plan: plan.plan };
}

/** The number of queries, when the runs are enough and agree on it. */
function queriesOf(runs: readonly Pick<SubsetRun, "losses">[]): number {
  const queries = runs[0]?.losses.length ?? 0;
  if (runs.length < subsetsMin || queries === 0)
    throw new RangeError(
      `A rank correlation needs at least ${subsetsMin} retrainings and a query, not ${runs.length} and ${queries}.`,
    );
  for (const [m, run] of runs.entries())
    if (run.losses.length !== queries)
      throw new RangeError(`Run ${m} has losses of ${run.losses.length} queries, the first of ${queries}.`);
  return queries;
}

/** Of every query, the order of the runs by minus its loss: best trained last. */
const outcomes = (runs: readonly SubsetRun[], queries: number): Ordering[] =>
  Array.from({ length: queries }, (_, q) =>
    orderingOf(Float64Array.from(runs, ({ losses }) => -(losses[q] as number))),
  );

/**
 * @param scores `[Q,N]`, positive for an example that made the query more likely
 * @throws RangeError when the shapes do not fit, or a number is missing
 */
export function lds(
  scores: Float32Array | Float64Array,
  runs: readonly SubsetRun[],
  options: BootstrapOptions = {},
): QueryEstimate {
  const queries = queriesOf(runs);
  const examples = scores.length / queries;
  for (const [m, { kept }] of runs.entries())
    if (kept.length !== examples)
      throw new RangeError(
        `Run ${m} keeps or drops ${kept.length} examples; ${scores.length} scores of ${queries} queries are of ${examples}.`,
      );
  const members = runs.map(({ kept }) => Uint32Array.from(kept.keys().filter((i) => kept[i] !== 0)));
  const predicted = Array.from({ length: queries }, (_, q) =>
    orderingOf(
      Float64Array.from(members, (numbers) => {
        let sum = 0;
        for (const i of numbers) sum += scores[q * examples + i] as number;
        return sum;
      }),
    ),
  );
  return correlate(predicted, outcomes(runs, queries), runs.length, options);
}

/** Scores of examples, summed by contributor: `[Q,N]` to `[Q,C]`. */
export function sumByContributor(
  scores: Float32Array | Float64Array,
  contributorOf: readonly number[],
  contributors: number,
): Float64Array {
  const examples = contributorOf.length;
  const queries = scores.length / examples;
  if (!Number.isInteger(queries))
    throw new RangeError(`${scores.length} scores are not rows of ${examples} examples.`);
  const sums = new Float64Array(queries * contributors);
  for (let q = 0; q < queries; q++)
    contributorOf.forEach((c, i) => {
      const at = q * contributors + c;
      sums[at] = (sums[at] as number) + (scores[q * examples + i] as number);
    });
  return sums;
}

/**
 * {@link lds} of contributors' scores over runs that keep or drop contributors whole.
 *
 * @param scores `[Q,C]`
 * @throws RangeError when a run keeps a part of a contributor
 */
export function contributorLds(
  scores: Float32Array | Float64Array,
  runs: readonly SubsetRun[],
  contributorOf: readonly number[],
  options: BootstrapOptions = {},
): QueryEstimate {
  const contributors = scores.length / queriesOf(runs);
  const whole = runs.map(({ kept, losses }, m) => ({
    kept: contributorsKept(kept, contributorOf, contributors, `Run ${m}`),
    losses,
  }));
  return lds(scores, whole, options);
}

/** `[N]` examples kept to `[C]` contributors kept. @throws RangeError when a contributor is kept in part */
export function contributorsKept(
  kept: Uint8Array,
  contributorOf: readonly number[],
  contributors: number,
  what: string,
): Uint8Array {
  if (kept.length !== contributorOf.length)
    throw new RangeError(`${what} speaks of ${kept.length} examples, not of ${contributorOf.length}.`);
  const seen = new Uint8Array(contributors);
  const whole = new Uint8Array(contributors);
  contributorOf.forEach((c, i) => {
    if (!(Number.isInteger(c) && c >= 0 && c < contributors))
      throw new RangeError(`Example ${i} is contributor ${c}'s; there are ${contributors}.`);
    const flag = kept[i] === 0 ? 0 : 1;
    if (seen[c] === 1 && whole[c] !== flag)
      throw new RangeError(`${what} keeps only a part of contributor ${c}'s examples.`);
    seen[c] = 1;
    whole[c] = flag;
  });
  return whole;
}

/**
 * The most a score can foretell: how well one seed's retrainings foretell another's on the same subsets, query by query.
 *
 * @param runs of one seed
 * @param others of another; runs on subsets that only one of them has are left out
 */
export function crossSeedCeiling(
  runs: readonly SubsetRun[],
  others: readonly SubsetRun[],
  options: BootstrapOptions = {},
): QueryEstimate {
  const keyOf = ({ kept }: SubsetRun) => Buffer.from(kept).toString("latin1");
  const byKey = new Map(others.map((run) => [keyOf(run), run]));
  const pairs = runs.flatMap((run) => {
    const other = byKey.get(keyOf(run));
    return other === undefined ? [] : [{ run, other }];
  });
  const ours = pairs.map(({ run }) => run);
  const theirs = pairs.map(({ other }) => other);
  const queries = queriesOf(ours);
  queriesOf([...ours, ...theirs]); // both of the same queries
  return correlate(outcomes(ours, queries), outcomes(theirs, queries), pairs.length, options);
}
