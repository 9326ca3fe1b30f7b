/** A release's pay index from its adapter and its rows: for who makes it, and for who makes it again to check it. */
import {
  adamMetric,
  buildPayIndex,
  defaultPayIndexOptions,
  findClusters,
  type PayIndex,
  type PayIndexInput,
  type PayIndexOptions,
  type Representatives,
  sketchExamples,
  widenAdapter,
} from "../attribution/index.ts";
import {
  type Adapter,
  type Checkpoint,
  createGradients,
  type Example,
  gradientSegments,
  type ModelConfig,
  positionsFor,
} from "../engine/index.ts";
import { adam, type Recipe } from "./recipe.ts";
import { readableRows } from "./training.ts";
import { textClusters } from "./training-rows.ts";

export type IndexMaterial = {
  recipe: Recipe;
  adapter: Adapter;
  examples: readonly Example[];
  contributorOf: readonly number[];
  contributors: number;
  heldOut: readonly Example[];
};

export type ReleaseIndexParts = {
  /** D^−½ `[p]`, in the numbers that are read: {@link trainedMetric}. */
  metric: Float32Array;
  /** Answers that the index is asked about, too: the gradient's graph has room for them. */
  queries?: readonly Example[];
  /** What else the build is told, once the near duplicates are known, by numbers of readable rows. */
  more?: (found: ReadableIndex) => Partial<PayIndexInput>;
  options?: Partial<PayIndexOptions>;
  onProgress?: (stage: string, done: number, of: number) => void;
};

/** Rows that a model can read, numbered from 0: `kept` and `heldOutKept` are their numbers among all. */
export type ReadableIndex = {
  readonly representatives: Representatives;
  /** Which of the readable rows were trained on: those that repeat no other's text. */
  readonly trained: readonly number[];
  readonly kept: readonly number[];
  readonly heldOutKept: readonly number[];
  readonly queries: ReturnType<typeof readableRows>;
};

/** D^−½ of what a training left, in the numbers that an index of its adapter reads, `[p]`. @param secondMoments Adam's v by tensor name */
export function trainedMetric(
  model: ModelConfig,
  adapter: Adapter,
  secondMoments: (name: string) => Float32Array,
  steps: number,
): Float32Array {
  const { segments, width } = gradientSegments(model, widenAdapter(model, adapter).config, ["B"]);
  return adamMetric(segments, width, secondMoments, 1 - adam.beta2 ** steps);
}

/** @throws RangeError when there is too little held-out material to make null rows from */
export async function buildReleaseIndex(
  base: Checkpoint,
  { recipe, adapter, examples, contributorOf, contributors, heldOut }: IndexMaterial,
  { metric, queries = [], more, options, onProgress = () => {} }: ReleaseIndexParts,
): Promise<PayIndex & ReadableIndex> {
  const readable = readableRows(base, recipe, examples);
  const { sequences, kept } = readable;
  const { sequences: heldOutSequences, kept: heldOutKept } = readableRows(base, recipe, heldOut);
  const asked = readableRows(base, recipe, queries);
  const wide = widenAdapter(base.config, adapter);
  const gradients = await createGradients(base, wide.config, {
    parts: ["B"],
    positions: positionsFor([...sequences, ...heldOutSequences, ...asked.sequences]),
    threads: options?.threads ?? recipe.threads,
  });
  onProgress("near duplicates", 0, sequences.length);
  const { texts, byText } = textClusters(base, recipe, examples, readable);
  const sketches = await sketchExamples(gradients, wide, sequences, metric, byText);
  const representatives = findClusters({ texts, byText, sketches });
  const trained = [...kept.keys()].filter((i) => byText[i] === i);
  const found: ReadableIndex = { representatives, trained, kept, heldOutKept, queries: asked };
  const index = await buildPayIndex(
    {
      gradients,
      adapter: wide,
      metric,
      sequences,
      contributorOf: kept.map((i) => contributorOf[i] as number),
      contributors,
      representatives,
      heldOut: heldOutSequences,
      heldOutIsAnswer: heldOutKept.map((i) => "messages" in (heldOut[i] as Example)),
      ...more?.(found),
    },
    { ...defaultPayIndexOptions, seed: recipe.seed, threads: recipe.threads, ...options },
    onProgress,
  );
  return { ...index, ...found };
}
