/** What a request's bytes ask of a base model, in tokens: for whoever checks an answer without the node that gave it. */
import type { Checkpoint } from "../engine/index.ts";
import { readPrompt } from "../openlora/index.ts";
import { parseBody } from "./body.ts";
import { parseAsk } from "./request.ts";
import { detectToolFormat } from "./tool-format.ts";

export type Asked = {
  /** Tokens of each prompt. */
  readonly prompts: readonly (readonly number[])[];
  /** Strings before the first of which an answer ends. */
  readonly stop: readonly string[];
};

/**
 * Which route was asked follows from the body: only chats have messages.
 *
 * @throws InferenceError, OpenLoraError for a body that no node over this base would have answered
 */
export function askedTokens(body: Uint8Array, base: Pick<Checkpoint, "config" | "tokenizer">): Asked {
  const { tokenizer, config } = base;
  const request = parseBody(body);
  const ask = parseAsk("messages" in request ? "chat" : "text", request, {
    optedOut: false,
    toolFormat: detectToolFormat(tokenizer.toolTemplate),
  });
  const limits = { contextTokens: config.maxPositions, vocabTokens: config.vocab };
  return {
    prompts: ask.prompts.map((prompt) => readPrompt(tokenizer, limits, prompt)),
    stop: [...(ask.generation.stop ?? [])],
  };
}
