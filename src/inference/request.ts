/** OpenAI's requests for chats and completions: which parameters are honoured, and which are refused because they would be ignored. */
import { z } from "zod";
import type { Prompt } from "../openlora/index.ts";
import { badRequest, type InferenceError } from "./errors.ts";

/** Which route was asked. */
export type AnswerKind = "chat" | "text";

/** What is asked, whichever route it came by. */
export type Ask = {
  readonly kind: AnswerKind;
  readonly model: string;
  readonly prompt: Prompt;
  /** Left out, OpenLoRA's default length. */
  readonly maxTokens: number | undefined;
  readonly temperature: number;
  readonly topP: number;
  readonly seed: number | undefined;
  readonly stop: readonly string[];
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** False: the payer wants nobody's influence traced, and the data part of the fee goes to the common pools. */
  readonly attribution: boolean;
};

const text = z.string().refine((value) => value.isWellFormed(), "expected well-formed Unicode");
const shortText = text.min(1).max(256);

const contentSchema = z.union(
  [
    text,
    z
      .array(z.strictObject({ type: z.literal("text"), text }))
      .min(1)
      .max(1_024),
  ],
  "expected a string of well-formed Unicode, or parts of the type text",
);
const messageSchema = z.strictObject({
  role: z.enum(["system", "developer", "user", "assistant"]),
  content: contentSchema,
});

const sharedShape = {
  model: z.string().min(1).max(128),
  max_tokens: z.int().min(1).max(1_000_000).optional(),
  temperature: z.number().min(0).max(2).default(1),
  top_p: z.number().gt(0).max(1).default(1),
  seed: z.int().min(0).optional(),
  stop: z
    .union(
      [shortText, z.array(shortText).max(16)],
      "expected a string of 1 to 256 characters, or at most 16 of them",
    )
    .default([]),
  stream: z.boolean().default(false),
  stream_options: z
    .strictObject({ include_usage: z.boolean().default(false), include_obfuscation: z.boolean().optional() })
    .optional(),
  user: z.string().max(256).optional(),
  openledger: z.strictObject({ attribution: z.boolean().default(true) }).optional(),
};

/** `POST /v1/chat/completions`, the part of it that is honoured. */
export const chatRequestSchema = z.strictObject({
  ...sharedShape,
  messages: z.array(messageSchema).min(1).max(1_024),
  max_completion_tokens: z.int().min(1).max(1_000_000).optional(),
});

/** `POST /v1/completions`, the part of it that is honoured. */
export const textRequestSchema = z.strictObject({
  ...sharedShape,
  prompt: z.union([text, z.array(text).length(1)], "expected one prompt, a string of well-formed Unicode"),
});

const isEmpty = (value: unknown) =>
  typeof value === "object" && value !== null && Object.keys(value).length === 0;
const isOneOf =
  (...values: readonly unknown[]) =>
  (value: unknown) =>
    values.includes(value);
const always = () => true;
const never = () => false;

/**
 * Parameters of OpenAI's that this server has no effect for. A value under which they change no answer is accepted, any other is
 * refused: an ignored parameter would be a wrong answer.
 */
const withoutEffect: Readonly<Record<string, (value: unknown) => boolean>> = {
  audio: never,
  best_of: isOneOf(1),
  echo: isOneOf(false),
  frequency_penalty: isOneOf(0),
  function_call: isOneOf("none", "auto"),
  functions: isEmpty,
  logit_bias: isEmpty,
  logprobs: isOneOf(false),
  metadata: always,
  modalities: (value) => Array.isArray(value) && value.length === 1 && value[0] === "text",
  n: isOneOf(1),
  parallel_tool_calls: always,
  prediction: always,
  presence_penalty: isOneOf(0),
  prompt_cache_key: always,
  prompt_cache_retention: always,
  reasoning_effort: isOneOf("none"),
  response_format: (value) =>
    typeof value === "object" && value !== null && (value as { type?: unknown }).type === "text",
  safety_identifier: always,
  service_tier: always,
  store: always,
  suffix: isOneOf(""),
  tool_choice: isOneOf("none", "auto"),
  tools: isEmpty,
  top_logprobs: isOneOf(0),
  verbosity: isOneOf("medium"),
  web_search_options: never,
};

/** Leaves out members that say nothing: null is OpenAI's way of saying "the default". */
function honoured(body: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const kept: Record<string, unknown> = Object.create(null); // a key named __proto__ is a key like any other
  for (const [name, value] of Object.entries(body)) {
    if (value === null) continue;
    const accepted = Object.hasOwn(withoutEffect, name) ? withoutEffect[name] : undefined;
    if (accepted === undefined) kept[name] = value;
    else if (!accepted(value))
      throw badRequest(
        "unsupported_parameter",
        name,
        `Unsupported parameter: '${name}' is ${shown(value)}, which this server cannot do. Leave it out.`,
      );
  }
  return kept;
}

const shown = (value: unknown) => {
  const json = JSON.stringify(value);
  return json.length > 80 ? `${json.slice(0, 77)}…` : json;
};

/** Messages may carry members that are null or say who speaks; those that would change the prompt are refused. */
function plainMessages(messages: unknown): unknown {
  if (!Array.isArray(messages)) return messages;
  return messages.map((message: unknown, at) => {
    if (typeof message !== "object" || message === null) return message;
    return Object.fromEntries(
      Object.entries(message).filter(([name, value]) => {
        if (value === null && name !== "content") return false;
        if (name === "role" || name === "content") return true;
        if (isEmpty(value)) return false;
        throw badRequest(
          "unsupported_parameter",
          `messages[${at}].${name}`,
          `Unsupported parameter: 'messages[${at}].${name}' has no effect on this server. Leave it out.`,
        );
      }),
    );
  });
}

function parsed<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  throw issueError(result.error.issues[0] as z.core.$ZodIssue);
}

function issueError(issue: z.core.$ZodIssue): InferenceError {
  const place = issue.path.reduce<string>(
    (path, key) =>
      typeof key === "number" ? `${path}[${key}]` : path === "" ? String(key) : `${path}.${String(key)}`,
    "",
  );
  if (issue.code === "unrecognized_keys") {
    const name = place === "" ? (issue.keys[0] ?? "") : `${place}.${issue.keys[0]}`;
    return badRequest("unknown_parameter", name, `Unknown parameter: '${name}'.`);
  }
  if (issue.input === undefined)
    return badRequest("missing_required_parameter", place, `Missing required parameter: '${place}'.`);
  return badRequest("invalid_value", place, `Invalid value for '${place}': ${issue.message}.`);
}

/**
 * Reads a request's JSON.
 *
 * @param optedOut - the request's header says that the payer wants no attribution
 * @throws InferenceError 400, naming the parameter
 */
export function parseAsk(kind: AnswerKind, body: Readonly<Record<string, unknown>>, optedOut = false): Ask {
  const kept = honoured(body);
  const { prompt, maxTokens, given } = kind === "chat" ? chatAsk(kept) : textAsk(kept);
  if (given.stream_options !== undefined && !given.stream)
    throw badRequest(
      "invalid_value",
      "stream_options",
      "Invalid value for 'stream_options': it is allowed only when 'stream' is true.",
    );
  return {
    kind,
    model: given.model,
    prompt,
    maxTokens,
    temperature: given.temperature,
    topP: given.top_p,
    seed: given.seed,
    stop: typeof given.stop === "string" ? [given.stop] : given.stop,
    stream: given.stream,
    includeUsage: given.stream_options?.include_usage ?? false,
    attribution: !optedOut && (given.openledger?.attribution ?? true),
  };
}

function chatAsk(kept: Record<string, unknown>) {
  const given = parsed(chatRequestSchema, { ...kept, messages: plainMessages(kept.messages) });
  const { max_tokens, max_completion_tokens } = given;
  if (max_tokens !== undefined && max_completion_tokens !== undefined && max_tokens !== max_completion_tokens)
    throw badRequest(
      "invalid_value",
      "max_tokens",
      `Invalid value for 'max_tokens': it is ${max_tokens} and 'max_completion_tokens' is ${max_completion_tokens}. Give one.`,
    );
  const messages = given.messages.map(({ role, content }) => ({
    role: role === "developer" ? "system" : role,
    content: typeof content === "string" ? content : content.map((part) => part.text).join(""),
  }));
  return { prompt: { messages }, maxTokens: max_completion_tokens ?? max_tokens, given };
}

function textAsk(kept: Record<string, unknown>) {
  const given = parsed(textRequestSchema, kept);
  const prompt = typeof given.prompt === "string" ? given.prompt : (given.prompt[0] as string);
  return { prompt: { prompt }, maxTokens: given.max_tokens, given };
}
