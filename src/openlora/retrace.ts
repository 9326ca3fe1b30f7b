/** An answer's tokens back to the text they were delivered as: for whoever checks it later. */
import type { Tokenizer } from "../engine/index.ts";
import { createAnswer } from "./answer.ts";

/**
 * @param outputIds tokens of the answer, without the one that ended it
 * @param stop the request's stop strings, before the first of which an answer ends
 * @returns the text; undefined for tokens that no answer to such a request consists of, because it would have ended before the last of them
 */
export function answerText(
  tokenizer: Pick<Tokenizer, "decode" | "eosIds" | "vocabulary">,
  outputIds: readonly number[],
  stop: readonly string[],
): string | undefined {
  const answer = createAnswer(tokenizer, { stop, maxTokens: Number.POSITIVE_INFINITY }, () => {});
  for (const [i, id] of outputIds.entries()) {
    const end = answer.push({ id });
    if (end !== undefined && (end.endedByEos || i < outputIds.length - 1)) return undefined;
  }
  answer.cancel();
  return answer.text;
}
