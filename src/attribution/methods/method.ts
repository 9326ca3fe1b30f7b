/** What a method of attribution reads, and what it answers. */
import type { GradientSegment } from "../../engine/index.ts";
import type { Products } from "../linalg.ts";

/** In the order of the table in docs/attribution.md. */
export const methodNames = [
  "bm25",
  "repsim",
  "graddot",
  "gradcos",
  "tracin",
  "datainf",
  "fisher",
  "adamfisher",
  "ekfac",
  "eshampoo",
] as const;
export type MethodName = (typeof methodNames)[number];

/** Gradients at one state of the adapter: of summed losses, as they are, in no metric. */
export type Gradients = {
  /** `[N,p]`, for the labels of the data. */
  readonly train: Float32Array;
  /** `[Q,p]`. */
  readonly queries: Float32Array;
  /** `[N·samples,p]`, for labels drawn from the model; the draws of one example next to each other. */
  readonly sampled: Float32Array;
  readonly samples: number;
  /** D^−½ of Adam at this state, `[p]`. */
  readonly metric: Float32Array;
};

/** A state on the way to the final one. Without draws of its own, `samples` is 0. */
export type Checkpoint = Gradients & { readonly learningRate: number };

/** Second moments of one adapted matrix `[out,in]`, summed over tokens: its inputs where there is loss, its outputs' gradients for drawn labels. */
export type LayerFactors = {
  /** The segment's name. */
  readonly name: string;
  /** `[in,in]`. */
  readonly inputs: Float64Array;
  /** `[out,out]`. */
  readonly gradients: Float64Array;
};

/** Everything a method may read about one trained adapter. Shapes: N training examples, Q queries, p numbers in a gradient. */
export type Material = Gradients & {
  readonly segments: readonly GradientSegment[];
  /** p. */
  readonly width: number;
  /** Earlier states, for TracIn and for sums over checkpoints; may be empty. The final state is among them only if it was asked for. */
  readonly checkpoints: readonly Checkpoint[];
  readonly texts: { readonly train: readonly string[]; readonly queries: readonly string[] };
  /** `[N,width]` and `[Q,width]`: means of the last hidden state over the positions that predict targets; empty when not collected. */
  readonly hidden: { readonly train: Float32Array; readonly queries: Float32Array; readonly width: number };
  /** For EK-FAC, one for each segment; empty when not collected. */
  readonly factors: readonly LayerFactors[];
};

/** What a method can be told; each reads what it has a use for. */
export type ScoreOptions = {
  /** ρ: damping as a part of the curvature's mean eigenvalue. */
  readonly damping?: number;
  /** The curvature has one block for each layer, or is one for all of them. */
  readonly block?: "layer" | "all";
  /** Use the first so many draws of each example; all of them when left out. */
  readonly samples?: number;
  /** Work in coordinates scaled by Adam's second moment. */
  readonly metric?: boolean;
  /**
   * "sum": the sum of the scores at every checkpoint instead of the final score. A checkpoint without draws of its own takes curvature and
   * metric from the final state.
   */
  readonly checkpoints?: "sum";
};

export type Method = {
  readonly name: MethodName;
  readonly title: string;
  /** Where it was described. */
  readonly paper: string;
  /**
   * @returns `[Q,N]`; positive: the example made the query more likely. Scores of one method are comparable within a query, no further
   * @throws MissingMaterialError when what it needs was not collected
   */
  score(material: Material, products: Products, options?: ScoreOptions): Promise<Float32Array>;
};

/** A method was asked for scores from material that lacks what it reads. */
export class MissingMaterialError extends Error {
  override name = "MissingMaterialError";
}

/** N and Q. */
export const sizes = ({ width, train, queries }: Pick<Material, "width" | "train" | "queries">) => ({
  n: train.length / width,
  q: queries.length / width,
});
