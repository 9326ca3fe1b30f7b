/** What a paid request does to database and channel, all its choices at once: reserve, write, give up. */
import { randomBytes } from "node:crypto";
import { answerLimit } from "../openlora/index.ts";
import type { Payer } from "../payments/index.ts";
import { answerPrice } from "../protocol/index.ts";
import type { AnsweringParts, Question } from "./answering.ts";
import { clientError, InferenceError } from "./errors.ts";
import type { ServedRelease } from "./ports.ts";
import { requestDigest } from "./receipt.ts";
import {
  advance,
  findByKey,
  insertRequest,
  type NewRequest,
  payerName,
  type RequestRecord,
  type WrittenAnswer,
} from "./record.ts";

/** One request per choice: each is reserved, charged and receipted by itself. */
export async function newRequests(
  { openlora, now }: AnsweringParts,
  { ask, body, idempotencyKey }: Question,
  release: ServedRelease,
  payer: Payer,
): Promise<NewRequest[]> {
  const id = `req_${randomBytes(16).toString("hex")}`;
  const createdAtMs = now();
  const digest = requestDigest(body);
  const ofPrompt = await Promise.all(
    ask.prompts.map(async (prompt) => {
      const promptTokens = await openlora.countPromptTokens(prompt);
      const maxTokens = answerLimit(openlora.info(), promptTokens, ask.generation.maxTokens);
      return { promptTokens, reservedWei: answerPrice(release.manifest.price, promptTokens, maxTokens) };
    }),
  );
  return ofPrompt
    .flatMap((costs) => Array.from({ length: ask.n }, () => costs))
    .map((costs, choice) => ({
      id: choice === 0 ? id : `${id}-${choice}`,
      choice,
      payer: payerName(payer),
      channelId: payer.channelId,
      idempotencyKey,
      kind: ask.kind,
      model: ask.model,
      releaseId: release.id,
      attribution: ask.attribution,
      requestDigest: digest,
      createdAtMs,
      ...costs,
    }));
}

/** The choices that this idempotency key stands for already, if any. */
export async function repeated(
  { database }: AnsweringParts,
  question: Question,
  payer: Payer,
): Promise<RequestRecord[]> {
  if (question.idempotencyKey === null) return [];
  const before = await findByKey(database, payerName(payer), question.idempotencyKey);
  return before.length === 0 ? before : sameQuestion(before, question);
}

/** @throws InferenceError when a key stands for something else, or its answer is not written yet */
export function sameQuestion(
  before: RequestRecord[],
  { ask, body, idempotencyKey }: Question,
): RequestRecord[] {
  const digest = requestDigest(body);
  const same = before.every(
    (one) => one.requestDigest === digest && one.kind === ask.kind && one.attribution === ask.attribution,
  );
  if (!same)
    throw new InferenceError(
      400,
      "idempotency_key_reused",
      `The Idempotency-Key ${JSON.stringify(idempotencyKey)} was sent with another request before. Use a new key for a new request.`,
      { type: "idempotency_error" },
    );
  if (before.some(({ answer }) => answer === null))
    throw new InferenceError(
      409,
      "request_in_progress",
      `The request with the Idempotency-Key ${JSON.stringify(idempotencyKey)} is being answered. Ask again for its answer.`,
      { retryAfterMs: 500 },
    );
  return before;
}

/** Reserves for all choices or for none. @returns what took the idempotency key in the meantime; nothing is reserved then */
export function reserve(
  { database, payments }: AnsweringParts,
  requests: readonly NewRequest[],
  payer: Payer,
  body: Uint8Array,
): Promise<RequestRecord[]> {
  return database.transaction(async (tx) => {
    const [{ idempotencyKey, payer: name }] = requests as [NewRequest];
    const before = idempotencyKey === null ? [] : await findByKey(tx, name, idempotencyKey);
    if (before.length > 0) return before;
    for (const request of requests) {
      await payments.reserve(tx, { requestId: request.id, payer, maxWei: request.reservedWei });
      await insertRequest(tx, request, body);
    }
    return [];
  });
}

/**
 * Writes the answers and promises their receipts, all choices in one transaction: an idempotency key stands for all of them or for
 * none, wherever the process ends. What costs nothing is released instead.
 *
 * @returns each choice's fee, wei
 */
export async function write(
  { database, payments, receipting, now }: AnsweringParts,
  { manifest }: ServedRelease,
  requests: readonly NewRequest[],
  answers: readonly WrittenAnswer[],
): Promise<bigint[]> {
  const feesWei = answers.map(({ promptIds, outputIds }) =>
    answerPrice(manifest.price, promptIds.length, outputIds.length),
  );
  await database.transaction(async (tx) => {
    const at = now();
    for (const [choice, { id, idempotencyKey }] of requests.entries()) {
      const { promptIds, outputIds, text, logprobs, finishReason, seed, fingerprint } = answers[
        choice
      ] as WrittenAnswer;
      const feeWei = feesWei[choice] as bigint;
      const values = {
        prompt_ids: JSON.stringify(promptIds),
        output_ids: JSON.stringify(outputIds),
        text: new TextEncoder().encode(text),
        // They are large, and only a repeated key asks for them again.
        logprobs: idempotencyKey === null || logprobs === null ? null : JSON.stringify(logprobs),
        finish_reason: finishReason,
        seed,
        fingerprint,
        prompt_tokens: promptIds.length,
        completion_tokens: outputIds.length,
        fee_wei: feeWei,
        generated_at_ms: at,
      };
      const moved =
        feeWei > 0n
          ? await advance(tx, id, "reserved", "generated", values)
          : await advance(tx, id, "reserved", "released", { ...values, finished_at_ms: at });
      if (!moved) throw new Error(`Request ${id} is not reserved any more: its answer is not written.`);
      if (feeWei > 0n) await receipting.promise(tx, id);
      else await payments.release(tx, id);
    }
  });
  return feesWei;
}

/**
 * Gives the reservations back, and the idempotency key: the same request may be tried again. A request whose answer is written is
 * left as it is.
 */
export async function giveUp(parts: AnsweringParts, ids: readonly string[], error: unknown): Promise<void> {
  const known = clientError(error);
  const left = known instanceof InferenceError && known.status === 499;
  try {
    await releaseRequests(
      parts,
      ids,
      left ? "released" : "failed",
      known?.message ?? (error as Error).message,
    );
  } catch (cause) {
    parts.log(
      `Request ${ids[0]}: its reservation is released at the next start: ${(cause as Error).message}`,
    );
  }
}

/** @param state - what becomes of the requests */
export function releaseRequests(
  { database, payments, now }: Pick<AnsweringParts, "database" | "payments" | "now">,
  ids: readonly string[],
  state: "failed" | "released",
  why: string,
): Promise<void> {
  // A text column holds every character but this one.
  const error = why.slice(0, 2_000).replaceAll("\0", "\ufffd");
  return database.transaction(async (tx) => {
    for (const id of ids) {
      const values = { error, idempotency_key: null, finished_at_ms: now() };
      if (await advance(tx, id, "reserved", state, values)) await payments.release(tx, id);
    }
  });
}
