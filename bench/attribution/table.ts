/** What a task's retrainings found, as it is committed under bench/results/attribution. */
import { existsSync, readFileSync } from "node:fs";
import { z } from "zod";
import { resultsFolder, type TaskName } from "./task.ts";

/**
 * Which rows a retraining leaves out: a random half of all, the rows of a random half of the contributors, a random twentieth, one
 * contributor's rows, or none. Each with the seed of initialisation and order.
 */
export const retrainingKinds = ["full", "half", "contributors", "twentieth", "one-contributor"] as const;
export type RetrainingKind = (typeof retrainingKinds)[number];

export type Retraining = {
  readonly kind: RetrainingKind;
  readonly seed: number;
  /** Which of its kind; for one contributor, that contributor's number. */
  readonly number: number;
  /** 1 for each training example that was kept, `[N]`. */
  readonly kept: Uint8Array;
  /** Mean loss of each question's reference answer, nats per token, `[Q]`; then of the answers that the full model generates, `[Q]`. */
  readonly losses: Float32Array;
  readonly generated: Float32Array;
};

export type Table = {
  readonly task: TaskName;
  /** What the full model of seed 1 answers to each question. */
  readonly answers: readonly string[];
  readonly runs: readonly Retraining[];
};

const base64 = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
const floats = (text: string) => new Float32Array(new Uint8Array(Buffer.from(text, "base64")).buffer);

const lineSchema = z.strictObject({
  kind: z.enum(retrainingKinds),
  seed: z.int(),
  number: z.int(),
  kept: z.base64(),
  losses: z.base64(),
  generated: z.base64(),
});

/** One line a retraining: which rows were kept as bits, losses as little-endian float32. */
export const formatRetraining = ({ kept, losses, generated, ...facts }: Retraining): string => {
  const bits = new Uint8Array(Math.ceil(kept.length / 8));
  kept.forEach((one, i) => {
    bits[i >> 3] = (bits[i >> 3] as number) | (one << (i & 7));
  });
  return JSON.stringify({
    ...facts,
    kept: base64(bits),
    losses: base64(new Uint8Array(losses.buffer)),
    generated: base64(new Uint8Array(generated.buffer)),
  });
};

/** Reads one line again. */
export function parseRetraining(line: string, examples: number): Retraining {
  const { kept, losses, generated, ...facts } = lineSchema.parse(JSON.parse(line));
  const bits = Buffer.from(kept, "base64");
  return {
    ...facts,
    kept: Uint8Array.from({ length: examples }, (_, i) => ((bits[i >> 3] as number) >> (i & 7)) & 1),
    losses: floats(losses),
    generated: floats(generated),
  };
}

export const tableFile = (task: TaskName, folder = resultsFolder) => `${folder}/${task}.table.jsonl`;

/** A table as far as it has come; a half-written last line is left out. Undefined when none was begun. */
export function readTable(task: TaskName, examples: number, folder = resultsFolder): Table | undefined {
  const file = tableFile(task, folder);
  if (!existsSync(file)) return undefined;
  const text = readFileSync(file, "utf8");
  const [head, ...lines] = text.slice(0, text.lastIndexOf("\n")).split("\n");
  const { answers } = z.object({ answers: z.array(z.string()) }).parse(JSON.parse(head as string));
  return { task, answers, runs: lines.map((line) => parseRetraining(line, examples)) };
}
