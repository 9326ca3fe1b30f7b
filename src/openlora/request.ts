/** What is asked of OpenLoRA and what it answers. */
import { z } from "zod";
import type { Precision } from "../engine/index.ts";
import { type Digest, digestSchema } from "../protocol/index.ts";

const wellFormed = (text: string) => text.isWellFormed();

const messageSchema = z.strictObject({
  role: z.string().min(1).max(64),
  /** null only where the message is nothing but tool calls. */
  content: z.string().nullable(),
  name: z.string().max(256).optional(),
  tool_calls: z
    .array(
      z.strictObject({
        id: z.string().max(256),
        type: z.literal("function"),
        /** `arguments` is JSON text; the chat template gets the object it stands for. */
        function: z.strictObject({ name: z.string().min(1).max(256), arguments: z.string() }),
      }),
    )
    .min(1)
    .max(128)
    .readonly()
    .optional(),
  tool_call_id: z.string().max(256).optional(),
});

/** A turn of a chat, as OpenAI's API writes it, its content as text. */
export type Message = z.infer<typeof messageSchema>;

const toolSchema = z.strictObject({
  type: z.literal("function"),
  function: z.strictObject({
    name: z.string().min(1).max(256),
    description: z.string().optional(),
    /** A JSON schema. */
    parameters: z.record(z.string(), z.unknown()).optional(),
  }),
});

/** A function the model may ask for, as OpenAI's API writes it. */
export type Tool = z.infer<typeof toolSchema>;

const toolsBytesMax = 256 * 1_024;

/** Whether it is JSON of at most this size; false too where it is nested too deep to be written. */
function jsonFits(value: unknown, bytes: number): boolean {
  try {
    return Buffer.byteLength(JSON.stringify(value)) <= bytes;
  } catch {
    return false;
  }
}

export const promptSchema = z.union([
  z.strictObject({
    messages: z.array(messageSchema).min(1).max(1_024).readonly(),
    tools: z
      .array(toolSchema)
      .min(1)
      .max(128)
      .refine(
        (tools) => jsonFits(tools, toolsBytesMax),
        `expected at most ${toolsBytesMax} bytes of JSON in all`,
      )
      .readonly()
      .optional(),
  }),
  z.strictObject({ prompt: z.string() }),
  z.strictObject({ ids: z.array(z.int().min(0)).min(1).max(1_048_576).readonly() }),
]);

/** A chat, read through the checkpoint's own template; a text to continue; or tokens as they are. */
export type Prompt = z.infer<typeof promptSchema>;

const formatBytesMax = 64 * 1_024;
const formatText = z
  .string()
  .refine(
    (text) => Buffer.byteLength(text) <= formatBytesMax,
    `expected at most ${formatBytesMax} bytes of JSON`,
  );

const formatSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("json") }),
  z.strictObject({ type: z.literal("json-schema"), schema: formatText }),
  z.strictObject({ type: z.literal("structural-tag"), tag: formatText }),
]);

/**
 * What an answer must be: any JSON object, JSON after a schema (as text), or text with tagged parts (xgrammar's structural tag as text,
 * without grammars of the asker's own).
 */
export type Format = z.infer<typeof formatSchema>;

export const generateRequestSchema = z.strictObject({
  /** The adapter's digest; left out, the base model answers. */
  adapter: digestSchema.optional(),
  prompt: promptSchema,
  /** Most tokens to generate; see {@link answerLimit} for the default and what it is clamped to. */
  maxTokens: z.int().min(1).optional(),
  /** 0 chooses the most likely token at every step, after bias, penalties and format. */
  temperature: z.number().min(0).max(2).default(1),
  topP: z.number().gt(0).max(1).default(1),
  /** Draw from this many of the most likely tokens; 0: from all. */
  topK: z.int().min(0).default(0),
  /** Draw from tokens at least this fraction as likely as the most likely one. */
  minP: z.number().min(0).max(1).default(0),
  /** Taken from a token's logit for every time it stands in the answer, and once if it does at all (OpenAI's). */
  frequencyPenalty: z.number().min(-2).max(2).default(0),
  presencePenalty: z.number().min(-2).max(2).default(0),
  /** Positive logits of tokens in prompt or answer are divided by it, negative ones multiplied (Keskar et al., CTRL, 2019). */
  repetitionPenalty: z.number().min(0.1).max(10).default(1),
  /** Added to the logits of these tokens. */
  logitBias: z
    .record(
      z.string().regex(/^(0|[1-9][0-9]{0,8})$/, "expected a token's number"),
      z.number().min(-100).max(100),
    )
    .refine((bias) => Object.keys(bias).length <= 300, "expected at most 300 tokens")
    .default({}),
  /** Report each token's log-probability, and those of this many of the most likely tokens. */
  logprobs: z.int().min(0).max(20).optional(),
  format: formatSchema.optional(),
  /** Left out, one is drawn; the answer says which. */
  seed: z.int().min(0).optional(),
  /** The answer ends before the first of these; they are not part of its text. */
  stop: z
    .array(z.string().min(1).max(256).refine(wellFormed, "expected well-formed Unicode"))
    .max(16)
    .readonly()
    .default([]),
  /** Whose request this is: where requests must wait, tenants take turns. */
  tenant: z.string().max(256).default(""),
  /** When the asker stops waiting, in epoch milliseconds: it counts as cancelled then. */
  deadlineAtMs: z.int().min(0).optional(),
});

/** A request as a caller writes it. */
export type GenerateInput = z.input<typeof generateRequestSchema>;

/** A request with its defaults filled in. */
export type GenerateRequest = z.infer<typeof generateRequestSchema> & { seed: number };

/** A token that could stand at a place of the answer. Log-probabilities are natural, and the model's own: before temperature and cuts. */
export type TokenChance = {
  readonly id: number;
  /** The token alone as text; a token that is part of a character reads U+FFFD. */
  readonly token: string;
  /** Exactly the bytes it stands for. */
  readonly bytes: readonly number[];
  readonly logprob: number;
};

/** The chosen token and the most likely ones in its place, most likely first. */
export type TokenLogprob = TokenChance & { readonly top: readonly TokenChance[] };

export const embedRequestSchema = z.strictObject({
  /** The adapter's digest; left out, the base model reads the texts. */
  adapter: digestSchema.optional(),
  /** Texts, or texts as tokens. */
  prompts: z
    .array(z.union([z.string(), z.array(z.int().min(0)).min(1).readonly()]))
    .min(1)
    .max(2_048)
    .readonly(),
});

/** Texts to make vectors of. */
export type EmbedRequest = z.infer<typeof embedRequestSchema>;

export type Embeddings = {
  /** One for each text, `[d]`. */
  readonly vectors: readonly Float32Array[];
  readonly promptTokens: number;
};

/** A part of an answer. All texts joined are the answer's text, all ids joined its `outputIds`. */
export type Piece = {
  /** Whole characters only; empty while a character or a possible stop string is unfinished. */
  readonly text: string;
  /** The token this step chose; empty in a last piece that only hands out text held back. */
  readonly ids: readonly number[];
  /** One for each of `ids`, where the request asked for them. */
  readonly logprobs?: readonly TokenLogprob[];
};

export type FinishReason = "stop" | "length" | "cancelled";

export type Generation = {
  /**
   * The tokens of `outputIds` as text, up to the stop string where one ended the answer. A character that the last tokens
   * began but did not finish is left out.
   */
  readonly text: string;
  readonly promptIds: readonly number[];
  /**
   * Every token generated, in order, without the end-of-text token. A stop string's own tokens are among them: what is
   * scored and charged is what was generated.
   */
  readonly outputIds: readonly number[];
  /** One for each of `outputIds`, where the request asked for them. */
  readonly logprobs?: readonly TokenLogprob[];
  /** `stop`: end of text or a stop string; `length`: `maxTokens` reached; `cancelled`: the signal or the deadline. */
  readonly finishReason: FinishReason;
  /** The model chose the end-of-text token, which follows `outputIds` but is not among them. */
  readonly endedByEos: boolean;
  /** What cancelled it, where it was. */
  readonly cancelledBy: "signal" | "deadline" | null;
  /** Most tokens it could have had, after clamping. */
  readonly maxTokens: number;
  readonly seed: number;
  /** {@link fingerprintOf} base and adapter. */
  readonly fingerprint: string;
  /** From the request's arrival to its end; the part of it spent waiting for a row or an adapter. */
  readonly seconds: number;
  readonly waitedSeconds: number;
};

/**
 * Names exactly what answered: the base checkpoint's digest, its precision after a colon unless it is float32, and the adapter's digest
 * after a plus sign.
 */
export const fingerprintOf = (
  baseDigest: Digest,
  precision: Precision,
  adapter?: Digest | undefined,
): string =>
  `${baseDigest}${precision === "f32" ? "" : `:${precision}`}${adapter === undefined ? "" : `+${adapter}`}`;

/**
 * Most tokens of an answer: what was asked for, or `defaultMaxTokens`, and never more than the context has left. A payer
 * who reserves for this many reserves enough.
 *
 * @example
 * answerLimit({ contextTokens: 100, defaultMaxTokens: 64 }, 90, undefined)
 * // 10
 */
export const answerLimit = (
  limits: { readonly contextTokens: number; readonly defaultMaxTokens: number },
  promptTokens: number,
  maxTokens: number | undefined,
): number => Math.min(maxTokens ?? limits.defaultMaxTokens, limits.contextTokens - promptTokens);
