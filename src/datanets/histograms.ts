/** How the rows of a version's split are spread: by length, language and contributor. */
import type { Address } from "../protocol/index.ts";
import type { RowFacts } from "./row-facts.ts";

/** Rows from `from` up to `to` tokens, both included; without an upper end, from `from` on. */
export type TokenBar = { readonly from: number; readonly to: number | null; readonly rows: number };

export type Histograms = {
  readonly total: number;
  /** How many of them have a length and a language; the others are beyond what is looked at. */
  readonly looked: number;
  /** Shortest first; empty where nobody counts tokens. */
  readonly tokens: readonly TokenBar[];
  /** Most first; null for those whose language cannot be told. */
  readonly languages: readonly { readonly language: string | null; readonly rows: number }[];
  /** Most rows first, at most 20 of `contributorCount`. */
  readonly contributors: readonly { readonly contributor: Address; readonly rows: number }[];
  readonly contributorCount: number;
};

const barsMax = 12;
const contributorsShown = 20;

/** The least of 1, 2, 5, 10, 20, … that is no less. */
function roundUp(value: number): number {
  for (let power = 1; ; power *= 10)
    for (const step of [1, 2, 5]) if (step * power >= value) return step * power;
}

/**
 * Bars of equal width, at most twelve, from the shortest to all but the longest hundredth of the rows, whose bar has no upper end: a few very long
 * rows would else press all others into one bar.
 */
export function tokenBars(tokens: Uint32Array): TokenBar[] {
  if (tokens.length === 0) return [];
  const sorted = tokens.slice().sort();
  const [least, most] = [sorted[0]!, sorted.at(-1)!];
  const usual = sorted[Math.ceil(0.99 * sorted.length) - 1]!;
  const step = roundUp((usual - least + 1) / (barsMax - 2));
  const first = Math.floor(least / step) * step;
  const closed = Math.floor((usual - first) / step) + 1;
  const rows = new Array<number>(closed + 1).fill(0);
  for (const length of tokens) rows[Math.min(closed, Math.floor((length - first) / step))]! += 1;
  const bars = rows.map((rows, bar) => ({
    from: first + bar * step,
    to: bar === closed ? null : first + (bar + 1) * step - 1,
    rows,
  }));
  return most < first + closed * step ? bars.slice(0, closed) : bars;
}

function counted<Key>(keys: Iterable<Key>): [Key, number][] {
  const counts = new Map<Key, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return [...counts].sort(([a, x], [b, y]) => y - x || (String(a) < String(b) ? -1 : 1));
}

export function histogramsOf(
  rows: readonly { readonly contributor: Address }[],
  { tokens, languages, looked }: RowFacts,
): Histograms {
  const contributors = counted(rows.map(({ contributor }) => contributor));
  return {
    total: rows.length,
    looked,
    tokens: tokens ? tokenBars(tokens.subarray(0, looked)) : [],
    languages: counted(languages).map(([language, rows]) => ({ language: language ?? null, rows })),
    contributors: contributors
      .slice(0, contributorsShown)
      .map(([contributor, rows]) => ({ contributor, rows })),
    contributorCount: contributors.length,
  };
}
