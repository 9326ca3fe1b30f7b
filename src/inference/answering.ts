/** From a request to a written answer: reserve → generate. Nothing is charged here; what ends without an answer is released. */
import { randomBytes } from "node:crypto";
import { answerLimit, type Generation, type OpenLora } from "../openlora/index.ts";
import type { Credentials, Payer, Payments } from "../payments/index.ts";
import { answerPrice } from "../protocol/index.ts";
import type { Database } from "../store/index.ts";
import { clientError, InferenceError } from "./errors.ts";
import type { Meter } from "./metrics.ts";
import type { Releases, ServedRelease } from "./ports.ts";
import { requestDigest } from "./receipt.ts";
import type { Receipting, Step } from "./receipting.ts";
import {
  advance,
  type FinishReason,
  findByKey,
  insertRequest,
  type NewRequest,
  payerName,
  type RequestRecord,
} from "./record.ts";
import type { Ask } from "./request.ts";

/** A request with what came along with it. */
export type Question = {
  readonly ask: Ask;
  /** As received: its digest is in the receipt. */
  readonly body: Uint8Array;
  readonly credentials: Credentials;
  /** The same key again gives the same answer. */
  readonly idempotencyKey: string | null;
  /** Aborted when the asker leaves. */
  readonly signal: AbortSignal;
};

/** What is known when generation begins. */
export type Opening = {
  /** Null for a free answer: nothing of it is kept. */
  readonly requestId: string | null;
  readonly release: ServedRelease | null;
  readonly createdAtMs: number;
  readonly replayed: boolean;
};

export type Answer = Opening & {
  readonly text: string;
  readonly finishReason: FinishReason;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** What it costs; 0 for free answers. */
  readonly feeWei: bigint;
  /** "pending" until the receipt is there; null where none will be, because the answer is free. */
  readonly receipt: string | null;
  readonly seed: number;
  readonly fingerprint: string;
};

export type Listener = {
  /** Hears that the request is accepted, before any piece. */
  onOpening?(opening: Opening): void;
  /** Hears every piece of the text. */
  onPiece?(text: string): void;
};

export type AnsweringParts = {
  readonly database: Database;
  readonly openlora: OpenLora;
  readonly payments: Pick<Payments, "authenticate" | "reserve" | "release">;
  readonly releases: Releases;
  readonly receipting: Receipting;
  readonly meter: Meter;
  readonly now: () => number;
  readonly afterStep: (step: Step, requestId: string, signal: AbortSignal) => Promise<void>;
  readonly log: (message: string) => void;
  /** Longest time an answer may take; it ends with what there is of it. */
  readonly answerMsMax: number;
};

/** Whose turn it is when several people ask the base model for nothing: they share one. */
const freeTenant = "free";

/** @throws InferenceError, OpenLoraError, PaymentRequiredError */
export async function answer(
  parts: AnsweringParts,
  question: Question,
  listener: Listener = {},
): Promise<Answer> {
  const { model } = question.ask;
  if (model === parts.openlora.info().baseName) return answerFree(parts, question, null, listener);
  const release = await parts.releases.find(model);
  if (release === undefined)
    throw new InferenceError(
      404,
      "model_not_found",
      `The model '${model}' does not exist here. GET /v1/models lists those that do.`,
      { param: "model" },
    );
  const { promptWeiPerToken, completionWeiPerToken } = release.manifest.price;
  const isFree = BigInt(promptWeiPerToken) === 0n && BigInt(completionWeiPerToken) === 0n;
  return isFree
    ? answerFree(parts, question, release, listener)
    : answerPaid(parts, question, release, listener);
}

async function answerFree(
  parts: AnsweringParts,
  question: Question,
  release: ServedRelease | null,
  listener: Listener,
): Promise<Answer> {
  const opening: Opening = { requestId: null, release, createdAtMs: parts.now(), replayed: false };
  const generation = await generate(parts, question, release, freeTenant, () => {
    listener.onOpening?.(opening);
    return (text) => listener.onPiece?.(text);
  });
  const finishReason = endOf(generation, question);
  parts.meter.answered("free");
  return {
    ...opening,
    text: generation.text,
    finishReason,
    promptTokens: generation.promptIds.length,
    completionTokens: generation.outputIds.length,
    feeWei: 0n,
    receipt: null,
    seed: generation.seed,
    fingerprint: generation.fingerprint,
  };
}

async function answerPaid(
  parts: AnsweringParts,
  question: Question,
  release: ServedRelease,
  listener: Listener,
): Promise<Answer> {
  const payer = await parts.payments.authenticate(question.credentials);
  const before = await repeated(parts, question, payer);
  if (before !== undefined) return replay(parts, before, listener);
  const promptTokens = await parts.openlora.countPromptTokens(question.ask.prompt);
  const maxTokens = answerLimit(parts.openlora.info(), promptTokens, question.ask.maxTokens);
  const request: NewRequest = {
    id: `req_${randomBytes(16).toString("hex")}`,
    payer: payerName(payer),
    channelId: payer.channelId,
    idempotencyKey: question.idempotencyKey,
    kind: question.ask.kind,
    model: question.ask.model,
    releaseId: release.id,
    attribution: question.ask.attribution,
    requestDigest: requestDigest(question.body),
    promptTokens,
    reservedWei: answerPrice(release.manifest.price, promptTokens, maxTokens),
    createdAtMs: parts.now(),
  };
  const other = await reserve(parts, request, payer);
  if (other !== undefined) return replay(parts, sameQuestion(other, question), listener);
  try {
    await parts.afterStep("reserved", request.id, question.signal);
    const opening: Opening = {
      requestId: request.id,
      release,
      createdAtMs: request.createdAtMs,
      replayed: false,
    };
    const generation = await generate(parts, question, release, payer.channelId, () => {
      listener.onOpening?.(opening);
      return (text) => listener.onPiece?.(text);
    });
    const finishReason = endOf(generation, question);
    const { promptIds, outputIds, text, seed, fingerprint } = generation;
    const written = { promptIds, outputIds, text, finishReason, seed, fingerprint };
    const feeWei = await write(parts, request, release, written);
    if (generation.cancelledBy === "signal") parts.meter.cutShort();
    await parts.afterStep("generated", request.id, question.signal);
    parts.meter.answered("paid");
    return {
      ...opening,
      text,
      finishReason,
      promptTokens: promptIds.length,
      completionTokens: outputIds.length,
      feeWei,
      receipt: feeWei === 0n ? null : "pending",
      seed,
      fingerprint,
    };
  } catch (error) {
    await giveUp(parts, request.id, error);
    throw error;
  }
}

/** The request that this idempotency key stands for already, if any. */
async function repeated(
  { database }: AnsweringParts,
  question: Question,
  payer: Payer,
): Promise<RequestRecord | undefined> {
  if (question.idempotencyKey === null) return undefined;
  const before = await findByKey(database, payerName(payer), question.idempotencyKey);
  return before && sameQuestion(before, question);
}

/** @throws InferenceError when a key stands for something else, or its answer is not written yet */
function sameQuestion(before: RequestRecord, { ask, body, idempotencyKey }: Question): RequestRecord {
  const same =
    before.requestDigest === requestDigest(body) &&
    before.kind === ask.kind &&
    before.attribution === ask.attribution;
  if (!same)
    throw new InferenceError(
      400,
      "idempotency_key_reused",
      `The Idempotency-Key ${JSON.stringify(idempotencyKey)} was sent with another request before. Use a new key for a new request.`,
      { type: "idempotency_error" },
    );
  if (before.answer === null)
    throw new InferenceError(
      409,
      "request_in_progress",
      `The request with the Idempotency-Key ${JSON.stringify(idempotencyKey)} is being answered. Ask again for its answer.`,
      { retryAfterMs: 500 },
    );
  return before;
}

async function replay(parts: AnsweringParts, record: RequestRecord, listener: Listener): Promise<Answer> {
  const { id, answer: written, createdAtMs, feeWei, receiptId } = record;
  if (written === null) throw new Error(`Request ${id} has no answer to give again.`);
  const release = (await parts.releases.find(record.releaseId)) ?? null;
  const opening: Opening = { requestId: id, release, createdAtMs, replayed: true };
  listener.onOpening?.(opening);
  listener.onPiece?.(written.text);
  parts.meter.answered("replayed");
  return {
    ...opening,
    text: written.text,
    finishReason: written.finishReason,
    promptTokens: written.promptIds.length,
    completionTokens: written.outputIds.length,
    feeWei: feeWei ?? 0n,
    receipt: receiptId ?? (record.state === "released" ? null : "pending"),
    seed: written.seed,
    fingerprint: written.fingerprint,
  };
}

/** @returns the request that took the idempotency key in the meantime; nothing is reserved then */
function reserve(
  { database, payments }: AnsweringParts,
  request: NewRequest,
  payer: Payer,
): Promise<RequestRecord | undefined> {
  return database.transaction(async (tx) => {
    if (request.idempotencyKey !== null) {
      const before = await findByKey(tx, request.payer, request.idempotencyKey);
      if (before !== undefined) return before;
    }
    await payments.reserve(tx, { requestId: request.id, payer, maxWei: request.reservedWei });
    await insertRequest(tx, request);
    return undefined;
  });
}

function generate(
  { openlora, now, answerMsMax }: AnsweringParts,
  { ask, signal }: Question,
  release: ServedRelease | null,
  tenant: string,
  open: () => (text: string) => void,
): Promise<Generation> {
  let emit: ((text: string) => void) | undefined;
  return openlora.generate(
    {
      adapter: release?.manifest.adapter.digest,
      prompt: ask.prompt,
      maxTokens: ask.maxTokens,
      temperature: ask.temperature,
      topP: ask.topP,
      seed: ask.seed,
      stop: [...ask.stop],
      tenant,
      deadlineAtMs: now() + answerMsMax,
      signal,
    },
    ({ text }) => {
      emit ??= open();
      if (text !== "") emit(text);
    },
  );
}

/**
 * How a generation ends as an answer. One that was broken off counts if its asker has read a part of it: in a stream, or at the deadline.
 *
 * @throws InferenceError when there is nothing to deliver
 */
function endOf(generation: Generation, { ask }: Question): FinishReason {
  const { finishReason, cancelledBy, outputIds } = generation;
  if (finishReason !== "cancelled") return finishReason;
  if (outputIds.length > 0 && (ask.stream || cancelledBy === "deadline")) return "length";
  throw cancelledBy === "deadline"
    ? new InferenceError(504, "timeout", "The answer did not begin in time. Nothing is charged; try again.", {
        retryAfterMs: 5_000,
      })
    : new InferenceError(499, "cancelled", "The request was cancelled before its answer was delivered.");
}

/** Writes the answer and promises its receipt; what costs nothing is released instead. @returns the fee, wei */
async function write(
  { database, payments, receipting, now }: AnsweringParts,
  { id }: NewRequest,
  release: ServedRelease,
  written: NonNullable<RequestRecord["answer"]>,
): Promise<bigint> {
  const { promptIds, outputIds, text, finishReason, seed, fingerprint } = written;
  const feeWei = answerPrice(release.manifest.price, promptIds.length, outputIds.length);
  await database.transaction(async (tx) => {
    const at = now();
    const values = {
      prompt_ids: JSON.stringify(promptIds),
      output_ids: JSON.stringify(outputIds),
      text: new TextEncoder().encode(text),
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
  });
  return feeWei;
}

/**
 * Gives the reservation back, and the idempotency key: the same request may be tried again. A request whose answer is written is
 * left as it is.
 */
async function giveUp(parts: AnsweringParts, id: string, error: unknown): Promise<void> {
  const known = clientError(error);
  const left = known instanceof InferenceError && known.status === 499;
  try {
    await releaseRequest(parts, id, left ? "released" : "failed", known?.message ?? (error as Error).message);
  } catch (cause) {
    parts.log(`Request ${id}: its reservation is released at the next start: ${(cause as Error).message}`);
  }
}

/** @param state - what becomes of the request */
export function releaseRequest(
  { database, payments, now }: Pick<AnsweringParts, "database" | "payments" | "now">,
  id: string,
  state: "failed" | "released",
  why: string,
): Promise<void> {
  return database.transaction(async (tx) => {
    const values = { error: why.slice(0, 2_000), idempotency_key: null, finished_at_ms: now() };
    if (await advance(tx, id, "reserved", state, values)) await payments.release(tx, id);
  });
}
