/**
 * A query on the basis, fast and exact: the gradient is written as a few signed bytes a number, and each of them goes over the int8 basis in
 * one exact integer scan. Nothing depends on the order of a sum, so the same gradient gives the same q on every machine and in any language.
 */
import type { Basis } from "./basis.ts";
import { createInt8Scan } from "./scan.ts";

/** Bytes a number: together 127 · 254² steps on either side of zero, as fine as a float32 beside the largest number. */
const digits = 3;
/** A digit's worth in the next lower one: half a step to either side fills the bytes ±127. */
const radix = 254;

/**
 * @returns a function from a raw gradient `[p]` to q, k integers in ±32,767, the largest coordinate being 32,767; all zero when the gradient is.
 *   It differs from `projectQuery`'s, whose sums are rounded, by the last unit at most.
 */
export function createProjection({ k, metric, scales, values }: Basis) {
  const p = metric.length;
  const scan = createInt8Scan({ rows: k, columns: p, row: (i) => values.subarray(i * p, (i + 1) * p) });
  return (gradient: Float32Array): Int16Array => {
    if (gradient.length !== p)
      throw new RangeError(`The gradient has ${gradient.length} numbers, the index was built for ${p}.`);
    const left = new Float64Array(p);
    let highest = 0;
    for (let j = 0; j < p; j++) {
      left[j] = Math.fround((gradient[j] as number) * (metric[j] as number));
      highest = Math.max(highest, Math.abs(left[j] as number));
    }
    if (!Number.isFinite(highest)) throw new RangeError("The query's gradient is not a number.");
    const coordinates = new Float64Array(k);
    if (highest === 0) return new Int16Array(k);
    const digit = new Int8Array(p);
    let unit = highest / 127;
    for (let j = 0; j < p; j++) left[j] = (left[j] as number) / unit;
    for (let d = 0; d < digits; d++) {
      for (let j = 0; j < p; j++) {
        const x = left[j] as number;
        const nearest = Math.round(x);
        digit[j] = nearest;
        left[j] = (x - nearest) * radix;
      }
      const sums = scan.scores(digit);
      for (let i = 0; i < k; i++) coordinates[i] = (coordinates[i] as number) + (sums[i] as number) * unit;
      unit /= radix;
    }
    let largest = 0;
    for (let i = 0; i < k; i++) {
      coordinates[i] = (coordinates[i] as number) * (scales[i] as number);
      largest = Math.max(largest, Math.abs(coordinates[i] as number));
    }
    if (!Number.isFinite(largest)) throw new RangeError("The query's gradient is not a number.");
    return Int16Array.from(coordinates, (x) => (largest === 0 ? 0 : Math.round((x / largest) * 32_767)));
  };
}
