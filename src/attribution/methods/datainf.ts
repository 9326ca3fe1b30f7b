/** DataInf: an inverse in closed form, by exchanging sum and inverse. */
import { columns } from "../influence.ts";
import { type Method, sizes } from "./method.ts";

/**
 * Kwon et al. 2023, arXiv 2310.00902, equation 5: for each tensor of w numbers, (Σ_j (g_j g_jᵀ + λI) / N)⁻¹ is taken to be
 * Σ_j (g_j g_jᵀ + λI)⁻¹ / N, whose terms Sherman and Morrison's formula inverts:
 *
 *     τ = Σ_tensors (g_q·g_i − (1/N) Σ_j (g_q·g_j)(g_j·g_i) / (λ + ‖g_j‖²)) / λ,      λ = 0.1 · Σ_j ‖g_j‖² / (N w)
 */
export const datainf: Method = {
  name: "datainf",
  title: "DataInf",
  paper: "Kwon et al. 2023, arXiv 2310.00902",
  async score({ segments, width, train, queries }, products, { damping = 0.1 } = {}) {
    const { n, q } = sizes({ train, queries, width });
    const out = new Float32Array(q * n);
    for (const segment of segments) {
      const w = segment.length;
      const x = columns(train, n, width, segment);
      const y = columns(queries, q, width, segment);
      const squares = Float64Array.from({ length: n }, (_, j) =>
        x.subarray(j * w, (j + 1) * w).reduce((sum, v) => sum + v * v, 0),
      );
      const lambda = (damping * squares.reduce((sum, v) => sum + v, 0)) / n / w + 1e-30;
      const dots = await products.timesTransposed(y, x, q, n, w);
      const weights = dots.map((dot, i) => dot / n / (lambda + (squares[i % n] as number)));
      // Σ_j weight_qj g_j first: Q rows of w numbers instead of the N × N products of all examples.
      const mixed = await products.times(weights, x, q, w, n);
      const explained = await products.timesTransposed(mixed, x, q, n, w);
      for (let i = 0; i < out.length; i++)
        out[i] = (out[i] as number) + ((dots[i] as number) - (explained[i] as number)) / lambda;
    }
    return out;
  },
};
