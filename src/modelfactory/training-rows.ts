/**
 * What a release is trained on: the rows that its model can read, without those that repeat an earlier one's text. Who sends another's rows
 * again would otherwise have the model know them by heart, and what is known by heart has hardly a gradient left to be paid by.
 */
import {
  type ClusterText,
  findClusters,
  type Representatives,
  representativesOf,
} from "../attribution/index.ts";
import type { Checkpoint, Example, Sequence } from "../engine/index.ts";
import type { Recipe } from "./recipe.ts";
import { readableRows, sequenceLength } from "./training.ts";

export type TrainingRows = {
  readonly sequences: readonly Sequence[];
  /** Rows left out: those that cannot be read, and those that repeat another's text. */
  readonly unreadable: number;
  readonly copies: number;
};

/** What of an example is read, and what is learned. */
function clusterText(example: Example): ClusterText {
  if ("prompt" in example) return example;
  const said = example.messages.map(({ content, tool_calls }) =>
    tool_calls === undefined ? (content ?? "") : `${content ?? ""} ${JSON.stringify(tool_calls)}`,
  );
  return { prompt: said.slice(0, -1).join("\n"), completion: said.at(-1) ?? "" };
}

/**
 * Of every readable row, the one whose text it repeats, its own where it is the first. The same in training and index. Of a row longer than
 * the model reads, what is read counts: else what nobody reads makes a copy look new, and a megabyte a row takes seconds to compare.
 */
export function textClusters(
  base: Checkpoint,
  recipe: Recipe,
  examples: readonly Example[],
  { sequences, kept }: ReturnType<typeof readableRows>,
) {
  const texts = sequences.map(({ ids, targets }, at) => {
    if (ids.length < sequenceLength(base, recipe))
      return clusterText(examples[kept[at] as number] as Example);
    const first = targets[0] ?? ids.length;
    const [prompt, completion] = [ids.slice(0, first), ids.slice(first)].map(base.tokenizer.decode);
    return { prompt, completion } as ClusterText;
  });
  const byText: Representatives = findClusters({ texts });
  return { texts, byText };
}

export function trainingRows(base: Checkpoint, recipe: Recipe, examples: readonly Example[]): TrainingRows {
  const readable = readableRows(base, recipe, examples);
  const sequences = representativesOf(
    readable.sequences,
    textClusters(base, recipe, examples, readable).byText,
  );
  return {
    sequences,
    unreadable: examples.length - readable.sequences.length,
    copies: readable.sequences.length - sequences.length,
  };
}
