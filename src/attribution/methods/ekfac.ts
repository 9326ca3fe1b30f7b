/** EK-FAC: Kronecker factors of activations and of output gradients, with corrected eigenvalues. */
import { eigenvectors, kroneckerScores } from "./kronecker.ts";
import { type Method, MissingMaterialError } from "./method.ts";

/**
 * Grosse et al. 2023, arXiv 2308.03296, equations 16 to 20: the Fisher matrix of a layer y = Wx is taken to be E[x xᵀ] ⊗ E[δ δᵀ] over tokens
 * (Martens and Grosse 2015, arXiv 1503.05671). Their eigenvectors are the basis; the eigenvalues are set anew from per-example gradients.
 * Each half of an adapter is a layer: x ↦ A x, then A x ↦ s B (A x).
 */
export const ekfac: Method = {
  name: "ekfac",
  title: "EK-FAC",
  paper: "Grosse et al. 2023, arXiv 2308.03296",
  score: async (material, products, options = {}) =>
    kroneckerScores(
      material,
      products,
      ({ name, shape: [out, inp] }) => {
        const factors = material.factors.find((own) => own.name === name);
        if (factors === undefined)
          throw new MissingMaterialError(`The Kronecker factors of ${name} were not collected.`);
        return { left: eigenvectors(factors.gradients, out), right: eigenvectors(factors.inputs, inp) };
      },
      options,
    ),
};
