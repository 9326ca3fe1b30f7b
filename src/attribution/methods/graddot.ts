/** Grad-Dot, the plain gradient baseline. */
import type { Adapter, createGradients, Sequence } from "../../engine/index.ts";
import { createProducts } from "../linalg.ts";
import { type Method, sizes } from "./method.ts";

/** τ = g_q·g_i: TracIn at the final checkpoint (Pruthi et al. 2020, arXiv 2002.08484), with neither metric nor curvature. */
export const graddot: Method = {
  name: "graddot",
  title: "Grad-Dot",
  paper: "Pruthi et al. 2020, arXiv 2002.08484",
  async score({ train, queries, width }, products) {
    const { n, q } = sizes({ train, queries, width });
    return products.timesTransposed(queries, train, q, n, width);
  },
};

/**
 * Grad-Dot by contributor without keeping any example's gradient.
 *
 * @param contributorOf each example's contributor, 0 … contributors − 1
 * @returns `[queries][contributors]`: each contributor's summed gradient times the query's
 */
export async function gradDot(
  gradients: Awaited<ReturnType<typeof createGradients>>,
  adapter: Adapter,
  examples: readonly Sequence[],
  contributorOf: readonly number[],
  contributors: number,
  queries: readonly Sequence[],
  threads: number,
): Promise<number[][]> {
  const p = gradients.width;
  const sums = new Float32Array(contributors * p);
  for (let start = 0; start < examples.length; start += 64) {
    const part = examples.slice(start, start + 64);
    const { data } = await gradients.rows(adapter, part);
    part.forEach((_, i) => {
      const at = (contributorOf[start + i] as number) * p;
      for (let j = 0; j < p; j++) sums[at + j] = (sums[at + j] as number) + (data[i * p + j] as number);
    });
  }
  const { data } = await gradients.rows(adapter, queries);
  const products = await createProducts(threads);
  const scores = await products.timesTransposed(data, sums, queries.length, contributors, p);
  return queries.map((_, q) => Array.from(scores.subarray(q * contributors, (q + 1) * contributors)));
}
