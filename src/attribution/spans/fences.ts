/** The beginnings of every so-manieth suffix, kept in memory: most of a binary search needs no file. */

/** Coded bytes `[from, to)` to search for, then a byte `last`, which may be 256 to stand above all. */
export type Wanted = {
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
  readonly last: number;
};

/** Coded bytes of a suffix that are kept. */
export const fenceBytes = 32;
const fencesMax = 65_536;
const spacingMin = 256;

/**
 * @param count - suffixes
 * @param read - writes the first {@link fenceBytes} coded bytes of the suffix of a rank
 */
export function createFences(count: number, read: (rank: number, target: Uint8Array) => void) {
  const spacing = Math.max(spacingMin, Math.ceil(count / fencesMax));
  const fences = Math.ceil(count / spacing);
  const keys = new Uint8Array(fences * fenceBytes);
  for (let i = 0; i < fences; i++) read(i * spacing, keys.subarray(i * fenceBytes, (i + 1) * fenceBytes));

  /** Below 0 if the fence's suffix is below what is wanted, NaN if so few bytes cannot tell. */
  function compare(fence: number, { bytes, from, to, last }: Wanted): number {
    const key = fence * fenceBytes;
    const length = Math.min(fenceBytes, to - from);
    for (let i = 0; i < length; i++) {
      const difference = (keys[key + i] as number) - (bytes[from + i] as number);
      if (difference !== 0) return difference;
    }
    return to - from < fenceBytes ? (keys[key + length] as number) - last : Number.NaN;
  }

  /** How many of the fences, from the first, satisfy a condition that no later one does once one does not. */
  function countWhile(holds: (fence: number) => boolean): number {
    let low = 0;
    let high = fences;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (holds(middle)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  return {
    /** The ranks `[low, high]` among which the first suffix that is not below what is wanted must be. */
    narrow(wanted: Wanted): { low: number; high: number } {
      const below = countWhile((fence) => compare(fence, wanted) < 0);
      const notAbove = countWhile((fence) => !(compare(fence, wanted) >= 0));
      return {
        low: below === 0 ? 0 : (below - 1) * spacing + 1,
        high: notAbove === fences ? count : notAbove * spacing,
      };
    },
  };
}
