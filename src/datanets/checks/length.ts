import type { Example } from "../../protocol/index.ts";
import { eachRow, fieldsOf } from "./each-row.ts";
import type { Rules } from "./rules.ts";
import type { Check } from "./verdict.ts";

/** Tokens of a text, as the base model counts them. */
export type CountTokens = (text: string) => number;

/** Tokens of all that an example says. */
export const tokensOf = (example: Example, countTokens: CountTokens): number =>
  fieldsOf(example).reduce((sum, { text }) => sum + countTokens(text), 0);

/**
 * Length in the base model's tokens, where the rules bound it. A tokenizer of bytes makes no more tokens than there are bytes, so that most
 * rows need no counting to be short enough.
 */
export function lengthCheck({ minTokens, maxTokens }: Rules, countTokens: CountTokens | undefined): Check {
  return eachRow("length", ({ example }) => {
    if (countTokens === undefined || (minTokens === undefined && maxTokens === undefined)) return undefined;
    const bytes = fieldsOf(example).reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
    if (minTokens === undefined && bytes <= (maxTokens as number)) return undefined;
    const tokens = tokensOf(example, countTokens);
    if (tokens < (minTokens ?? 0))
      return {
        message: `It has ${tokens} tokens, at least ${minTokens} are asked for.`,
        details: { tokens, minTokens },
      };
    if (tokens > (maxTokens ?? tokens))
      return {
        message: `It has ${tokens} tokens, at most ${maxTokens} are taken.`,
        details: { tokens, maxTokens },
      };
    return undefined;
  });
}
