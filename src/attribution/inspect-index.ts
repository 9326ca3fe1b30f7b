/** An index made again, held against one that was published: rows in the published basis, before anything is rounded. */
import type { Basis } from "./basis.ts";
import type { LayerBlock } from "./influence.ts";
import { addGram, orthonormalise, type Products } from "./linalg.ts";
import type { createScratch, RowFile } from "./scratch.ts";

/** What who checks an index wants to see of one that is being made again. */
export type IndexInspection = {
  /** Training examples whose own rows are wanted; near duplicates have none. */
  readonly examples: readonly number[];
  /** Of the held-out examples that null rows are made from, those whose sum is wanted as a row, too. @param count there are so many */
  readonly heldOut: (count: number) => readonly number[];
  /** Takes the rows once they are solved; nothing of them may be kept. */
  readonly take: (rows: ExactRows) => Promise<void>;
};

/** Rows in float32 and the whole space of gradients. */
export type ExactRows = {
  readonly products: Products;
  readonly blocks: readonly LayerBlock[];
  /** `[total,p]`: contributors, then null rows before their lengths are matched; `factors` multiply them. */
  readonly rows: RowFile;
  readonly total: number;
  readonly factors: Float64Array;
  /** Products of the rows before `factors`, `[total,total]`. */
  readonly gram: Float64Array;
  /** R_i `[p]` of the examples asked for, in their order. */
  readonly example: (at: number) => Float32Array;
  /** H⁻¹ of the sum over the held-out examples asked for, `[p]`. */
  readonly heldOut: () => Float32Array;
};

/** Gradients that are to be solved for one by one: copies, for what is solved is written over them. */
export function inspectedFile(
  scratch: ReturnType<typeof createScratch>,
  blocks: readonly LayerBlock[],
  { examples, heldOut }: IndexInspection,
  own: RowFile,
  material: { readonly file: RowFile; readonly rows: number },
): { file: RowFile; rows: number } {
  const rows = examples.length + 1;
  const file = scratch.file(rows, blocks);
  for (const [at, example] of examples.entries()) file.write(at, own.row(example));
  const sum = new Float32Array(blocks.reduce((width, { length }) => width + length, 0));
  for (const at of heldOut(material.rows)) {
    const row = material.file.row(at);
    for (let j = 0; j < sum.length; j++) sum[j] = (sum[j] as number) + (row[j] as number);
  }
  file.write(examples.length, sum);
  return { file, rows };
}

/** An index as it was published. */
export type PublishedIndex = {
  readonly basis: Basis;
  /** What one unit of a row is worth. */
  readonly scale: number;
  readonly rows: readonly ArrayLike<number>[];
};

/**
 * Published rows beside the recomputed ones, all in one orthonormal frame of the recomputed rows' span. `[total,rank]` each, row-major.
 */
export type RowsApart = {
  readonly rank: number;
  readonly total: number;
  /** The rows as they are when made again. */
  readonly expected: Float64Array;
  /** What rows of the published basis can say of them: less where it leaves out a direction. */
  readonly expressed: Float64Array;
  /** The rows as published: what their integers stand for in the published basis. */
  readonly published: Float64Array;
  /** Squared lengths of published rows beyond the frame, `[total]`: what rounding the basis to bytes leaves, and nothing else. */
  readonly beyond: Float64Array;
  /** How far rounding moves a published row within the frame, and beyond it, one standard deviation; `[total]`. */
  readonly roundingWithin: Float64Array;
  readonly roundingBeyond: Float64Array;
};

/** One layer's columns of the directions, in float32. */
function directions({ k, metric, scales, values }: Basis, { offset, length: w }: LayerBlock): Float32Array {
  const out = new Float32Array(k * w);
  for (let i = 0; i < k; i++) {
    const unit = scales[i] as number;
    const from = i * metric.length + offset;
    for (let j = 0; j < w; j++) out[i * w + j] = unit * (values[from + j] as number);
  }
  return out;
}

/** A `[m,k]` · Bᵀ with B `[n,k]`, in float64. */
function product(a: Float64Array, b: Float64Array, m: number, n: number, k: number): Float64Array {
  const out = new Float64Array(m * n);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let x = 0; x < k; x++) sum += (a[i * k + x] as number) * (b[j * k + x] as number);
      out[i * n + j] = sum;
    }
  return out;
}

const transposed = (a: Float64Array, rows: number, columns: number) =>
  Float64Array.from({ length: a.length }, (_, i) => a[(i % rows) * columns + Math.floor(i / rows)] as number);

/** Directions of a squared length below this part of the largest are left out of the frame: in float32, they are what sums leave over. */
const frameTolerance = 1e-6;

/**
 * Holds published rows against rows that were made again. The published basis may be another than this machine would find: what is compared
 * are the vectors that rows stand for. It is read a layer at a time: 4w(total + k) bytes for w numbers in a layer, and the results.
 */
export async function holdAgainst(
  { products, blocks, rows, total, factors, gram: unscaled }: ExactRows,
  { basis, scale, rows: claimed }: PublishedIndex,
): Promise<RowsApart> {
  const { k, scales } = basis;
  const inBasis = new Float64Array(total * k); // ⟨R_i, b_j⟩
  const gram = new Float64Array(k * k); // ⟨b_i, b_j⟩
  for (const [layer, block] of blocks.entries()) {
    const w = block.length;
    const vectors = directions(basis, block);
    await addGram(products, gram, vectors, k, w);
    const part = await products.timesTransposed(rows.readLayer(layer, 0, total), vectors, total, k, w);
    for (let i = 0; i < inBasis.length; i++) inBasis[i] = (inBasis[i] as number) + (part[i] as number);
  }
  const factor = (i: number) => factors[i] as number;
  for (let i = 0; i < inBasis.length; i++) inBasis[i] = (inBasis[i] as number) * factor(Math.floor(i / k));
  const rowGram = unscaled.map((x, at) => x * factor(Math.floor(at / total)) * factor(at % total));
  const { rank, coordinates, fromRows } = orthonormalise(rowGram, total, total, frameTolerance);

  const frameInBasis = product(fromRows, transposed(inBasis, total, k), rank, k, total); // ⟨frame_a, b_j⟩
  const worth = Float64Array.from(
    { length: total * k },
    (_, i) => scale * (claimed[Math.floor(i / k)]?.[i % k] as number),
  );
  const published = product(worth, frameInBasis, total, rank, k);
  const withGram = product(worth, gram, total, k, k);
  const width = basis.metric.length;
  const unitSquares = scales.reduce((sum, unit) => sum + unit ** 2 / 12, 0);
  const perRow = (of: (i: number) => number) => Float64Array.from({ length: total }, (_, i) => of(i));
  const over = (count: number, of: (j: number) => number) => {
    let sum = 0;
    for (let j = 0; j < count; j++) sum += of(j);
    return sum;
  };
  return {
    rank,
    total,
    expected: coordinates,
    expressed: product(inBasis, frameInBasis, total, rank, k),
    published,
    beyond: perRow((i) =>
      Math.max(
        0,
        over(k, (j) => (worth[i * k + j] as number) * (withGram[i * k + j] as number)) -
          over(rank, (a) => (published[i * rank + a] as number) ** 2),
      ),
    ),
    roundingWithin: perRow((i) =>
      Math.sqrt(unitSquares * (rowGram[i * total + i] as number) + (k * scale ** 2) / 12),
    ),
    roundingBeyond: perRow((i) =>
      Math.sqrt(over(k, (j) => ((worth[i * k + j] as number) * (scales[j] as number)) ** 2 * (width / 12))),
    ),
  };
}
