/** The last pass of an index: an orthonormal basis of the rows' span, and the rows' coordinates as integers. */
import { maxDimensions } from "../protocol/index.ts";
import type { Basis } from "./basis.ts";
import type { LayerBlock } from "./influence.ts";
import { orthonormalise, type Products } from "./linalg.ts";
import type { RowFile } from "./scratch.ts";

/**
 * @param file rows `[total,p]`; basis vectors are written over them
 * @param gram their inner products, before `factors`
 * @param factors multiply the rows, one each
 */
export async function integerRows(
  products: Products,
  file: RowFile,
  total: number,
  gram: Float64Array,
  factors: Float64Array,
  blocks: readonly LayerBlock[],
  metric: Float32Array,
): Promise<{ rows: Int16Array[]; scale: number; basis: Basis }> {
  for (let i = 0; i < total; i++)
    for (let j = 0; j < total; j++)
      gram[i * total + j] = (gram[i * total + j] as number) * (factors[i] as number) * (factors[j] as number);
  const { rank: k, coordinates, fromRows } = orthonormalise(gram, total, maxDimensions);
  const map = Float32Array.from(fromRows, (x, i) => x * (factors[i % total] as number));

  const largest = new Float64Array(k);
  for (const [layer, { length: w }] of blocks.entries()) {
    const vectors = await products.times(map, file.readLayer(layer, 0, total), k, w, total);
    for (let i = 0; i < k; i++)
      for (let j = i * w; j < (i + 1) * w; j++)
        largest[i] = Math.max(largest[i] as number, Math.abs(vectors[j] as number));
    file.writeLayer(layer, 0, vectors);
  }
  const p = metric.length;
  const units = Array.from(largest, (value) => value / 127 || 1);
  const values = new Int8Array(k * p);
  for (const [layer, { offset, length: w }] of blocks.entries()) {
    const vectors = file.readLayer(layer, 0, k);
    for (let i = 0; i < k; i++)
      for (let j = 0; j < w; j++)
        values[i * p + offset + j] = Math.round((vectors[i * w + j] as number) / (units[i] as number));
  }

  let top = 0;
  for (const x of coordinates) top = Math.max(top, Math.abs(x));
  const scale = top / 32_767;
  return {
    scale,
    basis: { k, metric, scales: Float32Array.from(units), values },
    rows: Array.from({ length: total }, (_, i) =>
      Int16Array.from(coordinates.subarray(i * k, (i + 1) * k), (x) => Math.round(x / scale)),
    ),
  };
}
