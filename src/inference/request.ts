/** OpenAI's requests for chats and completions, and the sampling parameters that other servers add to them. */
import { z } from "zod";
import type { GenerateInput, Prompt } from "../openlora/index.ts";
import { mentionTools, messageSchema, plainMessages, templateMessages, textSchema } from "./messages.ts";
import { honoured, invalidValue, parsed } from "./parameters.ts";
import type { ToolFormat } from "./tool-format.ts";
import {
  formatOf,
  planTools,
  requireToolFormat,
  responseFormatSchema,
  type ToolUse,
  toolShape,
} from "./tool-request.ts";

/** Which route was asked. */
export type AnswerKind = "chat" | "text";

/** How every choice is generated. */
export type Generating = Pick<
  GenerateInput,
  | "maxTokens"
  | "temperature"
  | "topP"
  | "topK"
  | "minP"
  | "frequencyPenalty"
  | "presencePenalty"
  | "repetitionPenalty"
  | "logitBias"
  | "logprobs"
  | "format"
  | "stop"
>;

/** What is asked, whichever route it came by. */
export type Ask = {
  readonly kind: AnswerKind;
  readonly model: string;
  /** Each is answered `n` times; a chat is one. */
  readonly prompts: readonly Prompt[];
  readonly n: number;
  /** Of the first choice of every prompt; the next ones follow. */
  readonly seed: number | undefined;
  readonly generation: Generating;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** False: the payer wants nobody's influence traced, and the data part of the fee goes to the common pools. */
  readonly attribution: boolean;
  /** How tool calls are read from the answer; null where there can be none. */
  readonly tools: ToolUse | null;
};

/** Answers of one request: each takes a row of the batch. */
const choicesMax = 16;

const shortText = textSchema.min(1).max(256);
const said = <T extends z.ZodType>(schema: T, description: string) => schema.meta({ description });

/** What a model is asked for by. */
export const modelName = said(
  textSchema
    .min(1)
    .max(128)
    .regex(/^\P{Cc}*$/u, "expected a name without control characters"),
  "The base model's name, a model's (its newest release answers), a release id, or an adapter the operator loaded",
);

const sharedShape = {
  model: modelName,
  max_tokens: said(
    z.int().min(1).max(1_000_000).optional(),
    "Most tokens of one choice; cut to what the context has left",
  ),
  n: said(
    z.int().min(1).max(choicesMax).default(1),
    "Choices, with the seeds seed, seed+1, … Each is an answer of its own: with its own openledger facts and receipt where it is paid for. usage counts the prompt once per choice, so that the fee is price × usage",
  ),
  temperature: said(z.number().min(0).max(2).default(1), "0 chooses the most likely token at every step"),
  top_p: z.number().gt(0).max(1).default(1),
  top_k: said(
    z.int().min(-1).max(1_000_000).default(0),
    "Draw from this many of the most likely tokens; 0 or -1: from all",
  ),
  min_p: said(
    z.number().min(0).max(1).default(0),
    "Draw from tokens at least this fraction as likely as the most likely one",
  ),
  frequency_penalty: z.number().min(-2).max(2).default(0),
  presence_penalty: z.number().min(-2).max(2).default(0),
  repetition_penalty: said(
    z.number().min(0.1).max(10).default(1),
    "Logits of tokens in prompt or answer are divided by it if positive, multiplied if negative",
  ),
  logit_bias: said(
    z
      .record(
        z.string().regex(/^(0|[1-9][0-9]{0,8})$/, "expected a token's number"),
        z.number().min(-100).max(100),
      )
      .refine((bias) => Object.keys(bias).length <= 300, "expected at most 300 tokens")
      .default({}),
    "By token number: added to its logit",
  ),
  seed: said(
    z
      .int()
      .min(0)
      .max(Number.MAX_SAFE_INTEGER - choicesMax)
      .optional(),
    "The same seed and request give the same answer; left out, one is drawn, and openledger.seed says which",
  ),
  stop: said(
    z
      .union(
        [shortText, z.array(shortText).max(16)],
        "expected a string of 1 to 256 characters, or at most 16 of them",
      )
      .default([]),
    "The answer ends before the first of these",
  ),
  stream: z.boolean().default(false),
  stream_options: z
    .strictObject({ include_usage: z.boolean().default(false), include_obfuscation: z.boolean().optional() })
    .optional(),
  user: said(z.string().max(256).optional(), "Has no effect"),
  openledger: z
    .strictObject({
      attribution: said(z.boolean().default(true), "false: trace nobody's influence"),
    })
    .optional(),
};

/** `POST /v1/chat/completions`, the part of it that is honoured. */
export const chatRequestSchema = z.strictObject({
  ...sharedShape,
  messages: z.array(messageSchema).min(1).max(1_024),
  max_completion_tokens: said(z.int().min(1).max(1_000_000).optional(), "The same as max_tokens"),
  logprobs: said(
    z.boolean().default(false),
    "Report each token's log-probability under the model's own distribution, before temperature and cuts",
  ),
  top_logprobs: said(z.int().min(0).max(20).optional(), "And those of this many of the most likely tokens"),
  response_format: said(
    responseFormatSchema.optional(),
    "json_object: the answer is a JSON object; json_schema: it follows the schema, strict or not",
  ),
  ...toolShape,
});

const promptSchema = z.union(
  [
    textSchema.transform((prompt) => [{ prompt }]),
    z
      .array(textSchema)
      .min(1)
      .max(choicesMax)
      .transform((texts) => texts.map((prompt) => ({ prompt }))),
    z
      .array(z.int().min(0))
      .min(1)
      .transform((ids) => [{ ids }]),
    z
      .array(z.array(z.int().min(0)).min(1))
      .min(1)
      .max(choicesMax)
      .transform((prompts) => prompts.map((ids) => ({ ids }))),
  ],
  `expected a string of well-formed Unicode, a list of token numbers, or at most ${choicesMax} of either`,
);

/** `POST /v1/completions`, the part of it that is honoured. */
export const textRequestSchema = z.strictObject({
  ...sharedShape,
  prompt: said(
    promptSchema,
    "A text, token numbers, or several of either: every prompt is answered n times, in order",
  ),
  logprobs: said(z.int().min(0).max(20).optional(), "As in chats, with this many of the most likely tokens"),
  response_format: responseFormatSchema.optional(),
});

type Shared = Omit<z.output<typeof textRequestSchema>, "prompt" | "logprobs" | "response_format">;

/** What the request's surroundings say. */
export type AskContext = {
  /** The request's header says that the payer wants no attribution. */
  readonly optedOut: boolean;
  /** In which the served base writes tool calls. */
  readonly toolFormat: ToolFormat | null;
};

/**
 * Reads a request's JSON.
 *
 * @throws InferenceError 400, naming the parameter
 */
export function parseAsk(
  kind: AnswerKind,
  body: Readonly<Record<string, unknown>>,
  { optedOut, toolFormat }: AskContext,
): Ask {
  const kept = honoured(body);
  const { given, ...own } = kind === "chat" ? chatAsk(kept, toolFormat) : textAsk(kept);
  if (given.stream_options !== undefined && !given.stream)
    throw invalidValue("stream_options", "it is allowed only when 'stream' is true");
  const choices = own.prompts.length * given.n;
  if (choices > choicesMax)
    throw invalidValue(
      "n",
      `${own.prompts.length} prompts with ${given.n} choices each are ${choices} answers; one request may ask for ${choicesMax}`,
    );
  return {
    kind,
    model: given.model,
    prompts: own.prompts,
    n: given.n,
    seed: given.seed,
    generation: {
      maxTokens: own.maxTokens,
      temperature: given.temperature,
      topP: given.top_p,
      topK: Math.max(0, given.top_k),
      minP: given.min_p,
      frequencyPenalty: given.frequency_penalty,
      presencePenalty: given.presence_penalty,
      repetitionPenalty: given.repetition_penalty,
      logitBias: given.logit_bias,
      logprobs: own.logprobs,
      format: own.format,
      stop: typeof given.stop === "string" ? [given.stop] : given.stop,
    },
    stream: given.stream,
    includeUsage: given.stream_options?.include_usage ?? false,
    attribution: !optedOut && (given.openledger?.attribution ?? true),
    tools: own.tools,
  };
}

type Own = Pick<Ask, "prompts" | "tools"> &
  Pick<Generating, "maxTokens" | "logprobs" | "format"> & { given: Shared };

function chatAsk(kept: Record<string, unknown>, toolFormat: ToolFormat | null): Own {
  const given = parsed(chatRequestSchema, { ...kept, messages: plainMessages(kept.messages) });
  const { max_tokens, max_completion_tokens, logprobs, top_logprobs } = given;
  if (max_tokens !== undefined && max_completion_tokens !== undefined && max_tokens !== max_completion_tokens)
    throw invalidValue(
      "max_tokens",
      `it is ${max_tokens} and 'max_completion_tokens' is ${max_completion_tokens}. Give one`,
    );
  if (top_logprobs !== undefined && top_logprobs > 0 && !logprobs)
    throw invalidValue("top_logprobs", "it is allowed only when 'logprobs' is true");
  if (mentionTools(given.messages)) requireToolFormat(toolFormat, "messages");
  const { tools, use, format } = planTools(given, given.response_format, toolFormat);
  const messages = templateMessages(given.messages);
  return {
    given,
    prompts: [tools.length === 0 ? { messages } : { messages, tools }],
    maxTokens: max_completion_tokens ?? max_tokens,
    logprobs: logprobs ? (top_logprobs ?? 0) : undefined,
    format,
    tools: use,
  };
}

function textAsk(kept: Record<string, unknown>): Own {
  const given = parsed(textRequestSchema, kept);
  return {
    given,
    prompts: given.prompt,
    maxTokens: given.max_tokens,
    logprobs: given.logprobs,
    format: formatOf(given.response_format),
    tools: null,
  };
}
