/** Training examples to token sequences. */
import type { Sequence } from "./batch.ts";
import type { ChatMessage, ChatTool } from "./chat.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** What a Datanet row says: a chat whose last message is learned, or a text to complete. */
export type Example =
  | { readonly messages: readonly ChatMessage[] }
  | { readonly prompt: string; readonly completion: string };

export type SequenceOptions = {
  /**
   * Put loss on the token that ends a chat's answer, too: without it a fine-tuned model forgets to stop. A text to complete has no such
   * end.
   */
  readonly trainOnEnd: boolean;
  /** Longer sequences lose their beginning. */
  readonly maxLength: number;
};

/** Tokens of a prompt as generation and training both see it. */
export function promptTokens(
  tokenizer: Tokenizer,
  prompt:
    | { readonly messages: readonly ChatMessage[]; readonly tools?: readonly ChatTool[] | undefined }
    | { readonly prompt: string },
): number[] {
  if ("messages" in prompt)
    return tokenizer.encode(
      tokenizer.renderChat(prompt.messages, { addGenerationPrompt: true, tools: prompt.tools }),
    );
  return [...(tokenizer.addBos ? [tokenizer.bosId] : []), ...tokenizer.encode(prompt.prompt)];
}

/**
 * Joins a prompt and its answer; loss falls on the answer.
 *
 * @param output tokens of the answer, as generated or as tokenised
 */
export function sequenceOf(
  prompt: readonly number[],
  output: readonly number[],
  maxLength: number,
): Sequence {
  const all = [...prompt, ...output];
  const cut = Math.max(0, all.length - maxLength);
  const first = Math.max(1, prompt.length - cut);
  const ids = all.slice(cut);
  return { ids, targets: Array.from({ length: Math.max(0, ids.length - first) }, (_, i) => first + i) };
}

/** The sequence a model is trained on for one example. */
export function exampleSequence(tokenizer: Tokenizer, example: Example, options: SequenceOptions): Sequence {
  if ("prompt" in example)
    return sequenceOf(
      promptTokens(tokenizer, example),
      tokenizer.encode(example.completion),
      options.maxLength,
    );
  const before = example.messages.slice(0, -1);
  const asked = tokenizer.renderChat(before, { addGenerationPrompt: true });
  const whole = tokenizer.renderChat(example.messages, { addGenerationPrompt: false });
  if (!whole.startsWith(asked))
    throw new RangeError(
      "This model's chat template does not continue its own generation prompt, so answers cannot be told from questions.",
    );
  const prompt = tokenizer.encode(asked);
  const answer = tokenizer.encode(whole.slice(asked.length));
  // Templates end a turn with a token of their own choice, and some write a line break behind it.
  const end = answer.findLastIndex((id) => tokenizer.eosIds.includes(id));
  const ended = end !== -1 && tokenizer.decode(answer.slice(end)).trim() === "";
  const trimmed = ended ? answer.slice(0, end) : answer;
  const endId = ended ? (answer[end] as number) : tokenizer.eosId;
  return sequenceOf(prompt, [...trimmed, ...(options.trainOnEnd ? [endId] : [])], options.maxLength);
}
