/** Similarity of representations: no gradient at all. */
import { cosines } from "./gradcos.ts";
import { type Method, MissingMaterialError } from "./method.ts";

/** τ = cosine of the mean last hidden states over targets: Hanawa et al. 2021, arXiv 2006.04528, "cos(h)". */
export const repsim: Method = {
  name: "repsim",
  title: "Representation similarity",
  paper: "Hanawa et al. 2021, arXiv 2006.04528",
  async score({ hidden: { train, queries, width } }, products) {
    if (width === 0 || train.length === 0)
      throw new MissingMaterialError("The last hidden states were not collected.");
    const [q, n] = [queries.length / width, train.length / width];
    return cosines(await products.timesTransposed(queries, train, q, n, width), queries, train, width);
  },
};
