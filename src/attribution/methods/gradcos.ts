/** Cosine of two gradients. */
import { type Method, sizes } from "./method.ts";

/** τ = g_q·g_i / (‖g_q‖ ‖g_i‖): "GC" of Hanawa et al. 2021, arXiv 2006.04528. An example of large gradient gains nothing by it. */
export const gradcos: Method = {
  name: "gradcos",
  title: "Grad-Cos",
  paper: "Hanawa et al. 2021, arXiv 2006.04528",
  async score({ train, queries, width }, products) {
    const { n, q } = sizes({ train, queries, width });
    return cosines(await products.timesTransposed(queries, train, q, n, width), queries, train, width);
  },
};

/** Dot products `[Q,N]` divided in place by the lengths of both rows; 0 where a row is zero. */
export function cosines(
  dots: Float32Array,
  queries: Float32Array,
  train: Float32Array,
  width: number,
): Float32Array {
  const [ofQueries, ofTrain] = [norms(queries, width), norms(train, width)];
  const n = ofTrain.length;
  for (let i = 0; i < dots.length; i++)
    dots[i] =
      (dots[i] as number) / ((ofQueries[Math.floor(i / n)] as number) * (ofTrain[i % n] as number) || 1);
  return dots;
}

function norms(rows: Float32Array, width: number): Float64Array {
  return Float64Array.from({ length: rows.length / width }, (_, i) => {
    let sum = 0;
    for (let j = i * width; j < (i + 1) * width; j++) sum += (rows[j] as number) ** 2;
    return Math.sqrt(sum);
  });
}
