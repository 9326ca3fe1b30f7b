/** What is asked of OpenLoRA and what it answers. */
import { z } from "zod";
import { type Digest, digestSchema } from "../protocol/index.ts";

const wellFormed = (text: string) => text.isWellFormed();

export const promptSchema = z.union([
  z.strictObject({
    messages: z
      .array(z.strictObject({ role: z.string().min(1).max(64), content: z.string() }))
      .min(1)
      .max(1_024)
      .readonly(),
  }),
  z.strictObject({ prompt: z.string() }),
]);

/** A chat, read through the checkpoint's own template, or a text to continue. */
export type Prompt = z.infer<typeof promptSchema>;

export const generateRequestSchema = z.strictObject({
  /** The adapter's digest; left out, the base model answers. */
  adapter: digestSchema.optional(),
  prompt: promptSchema,
  /** Most tokens to generate; see {@link answerLimit} for the default and what it is clamped to. */
  maxTokens: z.int().min(1).optional(),
  /** 0 chooses the most likely token at every step. */
  temperature: z.number().min(0).max(2).default(1),
  topP: z.number().gt(0).max(1).default(1),
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

/** A part of an answer. All texts joined are the answer's text, all ids joined its `outputIds`. */
export type Piece = {
  /** Whole characters only; empty while a character or a possible stop string is unfinished. */
  readonly text: string;
  /** The token this step chose; empty in a last piece that only hands out text held back. */
  readonly ids: readonly number[];
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

/** Names exactly what answered: the base checkpoint's digest, and the adapter's after a plus sign. */
export const fingerprintOf = (baseDigest: Digest, adapter?: Digest | undefined): string =>
  adapter === undefined ? baseDigest : `${baseDigest}+${adapter}`;

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
