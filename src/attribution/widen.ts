/**
 * An adapter read along more directions than it has. A gets further random rows and B as many columns of zeros: the model stays the same, but the
 * gradient by B of an example, Σ_t s·δ_t (A x_t)ᵀ, now sees its inputs along rank + extra directions.
 *
 * Why: the products ⟨g_i, g_q⟩ = s² tr(G_i AᵀA G_qᵀ) of gradients by B are those of gradients G by the whole matrix, seen through A. With a
 * rank of 4 or 8 that is mostly what A was drawn as: it foretells trainings that start from the same A, and other seeds' less well. With
 * more rows AᵀA comes nearer to a multiple of the identity (random projections as in LoGra: Choe et al. 2024, arXiv 2405.13954).
 */
import { type Adapter, initialAdapter, type ModelConfig } from "../engine/index.ts";

export type Widened = {
  readonly adapter: Adapter;
  /** Adam's v of every tensor, in the new shapes. */
  readonly secondMoments: Map<string, Float32Array>;
};

/**
 * @param secondMoments Adam's v by tensor name; a new column of B takes the mean of its row's, a new row of A, which has no gradient, zero
 * @param extra directions to add, at least 1
 * @param seed of the new rows of A, which are drawn as a new adapter's are
 */
export function widenAdapter(
  model: ModelConfig,
  adapter: Adapter,
  secondMoments: ReadonlyMap<string, Float32Array>,
  extra: number,
  seed: number,
): Widened {
  const { rank } = adapter.config;
  const all = rank + extra;
  const fresh = initialAdapter(model, { ...adapter.config, rank: extra }, seed);
  const tensors = new Map<string, { data: Float32Array; shape: readonly number[] }>();
  const moments = new Map<string, Float32Array>();
  for (const [name, { data, shape }] of adapter.tensors) {
    const v = secondMoments.get(name);
    if (v === undefined) throw new RangeError(`The optimizer's state lacks ${name}.`);
    if (name.endsWith(".lora_A")) {
      const width = shape[1] as number;
      const rows = new Float32Array(all * width);
      rows.set(data as Float32Array);
      rows.set(fresh.tensors.get(name)?.data as Float32Array, rank * width);
      tensors.set(name, { data: rows, shape: [all, width] });
      const wider = new Float32Array(all * width);
      wider.set(v);
      moments.set(name, wider);
      continue;
    }
    const height = shape[0] as number;
    const columns = new Float32Array(height * all);
    const wider = new Float32Array(height * all);
    for (let i = 0; i < height; i++) {
      const own = v.subarray(i * rank, (i + 1) * rank);
      columns.set((data as Float32Array).subarray(i * rank, (i + 1) * rank), i * all);
      wider.fill(own.reduce((sum, x) => sum + x, 0) / rank, i * all, (i + 1) * all);
      wider.set(own, i * all);
    }
    tensors.set(name, { data: columns, shape: [height, all] });
    moments.set(name, wider);
  }
  return {
    adapter: { config: { ...adapter.config, rank: all }, tensors } as Adapter,
    secondMoments: moments,
  };
}
