/** Text to tokens and back, and chats to text, as the checkpoint's own files say. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { Tokenizer as HubTokenizer } from "@huggingface/tokenizers";
import { z } from "zod";
import { type ChatMessage, type ChatOptions, chatTemplates, createChat } from "./chat.ts";
import { CheckpointError } from "./safetensors.ts";
import { readVocabulary, type Vocabulary } from "./vocabulary.ts";

export type Tokenizer = {
  /** @throws RangeError when the text holds half of a surrogate pair: it stands for no character, so there are no tokens for it */
  encode(text: string): number[];
  /** As {@link encode}, with what the tokenizer puts around a whole text: a beginning, for some models an end. */
  encodeWhole(text: string): number[];
  /** Special tokens are left out, and so are numbers that are no tokens (vocabularies are padded to round sizes). */
  decode(ids: readonly number[]): string;
  /**
   * The chat as the model was taught to read it.
   *
   * @throws CheckpointError when there is no chat template
   * @throws ChatError when the template refuses the chat, fails or runs out of bounds
   * @throws ControlTokenError when a message or tool spells one of the model's control tokens and could so forge a turn
   */
  renderChat(messages: readonly ChatMessage[], options: ChatOptions): string;
  /** The template that renders chats with tools, Jinja text: it shows how this model writes calls. null where there is none. */
  readonly toolTemplate: string | null;
  /** The token written at the end of a text; first of {@link Tokenizer.eosIds}. */
  readonly eosId: number;
  /** Every token that ends an answer. */
  readonly eosIds: readonly number[];
  readonly bosId: number;
  /** Put before a text that is not a chat, when the model was taught so. */
  readonly addBos: boolean;
  /** Read when it is first asked for. */
  readonly vocabulary: Vocabulary;
};

/** What else may say how a tokenizer is used. */
export type TokenizerExtras = {
  /** `chat_template.jinja`; counts more than what tokenizer_config.json says. */
  readonly chatTemplate?: string | undefined;
  /** `generation_config.json`, or `config.json` where there is none: more tokens that end an answer. */
  readonly generation?: unknown;
};

const special = z
  .union([z.string(), z.object({ content: z.string() }).transform((t) => t.content)])
  .nullish();
const tokenizerConfig = z.looseObject({
  bos_token: special,
  eos_token: special,
  add_bos_token: z.boolean().nullish(),
  add_eos_token: z.boolean().nullish(),
  chat_template: chatTemplates.nullish(),
});
const tokenId = z.number().int().nonnegative();
const generationConfig = z.object({
  eos_token_id: z.union([tokenId.transform((id) => [id]), z.array(tokenId).max(64)]).nullish(),
});

const maxFileBytes = 100 * 1024 * 1024;

function readText(path: string): string {
  try {
    const { size } = statSync(path);
    if (size > maxFileBytes) throw new Error(`it has ${size} bytes, at most ${maxFileBytes} are read`);
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new CheckpointError(
      `Cannot read ${path}: ${(cause as Error).message}. A model folder needs this file.`,
      { cause },
    );
  }
}

function readJson(path: string): unknown {
  const text = readText(path);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CheckpointError(`${path} is not JSON: ${(cause as Error).message}.`, { cause });
  }
}

/** The files of a folder that say how text becomes tokens and when an answer ends, in the order their digests are listed. */
export const tokenizerFiles = (folder: string): string[] => [
  "tokenizer.json",
  "tokenizer_config.json",
  ...["chat_template.jinja", "generation_config.json"].filter((file) => existsSync(join(folder, file))),
];

/** Loads a Hugging Face folder's tokenizer. @throws CheckpointError when a file is missing or malformed */
export function loadTokenizer(folder: string): Tokenizer {
  const present = (file: string) => existsSync(join(folder, file));
  const generation = ["generation_config.json", "config.json"].find(present);
  return createTokenizer(
    readJson(join(folder, "tokenizer.json")),
    readJson(join(folder, "tokenizer_config.json")),
    {
      chatTemplate: present("chat_template.jinja")
        ? readText(join(folder, "chat_template.jinja"))
        : undefined,
      generation: generation === undefined ? undefined : readJson(join(folder, generation)),
    },
  );
}

/**
 * @param tokenizerJson contents of `tokenizer.json`
 * @param configJson contents of `tokenizer_config.json`
 * @throws CheckpointError when one of them is malformed
 */
export function createTokenizer(
  tokenizerJson: unknown,
  configJson: unknown,
  extras: TokenizerExtras = {},
): Tokenizer {
  const config = check(tokenizerConfig, configJson, "tokenizer_config.json");
  const generation = check(generationConfig, extras.generation ?? {}, "generation_config.json");
  const hub = openHub(tokenizerJson, configJson);
  const idOf = (token: string | null | undefined): number | undefined => {
    if (token === null || token === undefined) return undefined;
    const id = hub.token_to_id(token);
    if (id === undefined)
      throw new CheckpointError(
        `tokenizer_config.json names the token "${token}", which tokenizer.json lacks.`,
      );
    return id;
  };
  const eosIds = [...new Set([idOf(config.eos_token) ?? [], generation.eos_token_id ?? []].flat())];
  const [eosId] = eosIds;
  if (eosId === undefined)
    throw new CheckpointError(
      "The model names no token that ends a text: neither eos_token in tokenizer_config.json nor eos_token_id in generation_config.json.",
    );
  const bosId = idOf(config.bos_token) ?? eosId;
  const { before, after } = surroundings(hub);
  const first = config.add_bos_token == null ? before : config.add_bos_token ? [bosId] : [];
  const last = config.add_eos_token == null ? after : config.add_eos_token ? [eosId] : [];
  const encode = (text: string): number[] => {
    if (!text.isWellFormed())
      throw new RangeError("The text holds half of a surrogate pair, which stands for no character.");
    return hub
      .encode(text, { add_special_tokens: false })
      .ids.filter((id: number | undefined) => id !== undefined);
  };
  const templates = new Map(config.chat_template);
  if (extras.chatTemplate !== undefined) templates.set("default", extras.chatTemplate);
  const renderChat = createChat({
    templates,
    controls: [...hub.get_added_tokens_decoder().values()]
      .filter((token) => token.special && token.content !== "")
      .map((token) => token.content),
    tokens: { bos_token: "", eos_token: "", ...specialTokens(config) },
  });
  let vocabulary: Vocabulary | undefined;
  return {
    get vocabulary() {
      vocabulary ??= readVocabulary(tokenizerJson);
      return vocabulary;
    },
    eosId,
    eosIds,
    bosId,
    addBos: first.includes(bosId),
    encode,
    encodeWhole: (text) => [...first, ...encode(text), ...last],
    decode(ids) {
      const known = ids.filter((id) => hub.id_to_token(id) !== undefined);
      return known.length === 0
        ? ""
        : hub.decode(known, { skip_special_tokens: true, clean_up_tokenization_spaces: false });
    },
    renderChat,
    toolTemplate: templates.get("tool_use") ?? templates.get("default") ?? null,
  };
}

function check<T>(schema: z.ZodType<T>, value: unknown, file: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new CheckpointError(`${file} is not what a tokenizer needs: ${z.prettifyError(parsed.error)}`);
}

function openHub(tokenizer: unknown, config: unknown): HubTokenizer {
  try {
    const hub = new HubTokenizer(withUnicodeDigits(tokenizer), config as object);
    keepByteOrderMarks(hub);
    return hub;
  } catch (cause) {
    throw new CheckpointError(`tokenizer.json cannot be used: ${(cause as Error).message}.`, { cause });
  }
}

/** `@huggingface/tokenizers` 0.2.0 splits at ASCII digits only; Hugging Face's tokenizers at every numeric character. */
function withUnicodeDigits(tokenizer: unknown): object {
  const replace = (part: unknown): unknown => {
    const { type, pretokenizers, individual_digits: individual } = (part ?? {}) as Record<string, unknown>;
    if (type === "Sequence" && Array.isArray(pretokenizers))
      return { type, pretokenizers: pretokenizers.map(replace) };
    if (type !== "Digits") return part;
    return {
      type: "Split",
      pattern: { Regex: individual === true ? "\\p{N}" : "\\p{N}+" },
      behavior: "Isolated",
      invert: false,
    };
  };
  const json = tokenizer as Record<string, unknown>;
  return { ...json, pre_tokenizer: replace(json.pre_tokenizer) };
}

/** 0.2.0 takes U+FEFF at the head of a run of byte tokens for an instruction to the decoder, and drops it. */
function keepByteOrderMarks(hub: HubTokenizer): void {
  const { decoder } = hub as unknown as { decoder?: { decoders?: object[] } | null };
  for (const part of [decoder, ...(decoder?.decoders ?? [])])
    if (part && "text_decoder" in part) part.text_decoder = new TextDecoder("utf-8", { ignoreBOM: true });
}

/** What the post-processor puts around a text. */
function surroundings(hub: HubTokenizer): { before: number[]; after: number[] } {
  const inner: number[] = hub.encode("a", { add_special_tokens: false }).ids;
  const whole: number[] = hub.encode("a", { add_special_tokens: true }).ids;
  const at = whole.findIndex((_, i) => inner.every((id, j) => whole[i + j] === id));
  return at === -1
    ? { before: [], after: [] }
    : { before: whole.slice(0, at), after: whole.slice(at + inner.length) };
}

/** Special tokens by the names templates call them. */
function specialTokens(config: Record<string, unknown>): Record<string, string> {
  const named: Record<string, string> = {};
  for (const [key, value] of Object.entries(config)) {
    const token = /^[a-z]+_token$/.test(key) ? special.safeParse(value).data : undefined;
    if (typeof token === "string") named[key] = token;
  }
  return named;
}
