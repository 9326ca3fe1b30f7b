/**
 * Keys and values of every open row, one array a layer and part, `[rows, K, capacity, h]`. Rows are contiguous and every row has the same
 * capacity, so a run reads the first rows without a copy. The capacity follows the longest row in steps of 64 positions, in place: the
 * memory is reserved once and only touched as far as it is used.
 */
import type { ModelConfig } from "./config.ts";

const bucket = 64;

/** Bytes of `positions` positions of one row, all layers. */
export const cacheBytes = (config: ModelConfig, positions: number): number =>
  2 * config.layers * config.kvHeads * config.headDim * 4 * Math.ceil(positions / bucket) * bucket;

export type KvCache = ReturnType<typeof createKvCache>;

/**
 * @param maxLength longest row, positions
 * @param fixed the capacity is always the largest: every run has the same shapes
 */
export function createKvCache(config: ModelConfig, maxRows: number, maxLength: number, fixed: boolean) {
  const { kvHeads: K, headDim: h, layers } = config;
  const largest = Math.ceil(maxLength / bucket) * bucket;
  const parts = Array.from({ length: layers * 2 }, () => new Float32Array(maxRows * K * largest * h));
  const lengths: number[] = [];
  /** When each row was last written: a number that never comes again. */
  const written = new Array<number>(maxRows).fill(0);
  let clock = 0;
  let capacity = fixed ? largest : bucket;
  const stride = () => K * capacity * h; // floats of one row in one part

  /** Lays rows out anew for another capacity; what a row has not filled is zero afterwards. */
  function layOut(next: number): void {
    if (next === capacity) return;
    const lines = lengths.length * K;
    for (const part of parts)
      for (let i = 0; i < lines; i++) {
        const line = next > capacity ? lines - 1 - i : i; // never over a line that is still to be moved
        const used = (lengths[Math.floor(line / K)] as number) * h;
        part.copyWithin(line * next * h, line * capacity * h, line * capacity * h + used);
        part.fill(0, line * next * h + used, (line + 1) * next * h);
      }
    capacity = next;
  }

  const longest = () => lengths.reduce((most, length) => Math.max(most, length), 0);
  const rounded = (positions: number) => Math.max(bucket, Math.ceil(positions / bucket) * bucket);

  return {
    lengths: lengths as readonly number[],
    get capacity() {
      return capacity;
    },
    /** Opens an empty row at the end. Zeros it: what is left there is masked, but 0 × NaN is NaN. */
    open(): void {
      const row = lengths.length;
      lengths.push(0);
      written[row] = ++clock;
      for (const part of parts) part.fill(0, row * stride(), (row + 1) * stride());
    },
    /** Makes room for rows of `positions`. */
    reserve(positions: number): void {
      if (positions > capacity) layOut(Math.min(rounded(positions), largest));
    },
    /** Stands for what {@link KvCache.view} shows of rows [first, first + count): the same again while that is the same. */
    tag: (first: number, count: number): readonly unknown[] => [
      capacity,
      ...written.slice(first, first + count),
    ],
    /** The cached positions of rows [first, first + count) in one part (layer · 2 for keys, + 1 for values). */
    view(part: number, first: number, count: number): Float32Array {
      return (parts[part] as Float32Array).subarray(first * stride(), (first + count) * stride());
    },
    /**
     * Appends to one part of a row.
     *
     * @param fresh `[K, S, h]` at `offset`, of which the first `count` positions are taken
     */
    append(part: number, row: number, fresh: Float32Array, offset: number, S: number, count: number): void {
      const past = lengths[row] as number;
      const into = parts[part] as Float32Array;
      for (let head = 0; head < K; head++) {
        const from = offset + head * S * h;
        into.set(fresh.subarray(from, from + count * h), row * stride() + (head * capacity + past) * h);
      }
    },
    /** Counts appended positions, once all parts have them. */
    advance(row: number, count: number): void {
      lengths[row] = (lengths[row] as number) + count;
      written[row] = ++clock;
    },
    /** A copy of positions [from, to) of a row, all parts: `[layers · 2, K, to − from, h]`. */
    read(row: number, from: number, to: number): Float32Array {
      const width = (to - from) * h;
      const copy = new Float32Array(parts.length * K * width);
      for (const [i, part] of parts.entries())
        for (let head = 0; head < K; head++) {
          const start = row * stride() + (head * capacity + from) * h;
          copy.set(part.subarray(start, start + width), (i * K + head) * width);
        }
      return copy;
    },
    /** Appends blocks of `count` positions as {@link KvCache.read} returned them. Room is made once: it moves every row. */
    write(row: number, blocks: readonly Float32Array[], count: number): void {
      this.reserve((lengths[row] as number) + blocks.length * count);
      for (const block of blocks) {
        for (let part = 0; part < parts.length; part++)
          this.append(part, row, block, part * K * count * h, count, count);
        this.advance(row, count);
      }
    },
    /** Gives row `to` what row `from` has taken in; its other positions become zero. */
    copy(from: number, to: number): void {
      if (from === to) return;
      const size = (lengths[from] as number) * h;
      const before = (lengths[to] as number) * h;
      for (const part of parts)
        for (let head = 0; head < K; head++) {
          const source = from * stride() + head * capacity * h;
          const target = to * stride() + head * capacity * h;
          part.copyWithin(target, source, source + size);
          part.fill(0, target + size, target + Math.max(size, before));
        }
      lengths[to] = lengths[from] as number;
      written[to] = ++clock;
    },
    /** Exchanges two rows. */
    swap(a: number, b: number): void {
      if (a === b) return;
      const size = Math.max(lengths[a] as number, lengths[b] as number) * h;
      for (const part of parts)
        for (let head = 0; head < K; head++) {
          const atA = a * stride() + head * capacity * h;
          const atB = b * stride() + head * capacity * h;
          const held = part.slice(atA, atA + size);
          part.copyWithin(atA, atB, atB + size);
          part.set(held, atB);
        }
      const length = lengths[a] as number;
      lengths[a] = lengths[b] as number;
      lengths[b] = length;
      written[a] = ++clock;
      written[b] = ++clock;
    },
    /** Closes the last row, and lets the capacity shrink once no row needs half of it. */
    close(): void {
      lengths.pop();
      if (!fixed && rounded(longest()) * 2 <= capacity) layOut(rounded(longest()));
    },
  };
}
