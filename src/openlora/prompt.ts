/** Prompts to tokens, within bounds. */
import { promptTokens, type Tokenizer } from "../engine/index.ts";
import { OpenLoraError } from "./errors.ts";
import type { Prompt } from "./request.ts";

type PromptLimits = { readonly contextTokens: number; readonly vocabTokens: number };

/** Longest text that is tokenised at all, in characters per token of context: tokenising is work too. */
const charactersPerToken = 64;

/**
 * The tokens a prompt is generated from.
 *
 * @throws OpenLoraError `prompt-invalid` when the checkpoint's template refuses it, a token is none of the model's or nothing is left of
 * it; `prompt-too-long` when it leaves no room for an answer, with limit and length
 */
export function readPrompt(
  tokenizer: Tokenizer,
  { contextTokens, vocabTokens }: PromptLimits,
  prompt: Prompt,
): number[] {
  if ("ids" in prompt) return fitting(known(prompt.ids, vocabTokens), contextTokens);
  const characters =
    "prompt" in prompt ? prompt.prompt.length : JSON.stringify([prompt.messages, prompt.tools]).length;
  return fitting(
    tokenise(characters, contextTokens, () => promptTokens(tokenizer, prompt)),
    contextTokens,
  );
}

/** The tokens of a whole text, as {@link readPrompt} limits them. @throws OpenLoraError `prompt-invalid`, `prompt-too-long` */
export const readText = (tokenizer: Tokenizer, { contextTokens }: PromptLimits, text: string): number[] =>
  fitting(
    tokenise(text.length, contextTokens, () => tokenizer.encodeWhole(text)),
    contextTokens,
  );

function fitting(ids: number[], contextTokens: number): number[] {
  if (ids.length === 0)
    throw new OpenLoraError("prompt-invalid", "The prompt is empty. A model needs something to continue.");
  if (ids.length >= contextTokens)
    throw new OpenLoraError(
      "prompt-too-long",
      `The prompt has ${ids.length} tokens; prompt and answer together may have ${contextTokens}. Shorten the prompt.`,
      { limit: contextTokens, actual: ids.length },
    );
  return ids;
}

function known(ids: readonly number[], vocabTokens: number): number[] {
  const unknown = ids.find((id) => id >= vocabTokens);
  if (unknown === undefined) return [...ids];
  throw new OpenLoraError(
    "prompt-invalid",
    `The prompt has token ${unknown}; this model knows 0 to ${vocabTokens - 1}.`,
    { limit: vocabTokens - 1, actual: unknown },
  );
}

function tokenise(characters: number, contextTokens: number, encode: () => number[]): number[] {
  const most = contextTokens * charactersPerToken;
  if (characters > most)
    throw new OpenLoraError(
      "prompt-too-long",
      `The prompt has ${characters} characters; with a context of ${contextTokens} tokens no more than ${most} are read. Shorten the prompt.`,
      { limitCharacters: most, actualCharacters: characters },
    );
  try {
    return encode();
  } catch (cause) {
    throw new OpenLoraError("prompt-invalid", (cause as Error).message, {}, { cause });
  }
}
