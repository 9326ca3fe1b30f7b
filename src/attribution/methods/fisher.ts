/** The empirical Fisher matrix, exactly inverted. */
import { dualScores } from "./dual.ts";
import type { Method } from "./method.ts";

/**
 * τ = g_qᵀ (Σ_j g_j g_jᵀ / N + λI)⁻¹ g_i, one block a layer: the influence function (Koh and Liang 2017, arXiv 1703.04730) with the Hessian
 * replaced by the outer products of the examples' own gradients, as TRAK does after projecting (Park et al. 2023, arXiv 2303.14186).
 * Labels of the data make it the *empirical* Fisher, with the limits that Kunstner et al. describe (2019, arXiv 1905.12558).
 */
export const fisher: Method = {
  name: "fisher",
  title: "Empirical Fisher, per layer",
  paper: "Kunstner et al. 2019, arXiv 1905.12558",
  score: (material, products, options = {}) =>
    dualScores(material, products, "data", { damping: 0.3, block: "layer", metric: false, ...options }),
};
