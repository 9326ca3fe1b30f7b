/**
 * Whose examples made this output more likely: influence rows by a label-sampled Fisher in Adam's metric.
 *
 * With θ the adapter, g_i = ∇ℓ(z_i) and g_q the query's gradient, the first-order change of the query's loss when example i is left out is
 * g_qᵀ H⁻¹ g_i (Koh and Liang 2017, arXiv 1703.04730). H is taken as the Fisher matrix F = (1/n) Σ f fᵀ over gradients f with labels
 * *drawn from the model* (Martens 2014, arXiv 1412.1193), damped by λ, one block per layer, in coordinates scaled by
 * D^−½ with D = √v̂ + 0.1 · mean(√v̂) from Adam's second moment. By Woodbury's identity, with the n sampled gradients as rows of F,
 *
 *     (FᵀF/n + λI)⁻¹ = (I − Fᵀ (FFᵀ + nλI)⁻¹ F) / λ,      λ = ρ · tr(FFᵀ) / n / min(n, p_layer)
 *
 * so nothing of size p × p is ever formed. Scores are linear: a contributor's row is the sum of its examples' rows, and only those sums
 * are solved for.
 */
import type { GradientSegment } from "../engine/index.ts";
import { addGram, factorPositiveDefinite, type Products, solveFactored } from "./linalg.ts";

/** One layer's columns of a row of length p. */
export type LayerBlock = { readonly offset: number; readonly length: number };

export function layerBlocks(segments: readonly GradientSegment[]): LayerBlock[] {
  const blocks = new Map<number, { offset: number; length: number }>();
  for (const { layer, offset, length } of segments) {
    const block = blocks.get(layer);
    if (block === undefined) blocks.set(layer, { offset, length });
    else block.length += length;
  }
  return [...blocks.values()];
}

/**
 * The diagonal metric D^−½, `[p]`.
 *
 * @param secondMoments Adam's v by tensor name, in the shape that was trained: a column of B that was added to read along (`widenAdapter`), which
 *   no step has seen, takes the mean of its row's
 * @param correction 1 − β₂^steps
 */
export function adamMetric(
  segments: readonly GradientSegment[],
  width: number,
  secondMoments: (name: string) => Float32Array,
  correction: number,
): Float32Array {
  const root = new Float64Array(width);
  for (const { name, offset, length, shape } of segments) {
    const v = widened(secondMoments(name), name, shape);
    for (let i = 0; i < length; i++) root[offset + i] = Math.sqrt((v[i] as number) / correction);
  }
  const mean = root.reduce((sum, x) => sum + x, 0) / width;
  return Float32Array.from(root, (x) => 1 / Math.sqrt(x + 0.1 * mean + 1e-20));
}

function widened(v: Float32Array, name: string, [rows, columns]: readonly [number, number]): Float32Array {
  const length = rows * columns;
  if (v.length === length) return v;
  const own = v.length / rows;
  if (!name.endsWith(".lora_B") || !Number.isInteger(own) || own > columns)
    throw new RangeError(`The second moment of ${name} has ${v.length} values, its gradient ${length}.`);
  const wide = new Float32Array(length);
  for (let i = 0; i < rows; i++) {
    const known = v.subarray(i * own, (i + 1) * own);
    wide.fill(known.reduce((sum, x) => sum + x, 0) / own, i * columns, (i + 1) * columns);
    wide.set(known, i * columns);
  }
  return wide;
}

/** Multiplies every row by the metric, in place. */
export function applyMetric(rows: Float32Array, metric: Float32Array): void {
  const p = metric.length;
  for (let at = 0; at < rows.length; at += p)
    for (let j = 0; j < p; j++) rows[at + j] = (rows[at + j] as number) * (metric[j] as number);
}

/**
 * Some columns of a row-major matrix `[·,width]`, as a matrix of their own.
 *
 * @param at which row of the matrix is row i of the result
 * @param metric multiplies each column, when given; `[width]`
 */
export function columns(
  rows: Float32Array,
  count: number,
  width: number,
  { offset, length }: LayerBlock,
  metric?: Float32Array,
  at: (i: number) => number = (i) => i,
): Float32Array {
  const out = new Float32Array(count * length);
  const scale = metric?.subarray(offset, offset + length);
  for (let i = 0; i < count; i++) {
    const from = rows.subarray(at(i) * width + offset, at(i) * width + offset + length);
    if (scale === undefined) out.set(from, i * length);
    else for (let j = 0; j < length; j++) out[i * length + j] = (from[j] as number) * (scale[j] as number);
  }
  return out;
}

/** λ: ρ times the mean non-zero eigenvalue of FᵀF/n, from the Gram matrix FFᵀ `[n,n]` of rows of length w. */
export function dampingOf(gram: Float64Array, n: number, w: number, damping: number): number {
  let trace = 0;
  for (let i = 0; i < n; i++) trace += gram[i * n + i] as number;
  return (damping * trace) / n / Math.min(n, w) + 1e-30;
}

/**
 * H⁻¹ of one layer, in scaled coordinates, ready for any number of rows.
 *
 * @param f `[n,w]`, this layer's columns of scaled gradients with drawn labels; held as long as the result is
 * @param damping ρ
 * @returns what applies it to rows `[m,w]`; the rows are left as they are
 */
export async function invertLayer(
  products: Products,
  f: Float32Array,
  n: number,
  w: number,
  damping: number,
): Promise<(rows: Float32Array, m: number) => Promise<Float32Array>> {
  const gram = new Float64Array(n * n);
  await addGram(products, gram, f, n, w);
  const lambda = dampingOf(gram, n, w, damping);
  for (let i = 0; i < n; i++) gram[i * n + i] = (gram[i * n + i] as number) + n * lambda;
  await factorPositiveDefinite(products, gram, n);
  return async (rows, m) => {
    const right = Float64Array.from(await products.timesTransposed(rows, f, m, n, w)); // [m,n]
    await solveFactored(products, gram, n, right, m);
    const out = await products.times(Float32Array.from(right), f, m, w, n); // what F explains, [m,w]
    for (let i = 0; i < out.length; i++) out[i] = ((rows[i] as number) - (out[i] as number)) / lambda;
    return out;
  };
}

/**
 * H⁻¹ applied to rows: in scaled coordinates in, in scaled coordinates out.
 *
 * @param rows `[m,p]`, scaled by the metric; the sums of contributors' gradients, for instance
 * @param fisher `[n,p]`, scaled gradients with drawn labels
 * @param damping ρ
 */
export async function invertFisher(
  products: Products,
  rows: Float32Array,
  m: number,
  fisher: Float32Array,
  n: number,
  width: number,
  blocks: readonly LayerBlock[],
  damping: number,
): Promise<Float32Array> {
  const out = new Float32Array(m * width);
  for (const { offset, length } of blocks) {
    const invert = await invertLayer(
      products,
      columns(fisher, n, width, { offset, length }),
      n,
      length,
      damping,
    );
    const solved = await invert(columns(rows, m, width, { offset, length }), m);
    for (let i = 0; i < m; i++) out.set(solved.subarray(i * length, (i + 1) * length), i * width + offset);
  }
  return out;
}
