/** A seeded random rotation: signs are flipped, then a Walsh–Hadamard transform spreads every coordinate over all of them. */
import { createRandom } from "../engine/index.ts";

/** The next power of two: what rows of p numbers are padded to. */
export const rotatedLength = (p: number): number => 2 ** Math.ceil(Math.log2(Math.max(1, p)));

/**
 * Lengths and inner products stay as they are, and coordinates become alike whatever the row was (Ailon and Chazelle 2009, "The fast
 * Johnson–Lindenstrauss transform"). Only sums and differences in float64 and one factor: the same on every machine.
 *
 * @param p numbers in a row
 * @returns the first `dimensions` coordinates of a rotated row
 */
export function createRotation(
  p: number,
  dimensions: number,
  seed: number,
): (row: Float32Array) => Float64Array {
  const length = rotatedLength(p);
  if (dimensions > length)
    throw new RangeError(`A row of ${p} numbers rotates to ${length}, not ${dimensions}.`);
  const random = createRandom(seed, 44);
  const signs = Int8Array.from({ length: p }, () => (random.below(2) === 0 ? 1 : -1));
  const x = new Float64Array(length);
  const factor = 1 / Math.sqrt(length);
  return (row) => {
    if (row.length !== p) throw new RangeError(`The row has ${row.length} numbers; expected ${p}.`);
    for (let i = 0; i < p; i++) x[i] = (row[i] as number) * (signs[i] as number);
    x.fill(0, p);
    for (let half = 1; half < length; half *= 2)
      for (let start = 0; start < length; start += 2 * half)
        for (let i = start; i < start + half; i++) {
          const a = x[i] as number;
          const b = x[i + half] as number;
          x[i] = a + b;
          x[i + half] = a - b;
        }
    return Float64Array.from({ length: dimensions }, (_, i) => (x[i] as number) * factor);
  };
}
