/**
 * Sorted parts become one, by a tree of losers that knows common prefixes (Bingmann, Eberle and Sanders, "Engineering Parallel String
 * Sorting", Algorithmica 2017, section 5): what two suffixes have in common is compared once, so repetitive text costs no more than any other.
 */
import { type Pages, readWhole } from "./pages.ts";
import { codes } from "./words.ts";

/** Suffixes are told apart by so many bytes, or up to the end of their text; what is searched for is no longer. */
export const depthMax = 65_535;

/** A sorted run: positions in one file, and in another how many bytes each suffix shares with the one before it, at most {@link depthMax}. */
export type Run = {
  readonly positions: number;
  readonly common: number;
  /** Of the first one, in positions. */
  readonly offset: number;
  readonly count: number;
};

/**
 * Merges runs.
 *
 * @param text - the coded text that positions point into
 * @param bufferBytes - memory for reading the runs, all together
 * @param write - takes the merged positions, a piece at a time; the piece is used again afterwards
 */
export function mergeRuns(
  text: Pages,
  runs: readonly Run[],
  bufferBytes: number,
  write: (positions: Uint32Array) => void,
): void {
  const size = 2 ** Math.ceil(Math.log2(Math.max(1, runs.length)));
  const readers = runs.map((run) =>
    openReader(run, Math.max(256, Math.floor(bufferBytes / 6 / runs.length))),
  );
  const exhausted = -1;
  /** By run: its head, and how many bytes that shares with the position written last. */
  const heads = new Float64Array(size).fill(exhausted);
  const common = new Uint16Array(size);
  /** Node 1 is the root, its children 2 and 3; a node holds the run that lost there. */
  const losers = new Int32Array(size);

  function take(run: number): void {
    const reader = readers[run];
    heads[run] = exhausted;
    if (reader === undefined || !reader.next()) return;
    heads[run] = reader.position();
    common[run] = reader.common();
  }

  /** @returns the run that comes first; the other one's `common` is then with the first one's head */
  function play(a: number, b: number): number {
    if (heads[a] === exhausted) return b;
    if (heads[b] === exhausted) return a;
    // Both are above what was written last: whichever shares more with it comes first.
    const shared = common[a] as number;
    if (shared !== common[b]) return shared > (common[b] as number) ? a : b;
    const { depth, difference } = compareFrom(text, heads[a] as number, heads[b] as number, shared);
    const [first, second] = difference <= 0 ? [a, b] : [b, a];
    common[second] = depth;
    return first;
  }

  function build(node: number): number {
    if (node >= size) {
      take(node - size);
      return node - size;
    }
    const a = build(2 * node);
    const b = build(2 * node + 1);
    const first = play(a, b);
    losers[node] = first === a ? b : a;
    return first;
  }

  let winner = build(1);
  const out = new Uint32Array(65_536);
  let filled = 0;
  while (heads[winner] !== exhausted) {
    out[filled++] = heads[winner] as number;
    if (filled === out.length) {
      write(out);
      filled = 0;
    }
    take(winner);
    for (let node = (winner + size) >> 1; node > 0; node >>= 1) {
      const loser = losers[node] as number;
      const first = play(winner, loser);
      if (first === winner) continue;
      losers[node] = winner;
      winner = first;
    }
  }
  if (filled > 0) write(out.subarray(0, filled));
}

/** Compares two suffixes that share `depth` bytes. Those that are equal up to the end of their texts share {@link depthMax}. */
function compareFrom(
  text: Pages,
  a: number,
  b: number,
  depth: number,
): { depth: number; difference: number } {
  const { memory, pageBytes } = text;
  while (depth < depthMax) {
    let x = text.at(a + depth);
    let y = text.at(b + depth, x);
    const until =
      depth +
      Math.min(pageBytes - (x & (pageBytes - 1)), pageBytes - (y & (pageBytes - 1)), depthMax - depth);
    for (; depth < until; depth++, x++, y++) {
      const byte = memory[x] as number;
      const difference = byte - (memory[y] as number);
      if (difference !== 0) return { depth, difference };
      if (byte === codes.end) return { depth: depthMax, difference: a - b };
    }
  }
  return { depth: depthMax, difference: a - b };
}

/** Reads a run from beginning to end. */
function openReader({ positions, common, offset, count }: Run, bufferLength: number) {
  const length = Math.min(bufferLength, Math.max(1, count));
  const places = new Uint32Array(length);
  const shared = new Uint16Array(length);
  let read = 0;
  let at = -1;
  let held = 0;
  return {
    /** @returns false at the end */
    next(): boolean {
      at++;
      if (at < held) return true;
      if (read === count) return false;
      held = Math.min(length, count - read);
      readWhole(positions, new Uint8Array(places.buffer), 0, 4 * held, 4 * (offset + read));
      readWhole(common, new Uint8Array(shared.buffer), 0, 2 * held, 2 * (offset + read));
      read += held;
      at = 0;
      return true;
    },
    position: () => places[at] as number,
    common: () => shared[at] as number,
  };
}
