/**
 * Curvature that is diagonal in a Kronecker-factored basis, one for each adapted matrix (George et al. 2018, arXiv 1806.03884): with
 * orthogonal U `[out,out]` and V `[in,in]`, and gradients as matrices G `[out,in]`,
 *
 *     G' = U G Vᵀ      Λ = mean over gradients with drawn labels of G'²      τ = Σ_tensors Σ G'_q · G'_i / (Λ + ρ · mean Λ)
 *
 * Gradients are read in batches, once to set Λ and once to score: linear in N, and no N × N matrix.
 */
import type { GradientSegment } from "../../engine/index.ts";
import { symmetricEigen } from "../eigen.ts";
import { columns } from "../influence.ts";
import type { Products } from "../linalg.ts";
import { type Material, MissingMaterialError, type ScoreOptions, sizes } from "./method.ts";

/** Orthonormal vectors, one a row. */
export type Eigenbasis = { readonly left: Float32Array; readonly right: Float32Array };

/** Gradients of one tensor rotated at once. */
const batchRows = 256;

/** Eigenvectors of a symmetric matrix `[n,n]`, one a row. */
export const eigenvectors = (matrix: Float64Array, n: number): Float32Array =>
  Float32Array.from(symmetricEigen(matrix, n).vectors);

/** Which rows of `sampled` are the first `samples` draws of each example. */
export function drawnRows(
  { samples: collected, sampled, width }: Material,
  samples = collected,
): { count: number; at: (i: number) => number } {
  if (!(samples >= 1 && samples <= collected))
    throw new MissingMaterialError(
      `Curvature from ${samples} drawn labels an example was asked for; ${collected} were collected.`,
    );
  const examples = sampled.length / width / collected;
  return {
    count: examples * samples,
    at: (i) => Math.floor(i / samples) * collected + (i % samples),
  };
}

/** One tensor's columns of some rows, batch after batch: `[count, out·in]`. */
export function* tensorBatches(
  rows: Float32Array,
  count: number,
  width: number,
  segment: GradientSegment,
  at: (i: number) => number = (i) => i,
): Generator<{ data: Float32Array; first: number; count: number }> {
  for (let first = 0; first < count; first += batchRows) {
    const some = Math.min(batchRows, count - first);
    yield { data: columns(rows, some, width, segment, undefined, (i) => at(first + i)), first, count: some };
  }
}

export async function kroneckerScores(
  material: Material,
  products: Products,
  basisOf: (segment: GradientSegment) => Eigenbasis | Promise<Eigenbasis>,
  { damping = 0.1, samples }: ScoreOptions,
): Promise<Float32Array> {
  const { segments, width, train, queries, sampled } = material;
  const { n, q } = sizes(material);
  const drawn = drawnRows(material, samples);
  const out = new Float32Array(q * n);
  for (const segment of segments) {
    const { length: w, shape } = segment;
    const { left, right } = await basisOf(segment);
    const rotate = (data: Float32Array, count: number) =>
      products.sandwich(data, left, right, count, shape[0], shape[1]);

    const eigenvalues = new Float64Array(w);
    for (const { data, count } of tensorBatches(sampled, drawn.count, width, segment, drawn.at)) {
      const rotated = await rotate(data, count);
      for (let i = 0; i < count; i++)
        for (let j = 0; j < w; j++)
          eigenvalues[j] = (eigenvalues[j] as number) + (rotated[i * w + j] as number) ** 2 / drawn.count;
    }
    const floor = (damping * eigenvalues.reduce((sum, x) => sum + x, 0)) / w + 1e-30;

    const y = await rotate(columns(queries, q, width, segment), q);
    for (let i = 0; i < y.length; i++) y[i] = (y[i] as number) / ((eigenvalues[i % w] as number) + floor);
    for (const { data, first, count } of tensorBatches(train, n, width, segment)) {
      const dots = await products.timesTransposed(y, await rotate(data, count), q, count, w);
      for (let a = 0; a < q; a++)
        for (let i = 0; i < count; i++)
          out[a * n + first + i] = (out[a * n + first + i] as number) + (dots[a * count + i] as number);
    }
  }
  return out;
}
