/** What goes over HTTP: OpenAI's shapes, and under `openledger` what they have no place for. Wei are decimal strings. */
import { z } from "@hono/zod-openapi";
import type { Answer, Opening } from "./answering.ts";
import type { ServedRelease } from "./ports.ts";
import type { RequestRecord } from "./record.ts";
import type { AnswerKind } from "./request.ts";

const weiOut = z.string().openapi({ example: "1200000000000" });
const hexOut = z.string().openapi({ example: "0xab…" });

export const errorOut = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.string(),
      param: z.string().nullable(),
      code: z.string().nullable(),
      details: z.record(z.string(), z.string()).optional(),
    }),
  })
  .openapi("OpenAIError");

const usageOut = z
  .object({ prompt_tokens: z.int(), completion_tokens: z.int(), total_tokens: z.int() })
  .openapi("Usage");

const answerFacts = z
  .object({
    request_id: z
      .string()
      .nullable()
      .openapi({ description: "Null for free answers: nothing of them is kept" }),
    release: hexOut.nullable(),
    receipt: z
      .string()
      .nullable()
      .openapi({ description: '"pending", the receipt\'s id, or null where there is nothing to pay' }),
    fee_wei: weiOut,
    seed: z.int(),
  })
  .openapi("AnswerFacts");

const finishOut = z.enum(["stop", "length"]);
const common = {
  id: z.string(),
  created: z.int(),
  model: z.string(),
  system_fingerprint: z.string(),
  usage: usageOut,
  openledger: answerFacts,
};

export const chatOut = z
  .object({
    ...common,
    object: z.literal("chat.completion"),
    choices: z.array(
      z.object({
        index: z.literal(0),
        message: z.object({ role: z.literal("assistant"), content: z.string(), refusal: z.null() }),
        logprobs: z.null(),
        finish_reason: finishOut,
      }),
    ),
  })
  .openapi("ChatCompletion");

export const textOut = z
  .object({
    ...common,
    object: z.literal("text_completion"),
    choices: z.array(
      z.object({ index: z.literal(0), text: z.string(), logprobs: z.null(), finish_reason: finishOut }),
    ),
  })
  .openapi("TextCompletion");

export const modelOut = z
  .object({
    id: z.string(),
    object: z.literal("model"),
    created: z.int(),
    owned_by: z.string(),
    parent: z.string().nullable(),
    openledger: z.object({
      release: hexOut.nullable(),
      base: z.string(),
      adapter: hexOut.nullable(),
      prompt_wei_per_token: weiOut,
      completion_wei_per_token: weiOut,
      context_tokens: z.int(),
    }),
  })
  .openapi("Model");

export const modelsOut = z.object({ object: z.literal("list"), data: z.array(modelOut) }).openapi("Models");

export const requestOut = z
  .object({
    id: z.string(),
    object: z.literal("openledger.request"),
    state: z.enum(["reserved", "generated", "scored", "charged", "receipted", "failed", "released"]),
    model: z.string(),
    release: hexOut,
    receipt: hexOut.nullable(),
    fee_wei: weiOut.nullable(),
    reserved_wei: weiOut,
    prompt_tokens: z.int(),
    completion_tokens: z.int().nullable(),
    attribution: z.boolean(),
    error: z.string().nullable(),
    created_at_ms: z.int(),
    generated_at_ms: z.int().nullable(),
    finished_at_ms: z.int().nullable(),
  })
  .openapi("InferenceRequest");

const seconds = (ms: number) => Math.floor(ms / 1_000);

/** OpenAI's id of an answer: the same for all chunks of a stream. */
export function answerId(kind: AnswerKind, opening: Opening, random: string): string {
  const id = opening.requestId?.replace(/^req_/, "") ?? random;
  return kind === "chat" ? `chatcmpl-${id}` : `cmpl-${id}`;
}

export function usageJson({ promptTokens, completionTokens }: Answer): z.input<typeof usageOut> {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}

export function factsJson(answer: Answer): z.input<typeof answerFacts> {
  return {
    request_id: answer.requestId,
    release: answer.release?.id ?? null,
    receipt: answer.receipt,
    fee_wei: answer.feeWei.toString(),
    seed: answer.seed,
  };
}

/** A whole answer. @param model - as it was asked for */
export function answerJson(
  kind: AnswerKind,
  model: string,
  id: string,
  answer: Answer,
): z.input<typeof chatOut> | z.input<typeof textOut> {
  const shared = {
    id,
    created: seconds(answer.createdAtMs),
    model,
    system_fingerprint: answer.fingerprint,
    usage: usageJson(answer),
    openledger: factsJson(answer),
  };
  const finish_reason = answer.finishReason;
  if (kind === "text")
    return {
      ...shared,
      object: "text_completion",
      choices: [{ index: 0, text: answer.text, logprobs: null, finish_reason }],
    };
  return {
    ...shared,
    object: "chat.completion",
    choices: [
      {
        index: 0,
        message: { role: "assistant", content: answer.text, refusal: null },
        logprobs: null,
        finish_reason,
      },
    ],
  };
}

/** The chunks of a streamed answer. */
export function chunksOf(
  kind: AnswerKind,
  model: string,
  id: string,
  createdAtMs: number,
  includeUsage: boolean,
) {
  const head = {
    id,
    object: kind === "chat" ? "chat.completion.chunk" : "text_completion",
    created: seconds(createdAtMs),
    model,
    ...(includeUsage ? { usage: null } : {}),
  };
  const choice = (text: string | undefined, finish_reason: string | null, role?: "assistant") =>
    kind === "text"
      ? { index: 0, text: text ?? "", logprobs: null, finish_reason }
      : {
          index: 0,
          delta: { ...(role && { role }), ...(text === undefined ? {} : { content: text }) },
          logprobs: null,
          finish_reason,
        };
  return {
    /** Only chats say who speaks. */
    first: kind === "chat" ? { ...head, choices: [choice("", null, "assistant")] } : undefined,
    piece: (text: string) => ({ ...head, choices: [choice(text, null)] }),
    last: (answer: Answer) => ({
      ...head,
      system_fingerprint: answer.fingerprint,
      choices: [choice(undefined, answer.finishReason)],
      openledger: factsJson(answer),
    }),
    usage: (answer: Answer) => ({
      ...head,
      system_fingerprint: answer.fingerprint,
      choices: [],
      usage: usageJson(answer),
    }),
  };
}

/** @param asked - the name it is listed or asked for by */
export function modelJson(
  release: ServedRelease,
  asked: string,
  base: { readonly baseName: string; readonly contextTokens: number },
): z.input<typeof modelOut> {
  const { manifest } = release;
  return {
    id: asked,
    object: "model",
    created: seconds(release.createdAtMs),
    owned_by: manifest.developer,
    parent: base.baseName,
    openledger: {
      release: release.id,
      base: base.baseName,
      adapter: manifest.adapter.digest,
      prompt_wei_per_token: manifest.price.promptWeiPerToken,
      completion_wei_per_token: manifest.price.completionWeiPerToken,
      context_tokens: base.contextTokens,
    },
  };
}

/** The base model answers for nothing. */
export function baseJson(
  base: { readonly baseName: string; readonly contextTokens: number },
  createdAtMs: number,
): z.input<typeof modelOut> {
  return {
    id: base.baseName,
    object: "model",
    created: seconds(createdAtMs),
    owned_by: "openledger",
    parent: null,
    openledger: {
      release: null,
      base: base.baseName,
      adapter: null,
      prompt_wei_per_token: "0",
      completion_wei_per_token: "0",
      context_tokens: base.contextTokens,
    },
  };
}

export function requestJson(request: RequestRecord): z.input<typeof requestOut> {
  return {
    id: request.id,
    object: "openledger.request",
    state: request.state,
    model: request.model,
    release: request.releaseId,
    receipt: request.receiptId,
    fee_wei: request.feeWei?.toString() ?? null,
    reserved_wei: request.reservedWei.toString(),
    prompt_tokens: request.promptTokens,
    completion_tokens: request.completionTokens,
    attribution: request.attribution,
    error: request.error,
    created_at_ms: request.createdAtMs,
    generated_at_ms: request.generatedAtMs,
    finished_at_ms: request.finishedAtMs,
  };
}
