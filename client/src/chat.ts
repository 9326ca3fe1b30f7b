import type { Digest } from "../../src/protocol/index.ts";
import { chatSchema, chunkSchema, type Facts, type FinishReason, type Usage } from "./answers.ts";
import { OpenLedgerError } from "./errors.ts";
import { eventData, type Http, jsonBody, jsonType, readJson } from "./http.ts";

export type ChatMessage = { readonly role: "system" | "user" | "assistant"; readonly content: string };

/** What is asked. */
export type ChatAsk = {
  /** A model's name or a release id. */
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly maxTokens?: number;
  /** 0 always takes the likeliest token; 1 unless given. */
  readonly temperature?: number;
  readonly topP?: number;
  /** The same seed again gives the same answer. */
  readonly seed?: number;
  readonly stop?: string | readonly string[];
  /** False: nobody's influence is traced, and the data's part of the fee goes to the Datanets' common pools. */
  readonly attribution?: boolean;
  /** The same key with the same question gives the same answer, and is paid once. */
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal;
};

/** An answer, what it cost, and what it takes to check its receipt. */
export type ChatAnswer = {
  readonly text: string;
  readonly finishReason: FinishReason;
  /** Null for a free answer: nothing of it is kept, and it has no receipt. */
  readonly requestId: string | null;
  readonly releaseId: Digest | null;
  readonly feeWei: bigint;
  readonly seed: number;
  /** Base and adapter that answered. */
  readonly fingerprint: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** The request's bytes as they were sent: the receipt commits to their digest. */
  readonly request: Uint8Array;
};

/** An answer piece by piece. */
export type ChatStream = AsyncIterable<string> & {
  /** The whole answer, after the last piece; reads on to it. */
  answer(): Promise<ChatAnswer>;
};

/** Headers that pay for one request. */
export type Pay = () => Promise<Readonly<Record<string, string>>>;

const path = "/v1/chat/completions";

function bodyOf(ask: ChatAsk, stream: boolean): Uint8Array<ArrayBuffer> {
  const { model, messages, maxTokens, temperature, topP, seed, stop, attribution } = ask;
  return jsonBody({
    model,
    messages,
    max_tokens: maxTokens,
    temperature,
    top_p: topP,
    seed,
    stop,
    ...(attribution === false ? { openledger: { attribution } } : {}),
    ...(stream ? { stream, stream_options: { include_usage: true } } : {}),
  });
}

/** Codes that a fresh voucher may make good: another request of the same channel came between. */
const voucherCodes = ["overspent", "stale_voucher"];

async function post(http: Http, pay: Pay, ask: ChatAsk, body: Uint8Array<ArrayBuffer>): Promise<Response> {
  const { idempotencyKey, signal } = ask;
  const sendOnce = async () =>
    http.send(path, {
      method: "POST",
      headers: {
        ...jsonType,
        ...(idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey }),
        ...(await pay()),
      },
      body,
      signal,
    });
  try {
    return await sendOnce();
  } catch (error) {
    if (!(error instanceof OpenLedgerError) || !voucherCodes.includes(error.code)) throw error;
    return sendOnce();
  }
}

function answerOf(
  request: Uint8Array,
  text: string,
  finishReason: FinishReason,
  fingerprint: string,
  usage: Usage,
  facts: Facts,
): ChatAnswer {
  return {
    text,
    finishReason,
    requestId: facts.request_id,
    releaseId: facts.release,
    feeWei: facts.fee_wei,
    seed: facts.seed,
    fingerprint,
    promptTokens: usage.prompt_tokens,
    completionTokens: usage.completion_tokens,
    request,
  };
}

/** The whole answer at once. @throws OpenLedgerError */
export async function chat(http: Http, pay: Pay, ask: ChatAsk): Promise<ChatAnswer> {
  const request = bodyOf(ask, false);
  const answer = await readJson(chatSchema, await post(http, pay, ask, request));
  const { choices, system_fingerprint, usage, openledger } = answer;
  const [{ message, finish_reason }] = choices;
  return answerOf(request, message.content, finish_reason, system_fingerprint, usage, openledger);
}

/**
 * The answer as it is written. Nothing is asked before it is iterated, or `answer()` is called.
 *
 * @example
 * const stream = client.stream(ask);
 * for await (const piece of stream) show(piece);
 * const { feeWei, requestId } = await stream.answer();
 */
export function streamChat(http: Http, pay: Pay, ask: ChatAsk): ChatStream {
  let answer: ChatAnswer | undefined;
  async function* pieces(): AsyncGenerator<string> {
    const request = bodyOf(ask, true);
    const response = await post(http, pay, ask, request);
    let text = "";
    let finishReason: FinishReason | null = null;
    let fingerprint = "";
    let facts: Facts | undefined;
    let usage: Usage | undefined;
    for await (const data of eventData(response)) {
      if (data === "[DONE]") break;
      const chunk = readChunk(data);
      const [choice] = chunk.choices;
      finishReason = choice?.finish_reason ?? finishReason;
      fingerprint = chunk.system_fingerprint ?? fingerprint;
      facts = chunk.openledger ?? facts;
      usage = chunk.usage ?? usage;
      const piece = choice?.delta.content ?? "";
      text += piece;
      if (piece !== "") yield piece;
    }
    if (finishReason === null || facts === undefined || usage === undefined)
      throw new OpenLedgerError(0, "bad-answer", `The answer broke off after ${text.length} characters.`);
    answer = answerOf(request, text, finishReason, fingerprint, usage, facts);
  }
  const running = pieces();
  return {
    [Symbol.asyncIterator]: () => running,
    async answer() {
      for await (const _ of running);
      if (answer === undefined)
        throw new OpenLedgerError(
          0,
          "bad-answer",
          "The answer was not read to its end, so what it cost is not known.",
        );
      return answer;
    },
  };
}

function readChunk(data: string) {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch (cause) {
    throw new OpenLedgerError(0, "bad-answer", "The node's stream holds something that is not JSON.", {
      cause,
    });
  }
  const failed = value as { error?: { message?: unknown; code?: unknown } } | null;
  if (typeof failed?.error?.message === "string")
    throw new OpenLedgerError(200, String(failed.error.code ?? "error"), failed.error.message);
  const parsed = chunkSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new OpenLedgerError(
    0,
    "bad-answer",
    "The node's stream holds something that is not a chunk of an answer.",
  );
}
