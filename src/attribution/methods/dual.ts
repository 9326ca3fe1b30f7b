/**
 * Scores under a damped Fisher matrix, in dual form: with n gradients f as rows of F `[n,w]`, and λ = ρ · tr(FFᵀ) / n / min(n, w),
 *
 *     τ = g_qᵀ (FᵀF/n + λI)⁻¹ g_i = (g_q·g_i − (F g_q)ᵀ (FFᵀ + nλI)⁻¹ (F g_i)) / λ          (Woodbury)
 *
 * Only products of rows with rows are needed, so columns are read layer by layer whether the curvature has one block or many, and the
 * system is solved for the Q queries rather than for the N examples. Time: n²·w for the Gram matrix, n³/3 for its factor, a block.
 */
import { columns, dampingOf, layerBlocks } from "../influence.ts";
import { addGram, type Products, solvePositiveDefinite } from "../linalg.ts";
import { type Gradients, type Material, MissingMaterialError, type ScoreOptions, sizes } from "./method.ts";

type DualOptions = Required<Omit<ScoreOptions, "checkpoints" | "samples">> &
  Pick<ScoreOptions, "checkpoints" | "samples">;

/** @param labels whose gradients make the curvature: those of the data (the empirical Fisher), or those drawn from the model (the true one) */
export async function dualScores(
  material: Material,
  products: Products,
  labels: "data" | "model",
  options: DualOptions,
): Promise<Float32Array> {
  if (options.checkpoints === undefined) return scoresAt(material, material, products, labels, options);
  if (material.checkpoints.length === 0)
    throw new MissingMaterialError(
      "There are no checkpoints to sum over. Collect some, or score the final state.",
    );
  const { n, q } = sizes(material);
  const total = new Float32Array(q * n);
  for (const checkpoint of material.checkpoints)
    addTo(total, await scoresAt(material, checkpoint, products, labels, options));
  return total;
}

function addTo(sum: Float32Array | Float64Array, part: Float32Array): void {
  for (let i = 0; i < part.length; i++) sum[i] = (sum[i] as number) + (part[i] as number);
}

async function scoresAt(
  material: Material,
  state: Gradients,
  products: Products,
  labels: "data" | "model",
  { damping, block, metric, samples }: DualOptions,
): Promise<Float32Array> {
  const { segments, width } = material;
  const { n, q } = sizes(material);
  const drawn = state.samples > 0 ? state : material; // whose draws and metric are used
  const s = samples ?? drawn.samples;
  if (labels === "model" && !(s >= 1 && s <= drawn.samples))
    throw new MissingMaterialError(
      `Curvature from ${s} drawn labels an example was asked for; ${drawn.samples} were collected.`,
    );
  const own = labels === "data";
  const count = own ? n : n * s;
  const scale = metric ? drawn.metric : undefined;
  const layers = layerBlocks(segments);
  const out = new Float32Array(q * n);
  for (const group of block === "layer" ? layers.map((layer) => [layer]) : [layers]) {
    const gram = new Float64Array(count * count);
    const queriesByFisher = new Float64Array(q * count);
    const trainByFisher = new Float32Array(own ? 0 : n * count);
    const queriesByTrain = new Float32Array(q * n);
    for (const layer of group) {
      const w = layer.length;
      const x = columns(state.train, n, width, layer, scale);
      const y = columns(state.queries, q, width, layer, scale);
      const f = own
        ? x
        : columns(
            drawn.sampled,
            count,
            width,
            layer,
            scale,
            (i) => Math.floor(i / s) * drawn.samples + (i % s),
          );
      await addGram(products, gram, f, count, w);
      addTo(queriesByTrain, await products.timesTransposed(y, x, q, n, w));
      addTo(queriesByFisher, await products.timesTransposed(y, f, q, count, w));
      if (!own) addTo(trainByFisher, await products.timesTransposed(x, f, n, count, w));
    }
    const lambda = dampingOf(
      gram,
      count,
      group.reduce((sum, { length }) => sum + length, 0),
      damping,
    );
    const right = own ? Float32Array.from(gram) : trainByFisher; // F g_i, `[N,n]`
    for (let i = 0; i < count; i++) gram[i * count + i] = (gram[i * count + i] as number) + count * lambda;
    await solvePositiveDefinite(products, gram, count, queriesByFisher, q);
    const explained = await products.timesTransposed(Float32Array.from(queriesByFisher), right, q, n, count);
    for (let i = 0; i < out.length; i++)
      out[i] = (out[i] as number) + ((queriesByTrain[i] as number) - (explained[i] as number)) / lambda;
  }
  return out;
}
