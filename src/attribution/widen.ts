/**
 * An adapter read along more directions than it has. A gets further random rows and B as many columns of zeros: the model stays the same, but the
 * gradient by B of an example, Σ_t s·δ_t (A x_t)ᵀ, now sees its inputs along as many directions as A has rows.
 *
 * Why: the products ⟨g_i, g_q⟩ = s² tr(G_i AᵀA G_qᵀ) of gradients by B are those of gradients G by the whole matrix, seen through A. With a
 * rank of 4 or 8 that is mostly what A was drawn as: it foretells trainings that start from the same A, and other seeds' less well. With
 * more rows AᵀA comes nearer to a multiple of the identity (random projections as in LoGra: Choe et al. 2024, arXiv 2405.13954).
 */
import { type Adapter, adapterShapes, createRandom, type ModelConfig } from "../engine/index.ts";

/** What gradients are read along, unless the adapter's rank is higher: docs/attribution.md shows what more and fewer do. */
export const readDirections = 16;

/** Directions are added while a gradient keeps to so many numbers: a basis of 1,024 of its directions takes 1 GiB then, the most a blob holds. */
export const widestGradient = 2 ** 20;

/** No file makes this program read along more. */
export const maxDirections = 256;

/** How many numbers one direction adds to a gradient: one for each output of an adapted module. */
const outputs = (model: ModelConfig, config: Adapter["config"]): number =>
  adapterShapes(model, { ...config, rank: 1 })
    .filter(({ part }) => part === "B")
    .reduce((sum, { shape }) => sum + shape[0], 0);

/** Along how many directions a new index reads an adapter of this shape. */
export const directionsToRead = (model: ModelConfig, config: Adapter["config"]): number =>
  Math.max(config.rank, Math.min(readDirections, Math.floor(widestGradient / outputs(model, config))));

/**
 * The same model, with A `[directions, in]` and B `[out, directions]`; the adapter itself where it has as many. New rows of A are drawn as a new
 * adapter's are, always the same ones: who checks an index needs no seed for them, and nobody can choose them.
 */
export function widenAdapter(
  model: ModelConfig,
  adapter: Adapter,
  directions = directionsToRead(model, adapter.config),
): Adapter {
  const { rank } = adapter.config;
  if (directions < rank || directions > maxDirections)
    throw new RangeError(
      `An adapter of rank ${rank} is read along ${rank} to ${maxDirections} directions; asked for ${directions}.`,
    );
  if (directions === rank) return adapter;
  const random = createRandom(1, 37);
  const config = { ...adapter.config, rank: directions };
  const tensors = new Map(
    adapterShapes(model, config).map(({ name, part, shape }) => {
      const own = adapter.tensors.get(name)?.data as Float32Array;
      const data = new Float32Array(shape[0] * shape[1]);
      if (part === "A") {
        data.set(own);
        for (let i = own.length; i < data.length; i++) data[i] = random.normal() / Math.sqrt(shape[1]);
      } else
        for (let i = 0; i < shape[0]; i++) data.set(own.subarray(i * rank, (i + 1) * rank), i * directions);
      return [name, { data, shape }] as const;
    }),
  );
  return { config, tensors };
}

/** Along how many directions gradients by B of p numbers in all are read; not a whole number where they are of another model's. */
export const directionsOf = (model: ModelConfig, { config }: Adapter, p: number): number =>
  p / outputs(model, config);
