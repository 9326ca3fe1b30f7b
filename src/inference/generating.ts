/** A request's choices: each is an answer of its own, with its own seed; they share nothing but the request. */
import { randomInt } from "node:crypto";
import type { Generation, OpenLora, Prompt, TokenLogprob } from "../openlora/index.ts";
import type { Digest } from "../protocol/index.ts";
import { InferenceError } from "./errors.ts";
import type { WrittenAnswer } from "./record.ts";
import type { Ask } from "./request.ts";

/** A part of a choice's text, and its tokens' log-probabilities where they were asked for. */
export type AnswerPiece = { readonly text: string; readonly logprobs?: readonly TokenLogprob[] };

export type GeneratingParts = {
  readonly openlora: Pick<OpenLora, "generate">;
  /** Longest time an answer may take; it ends with what there is of it. */
  readonly answerMsMax: number;
};

/** What is generated from: a prompt, and the seed where one is known beforehand. */
type Start = { readonly prompt: Prompt; readonly seed: number | undefined };

/** Every prompt `n` times, the prompts in order; the seeds of one prompt's choices follow each other. */
function startsOf({ prompts, n, seed }: Ask): Start[] {
  const first = seed ?? (n > 1 ? randomInt(2 ** 32) : undefined);
  return prompts.flatMap((prompt) =>
    Array.from({ length: n }, (_, k) => ({ prompt, seed: first === undefined ? undefined : first + k })),
  );
}

/**
 * Generates all choices side by side. One that fails breaks the others off.
 *
 * @param onPiece - hears every piece with the number of its choice
 * @returns one answer per choice. Of choices that were broken off, those of which nothing was delivered are empty and have used nothing
 * @throws OpenLoraError; InferenceError when there is nothing to deliver
 */
export async function generateChoices(
  { openlora, answerMsMax }: GeneratingParts,
  ask: Ask,
  run: { readonly adapter: Digest | undefined; readonly tenant: string; readonly signal: AbortSignal },
  onPiece: (choice: number, piece: AnswerPiece) => void,
): Promise<{ written: WrittenAnswer[]; cutShort: boolean }> {
  const broken = new AbortController();
  const signal = AbortSignal.any([run.signal, broken.signal]);
  // OpenLoRA's clock is the machine's, read at once and never again: a clock that jumps ends no answer.
  const deadlineAtMs = Date.now() + answerMsMax;
  let failure: { readonly error: unknown } | undefined;
  const generateOne = async ({ prompt, seed }: Start, choice: number): Promise<Generation | undefined> => {
    try {
      return await openlora.generate(
        { adapter: run.adapter, prompt, seed, tenant: run.tenant, deadlineAtMs, signal, ...ask.generation },
        ({ text, logprobs }) => onPiece(choice, logprobs === undefined ? { text } : { text, logprobs }),
      );
    } catch (error) {
      failure ??= { error };
      broken.abort();
      return undefined;
    }
  };
  const generations = await Promise.all(startsOf(ask).map(generateOne));
  if (failure !== undefined) throw failure.error;
  const whole = generations.filter((one) => one !== undefined);
  return {
    written: writtenOf(whole, ask.stream),
    cutShort: whole.some(({ cancelledBy }) => cancelledBy === "signal"),
  };
}

/**
 * How generations end as answers. One that was broken off counts if its asker has read a part of it: in a stream, or at the deadline.
 *
 * @throws InferenceError when there is nothing to deliver
 */
function writtenOf(generations: readonly Generation[], stream: boolean): WrittenAnswer[] {
  const counts = ({ finishReason, cancelledBy, outputIds }: Generation) =>
    finishReason !== "cancelled" || (outputIds.length > 0 && (stream || cancelledBy === "deadline"));
  const lost = generations.find((one) => !counts(one));
  const left = generations.some(({ cancelledBy }) => cancelledBy === "signal") && !stream;
  if (lost !== undefined && (left || !generations.some(counts)))
    throw lost.cancelledBy === "deadline"
      ? new InferenceError(
          504,
          "timeout",
          "The answer did not begin in time. Nothing is charged; try again.",
          {
            retryAfterMs: 5_000,
          },
        )
      : new InferenceError(499, "cancelled", "The request was cancelled before its answer was delivered.");
  return generations.map((one) => {
    const { finishReason, promptIds, outputIds, text, logprobs, seed, fingerprint } = one;
    const ended = finishReason === "cancelled" ? "length" : finishReason;
    if (!counts(one))
      return {
        promptIds: [],
        outputIds: [],
        text: "",
        logprobs: null,
        finishReason: ended,
        seed,
        fingerprint,
      };
    return {
      promptIds,
      outputIds,
      text,
      logprobs: logprobs ?? null,
      finishReason: ended,
      seed,
      fingerprint,
    };
  });
}
