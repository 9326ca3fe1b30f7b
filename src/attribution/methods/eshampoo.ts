/** Shampoo with corrected eigenvalues: a Kronecker basis from the gradients alone. */
import { drawnRows, eigenvectors, kroneckerScores, tensorBatches } from "./kronecker.ts";
import type { Method } from "./method.ts";

/**
 * The basis is Shampoo's (Gupta et al. 2018, arXiv 1802.09568): eigenvectors of Σ F Fᵀ and of Σ Fᵀ F over gradients F `[out,in]` of one tensor,
 * labels drawn from the model. Correcting the eigenvalues in that basis is SOAP's step (Vyas et al. 2024, arXiv 2409.11321).
 */
export const eshampoo: Method = {
  name: "eshampoo",
  title: "Eigenvalue-corrected Shampoo, streaming",
  paper: "Gupta et al. 2018, arXiv 1802.09568",
  score: async (material, products, options = {}) => {
    const { sampled, width } = material;
    const drawn = drawnRows(material, options.samples);
    return kroneckerScores(
      material,
      products,
      async (segment) => {
        const [out, inp] = segment.shape;
        const rows = new Float64Array(out * out); // Σ F Fᵀ
        const columns = new Float64Array(inp * inp); // Σ Fᵀ F
        for (const { data, count } of tensorBatches(sampled, drawn.count, width, segment, drawn.at)) {
          const turned = transposeEach(data, count, out, inp);
          addTo(rows, await products.transposedTimes(turned, turned, out, out, count * inp));
          addTo(columns, await products.transposedTimes(data, data, inp, inp, count * out));
        }
        return { left: eigenvectors(rows, out), right: eigenvectors(columns, inp) };
      },
      options,
    );
  },
};

function addTo(sum: Float64Array, part: Float32Array): void {
  for (let i = 0; i < part.length; i++) sum[i] = (sum[i] as number) + (part[i] as number);
}

/** `[n,a,b]` → `[n,b,a]`. */
function transposeEach(x: Float32Array, n: number, a: number, b: number): Float32Array {
  const out = new Float32Array(x.length);
  for (let i = 0; i < n; i++)
    for (let r = 0; r < a; r++)
      for (let c = 0; c < b; c++) out[(i * b + c) * a + r] = x[(i * a + r) * b + c] as number;
  return out;
}
