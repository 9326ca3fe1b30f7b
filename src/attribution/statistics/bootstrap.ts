/**
 * 95 % percentile intervals (Efron and Tibshirani 1993, chapter 13) over seeded draws with replacement. Draws depend on nothing but the
 * seed and the numbers of queries and subsets, so two methods measured on the same runs are measured on the same draws, and the interval
 * of their difference is a paired one.
 */
import { createRandom } from "../../engine/index.ts";

export type BootstrapOptions = {
  /** Resamplings; at least 200. */
  readonly draws?: number;
  readonly seed?: number;
};

/** A mean and its 95 % interval. */
export type Estimate = { readonly mean: number; readonly lo: number; readonly hi: number };

/** An estimate that can be compared with another one made from the same queries and runs. */
export type QueryEstimate = Estimate & {
  readonly perQuery: Float64Array;
  /** The mean in each resampling. */
  readonly draws: Float64Array;
  /** Names the resamplings: estimates can be compared draw by draw when it is the same. */
  readonly plan: string;
};

/** How often each query and each subset stands in each resampling. */
export type Resampling = {
  readonly plan: string;
  readonly draws: number;
  /** `[queries]` */
  queryCounts(draw: number): Uint16Array;
  /** `[subsets]` */
  subsetCounts(draw: number): Uint16Array;
};

const drawsMin = 200;

/** With what is left out filled in. @throws RangeError for fewer than 200 draws */
export function checkedOptions({ draws = 1000, seed = 1 }: BootstrapOptions) {
  if (!(Number.isSafeInteger(draws) && draws >= drawsMin))
    throw new RangeError(`An interval is made from at least ${drawsMin} draws, not ${draws}.`);
  return { draws, seed };
}

function countsOf(size: number, draws: number, seed: number, stream: number): Uint16Array {
  const random = createRandom(seed, stream);
  const counts = new Uint16Array(draws * size);
  for (let draw = 0; draw < draws; draw++)
    for (let i = 0; i < size; i++) {
      const at = draw * size + random.below(size);
      counts[at] = (counts[at] as number) + 1;
    }
  return counts;
}

/** @throws RangeError for fewer than 200 draws, or nothing to draw from */
export function resampling(queries: number, subsets: number, options: BootstrapOptions = {}): Resampling {
  const { draws, seed } = checkedOptions(options);
  if (queries < 1) throw new RangeError("An interval over queries needs at least one query.");
  const ofQueries = countsOf(queries, draws, seed, 71);
  const ofSubsets = countsOf(subsets, draws, seed, 72);
  return {
    plan: `queries ${queries}, subsets ${subsets}, draws ${draws}, seed ${seed}`,
    draws,
    queryCounts: (draw) => ofQueries.subarray(draw * queries, (draw + 1) * queries),
    subsetCounts: (draw) => ofSubsets.subarray(draw * subsets, (draw + 1) * subsets),
  };
}

/** Quantile of sorted values, linear between neighbours. */
function quantileOf(sorted: Float64Array, part: number): number {
  const at = part * (sorted.length - 1);
  const below = sorted[Math.floor(at)] as number;
  const above = sorted[Math.ceil(at)] as number;
  return below === above ? below : below + (at - Math.floor(at)) * (above - below);
}

/** The 95 % percentile interval around a mean. */
export function estimateOf(mean: number, draws: Float64Array): Estimate {
  const sorted = Float64Array.from(draws).sort();
  return { mean, lo: quantileOf(sorted, 0.025), hi: quantileOf(sorted, 0.975) };
}

export const meanOf = (values: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] as number;
  return sum / values.length;
};

/** Mean of values weighted by counts. */
export function weightedMean(values: ArrayLike<number>, counts: ArrayLike<number>): number {
  let sum = 0;
  let size = 0;
  for (let i = 0; i < values.length; i++) {
    sum += (values[i] as number) * (counts[i] as number);
    size += counts[i] as number;
  }
  return sum / size;
}

/** The mean of one number a query, resampled over queries. */
export function overQueries(perQuery: ArrayLike<number>, options: BootstrapOptions = {}): QueryEstimate {
  const { plan, draws, queryCounts } = resampling(perQuery.length, 0, options);
  const means = Float64Array.from({ length: draws }, (_, draw) => weightedMean(perQuery, queryCounts(draw)));
  return {
    ...estimateOf(meanOf(perQuery), means),
    perQuery: Float64Array.from(perQuery),
    draws: means,
    plan,
  };
}

function paired(
  a: QueryEstimate,
  b: QueryEstimate,
  combine: (a: number, b: number) => number,
): QueryEstimate {
  if (a.plan !== b.plan)
    throw new RangeError(
      `Only estimates from the same queries and runs can be paired: ${a.plan}, against ${b.plan}.`,
    );
  const of = (x: Float64Array, y: Float64Array) => x.map((value, i) => combine(value, y[i] as number));
  const draws = of(a.draws, b.draws);
  return {
    ...estimateOf(combine(a.mean, b.mean), draws),
    perQuery: of(a.perQuery, b.perQuery),
    draws,
    plan: a.plan,
  };
}

/** a − b, draw by draw: the two differ when the interval leaves 0 out. @throws RangeError when their draws are not the same */
export const difference = (a: QueryEstimate, b: QueryEstimate) => paired(a, b, (x, y) => x - y);

/** a / b, draw by draw. @throws RangeError when their draws are not the same */
export const ratio = (a: QueryEstimate, b: QueryEstimate) => paired(a, b, (x, y) => x / y);
