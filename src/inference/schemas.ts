/** What goes over HTTP: OpenAI's shapes, and under `openledger` what they have no place for. Wei are decimal strings. */
import { z } from "@hono/zod-openapi";
import { describeCalibration } from "../protocol/index.ts";
import type { LoadedAdapter } from "./loaded-adapters.ts";
import type { ListedRelease } from "./ports.ts";
import type { RequestRecord } from "./record.ts";

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

export const usageOut = z
  .object({ prompt_tokens: z.int(), completion_tokens: z.int(), total_tokens: z.int() })
  .openapi("Usage", { description: "Of all choices: the prompt counts once for each" });

export const answerFacts = z
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
    text: z.string().optional().openapi({
      description: "Where calls were read from it: what the model wrote, which the receipt covers",
    }),
  })
  .openapi("AnswerFacts");

const finishOut = z.enum(["stop", "length", "tool_calls"]);
const common = {
  id: z.string(),
  created: z.int(),
  model: z.string(),
  system_fingerprint: z.string(),
  usage: usageOut,
  openledger: answerFacts.optional().openapi({ description: "Of the one choice; several have their own" }),
};

const tokenOut = { token: z.string(), logprob: z.number(), bytes: z.array(z.int()) };
const chatLogprobsOut = z.object({
  content: z.array(z.object({ ...tokenOut, top_logprobs: z.array(z.object(tokenOut)) })),
  refusal: z.null(),
});
const textLogprobsOut = z.object({
  tokens: z.array(z.string()),
  token_logprobs: z.array(z.number()),
  top_logprobs: z.array(z.record(z.string(), z.number())).nullable(),
  text_offset: z.array(z.int()),
});
const callOut = z.object({
  id: z.string(),
  type: z.literal("function"),
  function: z.object({ name: z.string(), arguments: z.string() }),
});
const choice = { index: z.int(), finish_reason: finishOut, openledger: answerFacts.optional() };

export const chatOut = z
  .object({
    ...common,
    object: z.literal("chat.completion"),
    choices: z.array(
      z.object({
        ...choice,
        message: z.object({
          role: z.literal("assistant"),
          content: z.string().nullable(),
          refusal: z.null(),
          tool_calls: z.array(callOut).optional(),
        }),
        logprobs: chatLogprobsOut.nullable(),
      }),
    ),
  })
  .openapi("ChatCompletion");

export const textOut = z
  .object({
    ...common,
    object: z.literal("text_completion"),
    choices: z.array(z.object({ ...choice, text: z.string(), logprobs: textLogprobsOut.nullable() })),
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
      calibration: z
        .object({ status: z.enum(["separates", "not-separated", "unmeasured"]), label: z.string() })
        .nullable()
        .openapi({
          description: "Whether a release's attribution foretells retraining; null where none is made",
        }),
    }),
  })
  .openapi("Model");

export type ModelJson = z.input<typeof modelOut>;

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
    attribution: z.boolean().openapi({ description: "Whether its influence was to be traced" }),
    unattributed: z.string().nullable().openapi({
      description: "Why nothing is attributed although it was to be: the common pools are paid",
    }),
    error: z.string().nullable(),
    created_at_ms: z.int(),
    generated_at_ms: z.int().nullable(),
    finished_at_ms: z.int().nullable(),
  })
  .openapi("InferenceRequest");

export const seconds = (ms: number) => Math.floor(ms / 1_000);

/** @param asked - the name it is listed or asked for by */
export function modelJson(
  release: ListedRelease,
  asked: string,
  base: { readonly baseName: string; readonly contextTokens: number },
): ModelJson {
  const { manifest } = release;
  const { status, label } = describeCalibration(manifest);
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
      calibration: { status, label },
    },
  };
}

/** The base model answers for nothing, and so does an adapter that the operator loaded over it. */
export function freeJson(
  base: { readonly baseName: string; readonly contextTokens: number },
  createdAtMs: number,
  loaded?: LoadedAdapter,
): ModelJson {
  return {
    id: loaded?.name ?? base.baseName,
    object: "model",
    created: seconds(createdAtMs),
    owned_by: "openledger",
    parent: loaded === undefined ? null : base.baseName,
    openledger: {
      release: null,
      base: base.baseName,
      adapter: loaded?.digest ?? null,
      prompt_wei_per_token: "0",
      completion_wei_per_token: "0",
      context_tokens: base.contextTokens,
      calibration: null,
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
    unattributed: request.unattributed,
    error: request.error,
    created_at_ms: request.createdAtMs,
    generated_at_ms: request.generatedAtMs,
    finished_at_ms: request.finishedAtMs,
  };
}
