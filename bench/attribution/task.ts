/**
 * What attribution is measured on: small fine-tuning sets with known contributors, and questions. They are committed under
 * bench/results/attribution, one JSON line a row, so that nothing but a clone is needed to score every method again.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import {
  moduleNames,
  promptTokens,
  type Sequence,
  sequenceOf,
  type Tokenizer,
  type TrainRecipe,
} from "../../src/engine/index.ts";

export const taskNames = [
  "shakespeare",
  "pubmedqa",
  "gsm8k",
  "facts",
  "transformations",
  "shakespeare-hot",
] as const;
export type TaskName = (typeof taskNames)[number];

const rowSchema = z.strictObject({
  /** Held-out rows are neither trained on nor asked: what chance scores is found with them. */
  kind: z.enum(["train", "query", "heldout"]),
  /** Position in `contributors`; −1 where nobody's rows are meant. */
  contributor: z.int().min(-1),
  prompt: z.string(),
  completion: z.string().min(1),
});
export type TaskRow = z.infer<typeof rowSchema>;

const headSchema = z.strictObject({
  task: z.enum(taskNames),
  about: z.string(),
  license: z.string(),
  contributors: z.array(z.string()),
});

export type Task = z.infer<typeof headSchema> & {
  readonly train: readonly TaskRow[];
  readonly queries: readonly TaskRow[];
  readonly heldOut: readonly TaskRow[];
};

/** Longest example in tokens, the beginning-of-text token included. */
export const maxLength = 65;

/** Training that stops before it memorises: measured to be attributable. */
export const gentleRecipe: TrainRecipe = {
  rank: 4,
  alpha: 8,
  modules: moduleNames,
  seed: 1,
  threads: 1,
  learningRate: 2e-3,
  warmupSteps: 10,
  finalRate: 0.1,
  batch: 16,
  epochs: 5,
  clip: 1,
  optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
  stopLoss: 0,
};

/** Each task's own training: facts have to be learned by heart, and the hot one runs far past its held-out optimum. */
export const recipes: Record<TaskName, TrainRecipe> = {
  shakespeare: gentleRecipe,
  pubmedqa: gentleRecipe,
  gsm8k: gentleRecipe,
  transformations: gentleRecipe,
  facts: { ...gentleRecipe, rank: 8, alpha: 16, learningRate: 3e-3, warmupSteps: 20, batch: 20, epochs: 15 },
  "shakespeare-hot": { ...gentleRecipe, learningRate: 4e-3, epochs: 8 },
};

export const resultsFolder = fileURLToPath(new URL("../results/attribution/", import.meta.url));

const taskFile = (name: TaskName) =>
  `${resultsFolder}${name === "shakespeare-hot" ? "shakespeare" : name}.task.jsonl`;

/** @throws when the file is not there or not of this form */
export function readTask(name: TaskName): Task {
  const [head, ...rows] = readFileSync(taskFile(name), "utf8").trimEnd().split("\n");
  const parsed = rows.map((line) => rowSchema.parse(JSON.parse(line)));
  return {
    ...headSchema.parse(JSON.parse(head as string)),
    task: name,
    train: parsed.filter(({ kind }) => kind === "train"),
    queries: parsed.filter(({ kind }) => kind === "query"),
    heldOut: parsed.filter(({ kind }) => kind === "heldout"),
  };
}

export function formatTask({ train, queries, heldOut, ...head }: Task): string {
  return `${[head, ...train, ...queries, ...heldOut].map((line) => JSON.stringify(line)).join("\n")}\n`;
}

/** A row as the model reads it: loss falls on the completion. */
export const rowSequence = (
  tokenizer: Tokenizer,
  { prompt, completion }: { prompt: string; completion: string },
): Sequence => sequenceOf(promptTokens(tokenizer, { prompt }), tokenizer.encode(completion), maxLength);

/** Cuts a completion at a word's end so that prompt and completion fit into `maxLength`. */
export function fitRow(
  tokenizer: Tokenizer,
  prompt: string,
  completion: string,
): { prompt: string; completion: string } {
  const room = maxLength - promptTokens(tokenizer, { prompt }).length;
  // A token is a character at least, so that no more than `room` words can fit.
  const words = completion.split(/(?<=\S)(?=\s)/).slice(0, Math.max(0, room));
  while (words.length > 0 && tokenizer.encode(words.join("")).length > room) words.pop();
  return { prompt, completion: words.join("") };
}
