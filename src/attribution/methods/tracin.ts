/** TracIn: Grad-Dot, summed over the states that training went through. */
import { type Method, MissingMaterialError, sizes } from "./method.ts";

/** Pruthi et al. 2020, arXiv 2002.08484, equation 1 ("TracInCP"): τ = Σ_t η_t g_q(θ_t)·g_i(θ_t), with η_t the learning rate at checkpoint t. */
export const tracin: Method = {
  name: "tracin",
  title: "TracIn over checkpoints",
  paper: "Pruthi et al. 2020, arXiv 2002.08484",
  async score({ train, queries, width, checkpoints }, products) {
    if (checkpoints.length === 0)
      throw new MissingMaterialError(
        "TracIn sums over checkpoints and none were collected. Grad-Dot is TracIn at the final state.",
      );
    const { n, q } = sizes({ train, queries, width });
    const out = new Float32Array(q * n);
    for (const state of checkpoints) {
      const dots = await products.timesTransposed(state.queries, state.train, q, n, width);
      for (let i = 0; i < out.length; i++)
        out[i] = (out[i] as number) + state.learningRate * (dots[i] as number);
    }
    return out;
  },
};
