/** The second pass of an index: layer by layer, gradients become rows. One layer's curvature and sums are in memory, whatever N is. */
import { invertLayer, type LayerBlock } from "./influence.ts";
import { addGram, type Products } from "./linalg.ts";
import type { RowFile } from "./scratch.ts";

/** Rows of a file that are read at once. */
const slab = 256;

/** What is to be summed: each list names examples, with repetitions, of one file. */
export type Sums = {
  readonly file: RowFile;
  readonly examples: number;
  readonly members: readonly (readonly number[])[];
};

export type SolveInput = {
  readonly blocks: readonly LayerBlock[];
  readonly fisher: RowFile;
  readonly fisherRows: number;
  readonly damping: number;
  /** What becomes rows, in order; the first `kept` of them all are written out. */
  readonly sums: readonly Sums[];
  readonly kept: number;
  /** Rows of this file are replaced by H⁻¹ times themselves, where they are wanted one by one. */
  readonly each?: { readonly file: RowFile; readonly rows: number };
  /** Scaled gradients whose products with every row are wanted. */
  readonly queries?: { readonly file: RowFile; readonly rows: number };
};

export type SolvedRows = {
  /** `[kept,p]`. */
  readonly rows: RowFile;
  /** Their inner products, `[kept,kept]`. */
  readonly gram: Float64Array;
  /** Squared length of every row. */
  readonly squares: Float64Array;
  /** `[queries, all rows]`. */
  readonly scores: Float64Array;
  /** What the rows wanted one by one took. */
  readonly eachSeconds: number;
};

/** Adds up the members' columns of one layer: every example is read once, in order. */
function addSums({ file, examples, members }: Sums, layer: number, w: number, into: Float32Array): void {
  const wanted = new Map<number, number[]>(); // example → sums it goes into, as often as it does
  members.forEach((list, sum) => {
    for (const example of list) {
      const sums = wanted.get(example);
      if (sums === undefined) wanted.set(example, [sum]);
      else sums.push(sum);
    }
  });
  for (let start = 0; start < examples; start += slab) {
    const count = Math.min(slab, examples - start);
    const values = file.readLayer(layer, start, count);
    for (let i = 0; i < count; i++)
      for (const sum of wanted.get(start + i) ?? [])
        for (let j = 0; j < w; j++)
          into[sum * w + j] = (into[sum * w + j] as number) + (values[i * w + j] as number);
  }
}

/** Applies H⁻¹ of every layer to sums of gradients, and to single ones where asked. @param file makes the file of the rows kept */
export async function solveRows(
  products: Products,
  input: SolveInput,
  file: (rows: number) => RowFile,
  onProgress: (layer: number) => void,
): Promise<SolvedRows> {
  const { blocks, fisher, fisherRows, damping, sums, kept, each, queries } = input;
  const m = sums.reduce((sum, { members }) => sum + members.length, 0);
  const asked = queries?.rows ?? 0;
  const rows = file(kept);
  const gram = new Float64Array(kept * kept);
  const squares = new Float64Array(m);
  const scores = new Float64Array(asked * m);
  let eachMs = 0;
  for (const [layer, { length: w }] of blocks.entries()) {
    const invert = await invertLayer(
      products,
      fisher.readLayer(layer, 0, fisherRows),
      fisherRows,
      w,
      damping,
    );
    const all = new Float32Array(m * w);
    let first = 0;
    for (const part of sums) {
      addSums(part, layer, w, all.subarray(first * w, (first + part.members.length) * w));
      first += part.members.length;
    }
    for (let at = 0; at < m; at += slab) {
      const count = Math.min(slab, m - at);
      const part = all.subarray(at * w, (at + count) * w);
      part.set(await invert(part, count));
      for (let i = 0; i < count; i++) {
        let square = 0;
        for (let j = i * w; j < (i + 1) * w; j++) square += (part[j] as number) ** 2;
        squares[at + i] = (squares[at + i] as number) + square;
      }
    }
    rows.writeLayer(layer, 0, all.subarray(0, kept * w));
    await addGram(products, gram, all.subarray(0, kept * w), kept, w);
    if (queries !== undefined && asked > 0 && m > 0) {
      const part = await products.timesTransposed(queries.file.readLayer(layer, 0, asked), all, asked, m, w);
      for (let i = 0; i < scores.length; i++) scores[i] = (scores[i] as number) + (part[i] as number);
    }
    const begun = performance.now();
    if (each !== undefined)
      for (let at = 0; at < each.rows; at += slab) {
        const count = Math.min(slab, each.rows - at);
        each.file.writeLayer(layer, at, await invert(each.file.readLayer(layer, at, count), count));
      }
    eachMs += performance.now() - begun;
    onProgress(layer + 1);
  }
  return { rows, gram, squares, scores, eachSeconds: eachMs / 1000 };
}
