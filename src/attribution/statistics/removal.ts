/**
 * Does a method find the right few? Its choice of examples is dropped, the model trained again, and the query's loss should rise: against
 * another method's choice (the tail-patch idea of Chang et al. 2024, arXiv 2410.17413, here by retraining).
 */
import { type BootstrapOptions, difference, overQueries, type QueryEstimate, ratio } from "./bootstrap.ts";

/** Numbers of the m highest scores, highest first; of equal scores the earlier. */
export function topOf(scores: ArrayLike<number>, m: number): number[] {
  return Array.from({ length: scores.length }, (_, i) => i)
    .sort((a, b) => (scores[b] as number) - (scores[a] as number) || a - b)
    .slice(0, m);
}

/** `[N]`, 0 for the given share of examples (rounded, at least one) with the highest scores. */
export function withoutTop(scores: ArrayLike<number>, share: number): Uint8Array {
  const kept = new Uint8Array(scores.length).fill(1);
  for (const i of topOf(scores, Math.max(1, Math.round(share * scores.length)))) kept[i] = 0;
  return kept;
}

export type TailPatch = {
  /** Rise of the loss, nats per target token. */
  readonly own: QueryEstimate;
  readonly other: QueryEstimate;
  readonly difference: QueryEstimate;
  /** How many times as much the own choice raises the loss. */
  readonly ratio: QueryEstimate;
};

/**
 * @param full `[Q]` losses of the model trained on everything
 * @param own `[Q]` losses of each query after its own top examples were dropped as one method chose them
 * @param other `[Q]` the same, as another method chose them
 */
export function tailPatch(
  full: ArrayLike<number>,
  own: ArrayLike<number>,
  other: ArrayLike<number>,
  options: BootstrapOptions = {},
): TailPatch {
  const rise = (losses: ArrayLike<number>) => {
    if (losses.length !== full.length)
      throw new RangeError(
        `There are losses of ${losses.length} queries, and ${full.length} to compare with.`,
      );
    return overQueries(
      Float64Array.from(losses, (loss, q) => loss - (full[q] as number)),
      options,
    );
  };
  const [a, b] = [rise(own), rise(other)];
  return { own: a, other: b, difference: difference(a, b), ratio: ratio(a, b) };
}
