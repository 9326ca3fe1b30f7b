/** One paid request as it is kept: read, and moved from one state to the next. */
import type { TokenLogprob } from "../openlora/index.ts";
import type { Payer } from "../payments/index.ts";
import { type Digest, decodeScores, type Listing } from "../protocol/index.ts";
import type { Queries, Transaction } from "../store/index.ts";
import { InferenceError } from "./errors.ts";
import type { AnswerKind } from "./request.ts";

/**
 * reserved → generated → scored → charged → receipted, and out of `reserved` also `failed` (refused or broken) or `released` (given
 * up; or an answer that costs nothing). What is charged is certain once it is generated.
 */
export type RequestState =
  | "reserved"
  | "generated"
  | "scored"
  | "charged"
  | "receipted"
  | "failed"
  | "released";

/** States in which an answer is written and its receipt is not. */
export const waitingStates = ["generated", "scored", "charged"] as const;

export type FinishReason = "stop" | "length";

/** What a request is before there is an answer. */
export type NewRequest = {
  readonly id: string;
  /** Its number among the answers that one body asks for. */
  readonly choice: number;
  /** Whose idempotency key it is: the API key's id, or the channel. */
  readonly payer: string;
  readonly channelId: Digest;
  readonly idempotencyKey: string | null;
  readonly kind: AnswerKind;
  readonly model: string;
  readonly releaseId: Digest;
  readonly attribution: boolean;
  readonly requestDigest: Digest;
  readonly promptTokens: number;
  /** What the longest answer would cost. */
  readonly reservedWei: bigint;
  readonly createdAtMs: number;
};

/** A written answer. */
export type WrittenAnswer = {
  readonly promptIds: readonly number[];
  readonly outputIds: readonly number[];
  readonly text: string;
  /** One for each of `outputIds`; null where nobody asked for them, or nobody can ask for this answer again. */
  readonly logprobs: readonly TokenLogprob[] | null;
  readonly finishReason: FinishReason;
  readonly seed: number;
  readonly fingerprint: string;
};

export type RequestRecord = NewRequest & {
  readonly state: RequestState;
  readonly answer: WrittenAnswer | null;
  readonly completionTokens: number | null;
  readonly feeWei: bigint | null;
  /** q; no bytes where nothing is attributed, null before scoring. */
  readonly query: Uint8Array | null;
  /** Who is paid for it, and the threshold; null where nothing is attributed. */
  readonly listing: Listing | null;
  /** Why nothing is attributed although it was asked for: it could not be scored. */
  readonly unattributed: string | null;
  /** The interval of the channel's cumulative amount, wei. */
  readonly charge: { readonly from: bigint; readonly to: bigint } | null;
  readonly receiptId: Digest | null;
  readonly error: string | null;
  readonly generatedAtMs: number | null;
  readonly finishedAtMs: number | null;
};

type Row = Omit<RequestRecord, "answer" | "charge" | "listing"> & {
  listed: Uint8Array | null;
  thresholdRow: number | null;
  threshold: number | null;
  promptIds: number[] | null;
  outputIds: number[] | null;
  text: Uint8Array | null;
  logprobs: TokenLogprob[] | null;
  finishReason: FinishReason | null;
  seed: number | null;
  fingerprint: string | null;
  fromWei: bigint | null;
  toWei: bigint | null;
};

const columns = `id, choice, state, payer, idempotency_key as "idempotencyKey", kind, model, release_id as "releaseId", attribution,
  request_digest as "requestDigest", reserved_wei as "reservedWei", prompt_ids as "promptIds", output_ids as "outputIds", text, logprobs,
  finish_reason as "finishReason", seed, fingerprint, prompt_tokens as "promptTokens", completion_tokens as "completionTokens",
  fee_wei as "feeWei", query, listed, threshold_row as "thresholdRow", threshold, unattributed, channel_id as "channelId", from_wei as "fromWei", to_wei as "toWei",
  receipt_id as "receiptId", error, created_at_ms as "createdAtMs", generated_at_ms as "generatedAtMs", finished_at_ms as "finishedAtMs"`;

/** A mark U+FEFF at the start is part of the answer: its digest covers it. */
const decodeText = (bytes: Uint8Array) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);

function recordOf(row: Row): RequestRecord {
  const { promptIds, outputIds, text, logprobs, finishReason, seed, fingerprint, fromWei, toWei, ...more } =
    row;
  const { listed, thresholdRow, threshold, ...rest } = more;
  const written =
    promptIds !== null &&
    outputIds !== null &&
    text !== null &&
    finishReason !== null &&
    seed !== null &&
    fingerprint !== null;
  return {
    ...rest,
    answer: written
      ? { promptIds, outputIds, text: decodeText(text), logprobs, finishReason, seed, fingerprint }
      : null,
    listing:
      listed !== null && thresholdRow !== null && threshold !== null
        ? { scores: decodeScores(listed) ?? [], thresholdRow, threshold: BigInt(threshold) }
        : null,
    charge: fromWei !== null && toWei !== null ? { from: fromWei, to: toWei } : null,
  };
}

/** @returns undefined for an id that stands for nothing */
export async function findRequest(queries: Queries, id: string): Promise<RequestRecord | undefined> {
  const [row] = await queries.query<Row>(`select ${columns} from inference.requests where id = $1`, [id]);
  return row && recordOf(row);
}

/** @throws InferenceError 404 */
export async function readRequest(queries: Queries, id: string): Promise<RequestRecord> {
  // No other id is given out, and no text column can be asked for a NUL.
  const found = /^[\x21-\x7e]{1,100}$/.test(id) ? await findRequest(queries, id) : undefined;
  if (found !== undefined) return found;
  throw new InferenceError(404, "request_not_found", `There is no request '${id.slice(0, 80)}' here.`, {
    param: "id",
  });
}

/** The choices that an idempotency key stands for already, in order. */
export async function findByKey(
  queries: Queries,
  payer: string,
  idempotencyKey: string,
): Promise<RequestRecord[]> {
  const rows = await queries.query<Row>(
    `select ${columns} from inference.requests where payer = $1 and idempotency_key = $2 order by choice`,
    [payer, idempotencyKey],
  );
  return rows.map(recordOf);
}

/** Requests of a channel that are charged and have no receipt, in the order of their intervals. */
export async function chargedRequests(
  queries: Queries,
  channelId: Digest,
  limit: number,
): Promise<RequestRecord[]> {
  const rows = await queries.query<Row>(
    `select ${columns} from inference.requests where state = 'charged' and channel_id = $1 order by from_wei limit $2`,
    [channelId, limit],
  );
  return rows.map(recordOf);
}

export const payerName = (payer: Payer): string => (payer.kind === "key" ? payer.keyId : payer.channelId);

/** @param body - as it came; kept with the first choice */
export async function insertRequest(tx: Transaction, request: NewRequest, body: Uint8Array): Promise<void> {
  await tx.query(
    `insert into inference.requests (id, choice, state, payer, channel_id, idempotency_key, kind, model, release_id, attribution,
       request_digest, reserved_wei, prompt_tokens, created_at_ms, body)
     values ($1, $2, 'reserved', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
    [
      request.id,
      request.choice,
      request.payer,
      request.channelId,
      request.idempotencyKey,
      request.kind,
      request.model,
      request.releaseId,
      request.attribution,
      request.requestDigest,
      request.reservedWei,
      request.promptTokens,
      request.createdAtMs,
      request.choice === 0 ? body : null,
    ],
  );
}

/**
 * Writes a step's result with its change of state.
 *
 * @param values - by column name
 * @returns false if the request is not in the state the step starts from: the step was done already
 */
export async function advance(
  tx: Transaction,
  id: string,
  from: RequestState,
  to: RequestState,
  values: Readonly<Record<string, unknown>> = {},
): Promise<boolean> {
  const names = Object.keys(values);
  const sets = names.map((name, i) => `, ${name} = $${i + 4}`).join("");
  const moved = await tx.query(
    `update inference.requests set state = $3${sets} where id = $1 and state = $2 returning id`,
    [id, from, to, ...Object.values(values)],
  );
  return moved.length > 0;
}

/** What it takes to see that a receipt's query is the gradient of its answer. */
export type AnswerEvidence = {
  /** The request's body as it came; null for requests of before it was kept. */
  readonly request: Uint8Array | null;
  readonly response: string;
  readonly promptIds: readonly number[];
  readonly outputIds: readonly number[];
};

/** @returns undefined for a receipt that no answer here has */
export async function findEvidence(queries: Queries, receiptId: Digest): Promise<AnswerEvidence | undefined> {
  const [row] = await queries.query<{
    id: string;
    text: Uint8Array;
    promptIds: number[];
    outputIds: number[];
  }>(
    `select id, text, prompt_ids as "promptIds", output_ids as "outputIds" from inference.requests where receipt_id = $1`,
    [receiptId],
  );
  if (row === undefined) return undefined;
  const first = row.id.replace(/-\d+$/, "");
  const [kept] = await queries.query<{ body: Uint8Array | null }>(
    "select body from inference.requests where id = $1",
    [first],
  );
  return {
    request: kept?.body ?? null,
    response: decodeText(row.text),
    promptIds: row.promptIds,
    outputIds: row.outputIds,
  };
}

/** Ids of requests in any of these states, oldest first. */
export async function requestsIn(
  queries: Queries,
  states: readonly RequestState[],
  limit: number,
): Promise<string[]> {
  const rows = await queries.query<{ id: string }>(
    "select id from inference.requests where state = any($1) order by created_at_ms, id limit $2",
    [states, limit],
  );
  return rows.map(({ id }) => id);
}
