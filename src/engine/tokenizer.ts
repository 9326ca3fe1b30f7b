/** Text to tokens and back, and chats to text, as the checkpoint's own files say. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Template } from "@huggingface/jinja";
import { Tokenizer as HubTokenizer } from "@huggingface/tokenizers";
import { z } from "zod";
import { CheckpointError } from "./safetensors.ts";
import { readVocabulary, type Vocabulary } from "./vocabulary.ts";

export type ChatMessage = { readonly role: string; readonly content: string };

export type Tokenizer = {
  encode(text: string): number[];
  decode(ids: readonly number[]): string;
  /**
   * The chat as the model was taught to read it.
   *
   * @throws CheckpointError when the checkpoint has no chat template
   * @throws ControlTokenError when a message spells one of the model's control tokens and could so forge a turn
   */
  renderChat(messages: readonly ChatMessage[], options: { addGenerationPrompt: boolean }): string;
  readonly eosId: number;
  readonly bosId: number;
  /** Put before a text that is not a chat, when the model was taught so. */
  readonly addBos: boolean;
  /** Read when it is first asked for. */
  readonly vocabulary: Vocabulary;
};

/** A text from outside that spells a control token. */
export class ControlTokenError extends Error {
  override name = "ControlTokenError";
}

const special = z
  .union([z.string(), z.object({ content: z.string() }).transform((t) => t.content)])
  .nullish();
const tokenizerConfig = z.object({
  bos_token: special,
  eos_token: special,
  add_bos_token: z.boolean().optional(),
  chat_template: z.string().optional(),
});

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new CheckpointError(
      `Cannot read ${path}: ${(cause as Error).message}. A model folder needs this file.`,
      { cause },
    );
  }
}

/** Loads `tokenizer.json` and `tokenizer_config.json` from a Hugging Face folder. */
export function loadTokenizer(folder: string): Tokenizer {
  return createTokenizer(
    readJson(join(folder, "tokenizer.json")),
    readJson(join(folder, "tokenizer_config.json")),
  );
}

export function createTokenizer(tokenizerJson: unknown, configJson: unknown): Tokenizer {
  const config = tokenizerConfig.parse(configJson);
  const hub = new HubTokenizer(tokenizerJson as object, configJson as object);
  const idOf = (token: string | null | undefined, what: string): number => {
    const id = token === null || token === undefined ? undefined : hub.token_to_id(token);
    if (id === undefined) throw new CheckpointError(`The tokenizer has no ${what} token ("${token}").`);
    return id;
  };
  const eosId = idOf(config.eos_token, "end-of-text");
  const bosId =
    config.bos_token === null || config.bos_token === undefined
      ? eosId
      : idOf(config.bos_token, "begin-of-text");
  let vocabulary: Vocabulary | undefined;
  let template: Template | undefined;
  const controls = [...hub.get_added_tokens_decoder().values()]
    .filter((token) => token.special)
    .map((token) => token.content);
  return {
    get vocabulary() {
      vocabulary ??= readVocabulary(tokenizerJson);
      return vocabulary;
    },
    eosId,
    bosId,
    addBos: config.add_bos_token ?? false,
    encode: (text) => hub.encode(text, { add_special_tokens: false }).ids,
    decode: (ids) => (ids.length === 0 ? "" : hub.decode([...ids], { skip_special_tokens: true })),
    renderChat(messages, { addGenerationPrompt }) {
      if (config.chat_template === undefined)
        throw new CheckpointError(
          "This model has no chat template: use completions, not chat, or add one to tokenizer_config.json.",
        );
      for (const { content } of messages) {
        const control = controls.find((token) => content.includes(token));
        if (control !== undefined)
          throw new ControlTokenError(
            `A message contains "${control}", which this model reads as a control token. Take it out or write it otherwise.`,
          );
      }
      template ??= new Template(config.chat_template);
      return template.render({
        messages,
        add_generation_prompt: addGenerationPrompt,
        bos_token: config.bos_token ?? "",
        eos_token: config.eos_token ?? "",
      });
    },
  };
}
