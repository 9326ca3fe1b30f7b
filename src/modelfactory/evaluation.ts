/** What a fine-tune changed, with intervals: base against tuned on the same rows, and on prompts that have nothing to do with them. */
import { z } from "zod";
import { difference, type Estimate, overQueries, type QueryEstimate } from "../attribution/index.ts";
import { type Digest, digestSchema } from "../protocol/index.ts";

const wordsMax = 512;
const wordsOf = (text: string) => (text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).slice(0, wordsMax);

/**
 * ROUGE-L (Lin 2004, "ROUGE: A package for automatic evaluation of summaries", section 3): the F1 of the longest common subsequence of
 * words, P = |lcs| / |answer|, R = |lcs| / |reference|. Words are runs of letters and digits, without case; where the reference has none,
 * the texts themselves are compared.
 */
export function rougeL(answer: string, reference: string): number {
  const [a, b] = [wordsOf(answer), wordsOf(reference)];
  if (b.length === 0) return answer.trim() === reference.trim() ? 1 : 0;
  let before = new Uint16Array(b.length + 1);
  for (const word of a) {
    const row = new Uint16Array(b.length + 1);
    for (let j = 0; j < b.length; j++)
      row[j + 1] =
        word === b[j] ? (before[j] as number) + 1 : Math.max(before[j + 1] as number, row[j] as number);
    before = row;
  }
  const common = before[b.length] as number;
  return (2 * common) / (a.length + b.length);
}

const millionths = z.int();
const estimateSchema = z.strictObject({ mean: millionths, lo: millionths, hi: millionths });
const comparedSchema = z.strictObject({
  base: estimateSchema,
  tuned: estimateSchema,
  /** Tuned less base, row by row: they differ where the interval leaves 0 out. */
  difference: estimateSchema,
});
const perplexitySchema = z.strictObject({ base: estimateSchema, tuned: estimateSchema });

/** 95 % bootstrap intervals over rows, in millionths: nothing hashed holds a floating-point number. */
export const reportSchema = z.strictObject({
  schema: z.literal("openledger/evaluation/1"),
  /** The adapter that was evaluated. A release that names this report serves no other. */
  adapter: digestSchema,
  heldOut: z.strictObject({
    rows: z.int(),
    /** Mean of the rows' losses, nats per target token; e to its power. */
    loss: comparedSchema,
    perplexity: perplexitySchema,
    /** Share of rows of which every token is the most likely one. */
    exact: comparedSchema,
  }),
  /** Answers written greedily, and held against what the rows say. */
  answers: z.strictObject({ rows: z.int(), rougeL: comparedSchema }).nullable(),
  /** General prompts: what was forgotten. */
  regression: z
    .strictObject({ prompts: z.int(), loss: comparedSchema, perplexity: perplexitySchema })
    .nullable(),
});
export type EvaluationReport = z.output<typeof reportSchema>;

/** The mean of the rows' losses after training, nats per token, with its 95 % interval: by which runs are held against each other. */
export type HeldOutLoss = { readonly mean: number; readonly lo: number; readonly hi: number };

export function heldOutLossOf({ heldOut }: EvaluationReport): HeldOutLoss {
  const { mean, lo, hi } = heldOut.loss.tuned;
  return { mean: mean / 1e6, lo: lo / 1e6, hi: hi / 1e6 };
}

/** What was measured of rows, one number each, before and after. */
export type Measured = { readonly base: readonly number[]; readonly tuned: readonly number[] };

/** A perplexity has no bound, and a manifest's integers do. */
const most = 1e9;
const inMillionths = ({ mean, lo, hi }: Estimate) => {
  const whole = (value: number) => Math.round(1e6 * Math.min(most, value));
  return { mean: whole(mean), lo: whole(lo), hi: whole(hi) };
};

function compared({ base, tuned }: Measured): [z.infer<typeof comparedSchema>, QueryEstimate, QueryEstimate] {
  const [before, after] = [overQueries(base), overQueries(tuned)];
  return [
    {
      base: inMillionths(before),
      tuned: inMillionths(after),
      difference: inMillionths(difference(after, before)),
    },
    before,
    after,
  ];
}

/** Loss, and perplexity from it: e to the mean loss, and to its bounds. */
function lossOf(measured: Measured) {
  const [loss, before, after] = compared(measured);
  const perplexity = ({ mean, lo, hi }: Estimate) =>
    inMillionths({ mean: Math.exp(mean), lo: Math.exp(lo), hi: Math.exp(hi) });
  return { loss, perplexity: { base: perplexity(before), tuned: perplexity(after) } };
}

/** @throws RangeError where there is nothing measured of the held-out rows */
export function evaluationReport(
  adapter: Digest,
  measured: { losses: Measured; exact: Measured; rougeL: Measured; regression: Measured },
): EvaluationReport {
  const { losses, exact, rougeL: answers, regression } = measured;
  return reportSchema.parse({
    schema: "openledger/evaluation/1",
    adapter,
    heldOut: { rows: losses.base.length, ...lossOf(losses), exact: compared(exact)[0] },
    answers: answers.base.length === 0 ? null : { rows: answers.base.length, rougeL: compared(answers)[0] },
    regression:
      regression.base.length === 0 ? null : { prompts: regression.base.length, ...lossOf(regression) },
  });
}
