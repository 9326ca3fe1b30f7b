/** Ranks with ties, Spearman's correlation of samples in which values may be repeated, and the highest of scores. */

/** Values in ascending order, as numbers of theirs, and where each run of equal values ends. */
export type Ordering = { readonly order: Uint32Array; readonly ends: Uint32Array };

/**
 * Sorts once, so that every resampling of the values is ranked in one pass.
 *
 * @throws RangeError at a value that is not a number
 */
export function orderingOf(values: ArrayLike<number>): Ordering {
  for (let i = 0; i < values.length; i++)
    if (Number.isNaN(values[i]))
      throw new RangeError(`Value ${i} of ${values.length} is not a number, so the values have no order.`);
  const order = Uint32Array.from({ length: values.length }, (_, i) => i).sort(
    (a, b) => (values[a] as number) - (values[b] as number) || a - b,
  );
  const ends: number[] = [];
  for (let at = 1; at <= order.length; at++)
    if (at === order.length || values[order[at] as number] !== values[order[at - 1] as number]) ends.push(at);
  return { order, ends: Uint32Array.from(ends) };
}

/**
 * Mean ranks, from 0, of the values when value i stands in the sample `counts[i]` times.
 *
 * @param into `[n]`; what it says of values that are not in the sample means nothing
 */
export function ranksInto({ order, ends }: Ordering, counts: ArrayLike<number>, into: Float64Array): void {
  let below = 0;
  let start = 0;
  for (const end of ends) {
    let equal = 0;
    for (let at = start; at < end; at++) equal += counts[order[at] as number] as number;
    const rank = below + (equal - 1) / 2;
    for (let at = start; at < end; at++) into[order[at] as number] = rank;
    below += equal;
    start = end;
  }
}

/**
 * Spearman's ρ of two series over the same n things, thing i standing in the sample `counts[i]` times; 0 when either is constant.
 *
 * @param scratch two arrays `[n]`, overwritten
 */
export function weightedSpearman(
  a: Ordering,
  b: Ordering,
  counts: ArrayLike<number>,
  scratch: readonly [Float64Array, Float64Array],
): number {
  const [x, y] = scratch;
  ranksInto(a, counts, x);
  ranksInto(b, counts, y);
  const n = a.order.length;
  let size = 0;
  for (let i = 0; i < n; i++) size += counts[i] as number;
  const mean = (size - 1) / 2;
  let xy = 0;
  let xx = 0;
  let yy = 0;
  for (let i = 0; i < n; i++) {
    const count = counts[i] as number;
    const dx = (x[i] as number) - mean;
    const dy = (y[i] as number) - mean;
    xy += count * dx * dy;
    xx += count * dx * dx;
    yy += count * dy * dy;
  }
  return xx === 0 || yy === 0 ? 0 : xy / Math.sqrt(xx * yy);
}

/**
 * Spearman's rank correlation, ties at their mean rank; 0 when either series is constant.
 *
 * @example
 * spearman([1, 2, 3, 4], [1, 3, 2, 4])
 * // 0.8
 */
export function spearman(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length)
    throw new RangeError(`A correlation is of two series of one length, not ${a.length} and ${b.length}.`);
  const n = a.length;
  return weightedSpearman(orderingOf(a), orderingOf(b), new Uint8Array(n).fill(1), [
    new Float64Array(n),
    new Float64Array(n),
  ]);
}

/** Numbers of the m highest scores, highest first; of equal scores the earlier. */
export function topOf(scores: ArrayLike<number>, m: number): number[] {
  return Array.from({ length: scores.length }, (_, i) => i)
    .sort((a, b) => (scores[b] as number) - (scores[a] as number) || a - b)
    .slice(0, m);
}
