/**
 * Gradients as 512 numbers that keep their cosines: each coordinate is added, under a drawn sign, to one drawn place (the count sketch of
 * Charikar, Chen and Farach-Colton 2002). A cosine of .95 is found within ±.004 (one standard deviation, (1 − .95²)/√512).
 */
import type { Adapter, createGradients, Sequence } from "../../engine/index.ts";
import { mixBits } from "../../protocol/index.ts";
import { applyMetric } from "../influence.ts";

export const sketchWidth = 512;

/** A signature is 1,024 bits, 16 to a band's key. */
export const sketchBands = 64;
const bandBits = 16;

/** @returns unit rows `[N, 512]` of rows `[N, p]`; 0 for a row of zeros */
export function sketchRows(rows: Float32Array, width: number): Float32Array {
  const count = rows.length / width;
  const out = new Float32Array(count * sketchWidth);
  for (let j = 0; j < width; j++) {
    const h = mixBits(j + 1);
    const place = h % sketchWidth;
    const sign = h >>> 31 === 0 ? 1 : -1;
    for (let i = 0; i < count; i++) {
      const at = i * sketchWidth + place;
      out[at] = (out[at] as number) + sign * (rows[i * width + j] as number);
    }
  }
  for (let i = 0; i < count; i++) {
    const row = out.subarray(i * sketchWidth, (i + 1) * sketchWidth);
    const norm = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0));
    if (norm > 0) for (let j = 0; j < sketchWidth; j++) row[j] = (row[j] as number) / norm;
  }
  return out;
}

/**
 * The sketches of examples' gradients in the index's metric, a few rows at a time.
 *
 * @param representatives whoever repeats another's text has no sketch
 */
export async function sketchExamples(
  gradients: Awaited<ReturnType<typeof createGradients>>,
  adapter: Adapter,
  sequences: readonly Sequence[],
  metric: Float32Array,
  representatives?: ArrayLike<number>,
): Promise<Float32Array> {
  const out = new Float32Array(sequences.length * sketchWidth);
  const alone = [...sequences.keys()].filter((i) => (representatives?.[i] ?? i) === i);
  const chunk = 64;
  for (let start = 0; start < alone.length; start += chunk) {
    const numbers = alone.slice(start, start + chunk);
    const { data } = await gradients.rows(
      adapter,
      numbers.map((i) => sequences[i] as Sequence),
    );
    applyMetric(data, metric);
    const sketches = sketchRows(data, gradients.width);
    for (const [at, i] of numbers.entries())
      out.set(sketches.subarray(at * sketchWidth, (at + 1) * sketchWidth), i * sketchWidth);
  }
  return out;
}

/** The signs of two rotations (drawn signs, then a Hadamard transform) of a sketch: `[64]`, 16 bits each, which are the bands' keys. */
export function signatureOf(sketch: Float32Array): Uint16Array {
  const signature = new Uint16Array(sketchBands);
  for (let first = 0; first < sketchBands * bandBits; first += sketchWidth) {
    const x = Float64Array.from(sketch, (value, i) =>
      mixBits(sketchWidth + first + i) >>> 31 === 0 ? value : -value,
    );
    for (let half = 1; half < sketchWidth; half *= 2)
      for (let block = 0; block < sketchWidth; block += 2 * half)
        for (let i = block; i < block + half; i++) {
          const [a, b] = [x[i] as number, x[i + half] as number];
          x[i] = a + b;
          x[i + half] = a - b;
        }
    for (let i = 0; i < sketchWidth; i++) {
      const band = Math.floor((first + i) / bandBits);
      signature[band] = (signature[band] as number) * 2 + ((x[i] as number) >= 0 ? 1 : 0);
    }
  }
  return signature;
}

const ones = new Uint8Array(65_536);
for (let i = 1; i < ones.length; i++) ones[i] = (ones[i >> 1] as number) + (i & 1);

/**
 * Whether the first 256 bits leave a cosine of .95 possible. Two bits differ with probability angle/π (Goemans and Williamson 1995), .101 at
 * .95: 26 ± 5 of 256. Unrelated rows differ in 128.
 *
 * @param signatures of many rows, one after another; @param at where the other row's begins
 */
export function mayBeClose(signature: Uint16Array, signatures: Uint16Array, at: number): boolean {
  let differing = 0;
  for (let i = 0; i < 16; i++)
    differing += ones[(signature[i] as number) ^ (signatures[at + i] as number)] as number;
  return differing <= 50;
}

/** Inner product of unit rows i and j. */
export function cosineOf(sketches: Float32Array, i: number, j: number): number {
  let sum = 0;
  for (let k = 0; k < sketchWidth; k++)
    sum += (sketches[i * sketchWidth + k] as number) * (sketches[j * sketchWidth + k] as number);
  return sum;
}
