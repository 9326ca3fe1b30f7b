/** The Fisher matrix from labels drawn from the model, in the metric of Adam: the default. */
import { dualScores } from "./dual.ts";
import type { Method } from "./method.ts";

/**
 * τ = g_qᵀ D^−½ (Σ_j f_j f_jᵀ / n + λI)⁻¹ D^−½ g_i, one block a layer. f_j = D^−½ ∇ℓ with labels drawn from the model, s of them an example:
 * their outer products estimate the true Fisher matrix (Martens 2014, arXiv 1412.1193, section 5), and its rank grows with s.
 * D = √v̂ + 0.1 · mean(√v̂) from Adam's second moment (Kingma and Ba 2014, arXiv 1412.6980) is the geometry that training itself moved in.
 */
export const adamfisher: Method = {
  name: "adamfisher",
  title: "Label-sampled Fisher in Adam's metric, per layer",
  paper: "Martens 2014, arXiv 1412.1193",
  score: (material, products, options = {}) =>
    dualScores(material, products, "model", { damping: 0.5, block: "layer", metric: true, ...options }),
};
