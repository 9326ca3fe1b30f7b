/** The steps from a written answer to its receipt, each done once, whenever and however often it is asked for. */
import type { Account } from "viem";
import type { Attribution } from "../attribution/index.ts";
import type { Payments } from "../payments/index.ts";
import { encodeScores, listInfluence, type Signer } from "../protocol/index.ts";
import type { Database } from "../store/index.ts";
import type { DeliverReceipt, ReadTerms, Releases, ServedRelease } from "./ports.ts";
import { makeReceipt } from "./receipt.ts";
import { advance, chargedRequests, findRequest, type RequestRecord, readRequest } from "./record.ts";

/** Charged requests of one channel that are receipted in one go; there is one, after a crash perhaps a few. */
const chargedMax = 100;

/** An account that signs here: one with a key. */
export type OperatorAccount = Signer & { readonly address: Account["address"] };

/** A step of the pipeline that has been written down. */
export type Step = "reserved" | "generated" | "scored" | "charged" | "receipted";

export type StepParts = {
  readonly database: Database;
  readonly attribution: Pick<Attribution, "score">;
  readonly payments: Pick<Payments, "charge">;
  readonly releases: Releases;
  readonly terms: ReadTerms;
  readonly deliver: DeliverReceipt;
  readonly operator: OperatorAccount;
  /** Attempts at a score before the receipt goes without; fewer than `receiptAttemptsMax`. */
  readonly scoreAttemptsMax: number;
  readonly now: () => number;
  readonly log: (message: string) => void;
  /** Hears of every receipt: milliseconds since the answer's last token, and the fee, wei. */
  readonly onReceipt: (lagMs: number, feeWei: bigint, requestId: string) => void;
  /** Hears of every answer that could not be scored, once. */
  readonly onUnattributed: () => void;
  readonly afterStep: (step: Step, requestId: string, signal: AbortSignal) => Promise<void>;
};

/** Does what is left to do for a request, one step after the other. */
export async function finish(
  parts: StepParts,
  id: string,
  attempt: number,
  signal: AbortSignal,
): Promise<void> {
  const request = await findRequest(parts.database, id);
  if (request === undefined) return;
  if (request.state === "generated") {
    await scoreStep(parts, request, attempt);
    await parts.afterStep("scored", id, signal);
  }
  await settleInOrder(parts, request, signal);
}

/**
 * Charges and receipts. Charges of a channel follow each other without a gap, and their receipts are delivered in that order: whoever
 * delivers one delivers those charged before it first. Two that do so at once do no harm: the state's change is made once.
 */
async function settleInOrder(
  parts: StepParts,
  { id, channelId }: RequestRecord,
  signal: AbortSignal,
): Promise<void> {
  await receiptCharged(parts, channelId, signal);
  const request = await readRequest(parts.database, id);
  if (request.state !== "scored") return;
  await chargeStep(parts, request);
  await parts.afterStep("charged", id, signal);
  await receiptCharged(parts, channelId, signal);
}

async function receiptCharged(
  parts: StepParts,
  channelId: RequestRecord["channelId"],
  signal: AbortSignal,
): Promise<void> {
  for (const request of await chargedRequests(parts.database, channelId, chargedMax)) {
    await receiptStep(parts, request);
    await parts.afterStep("receipted", request.id, signal);
  }
}

async function scoreStep(parts: StepParts, request: RequestRecord, attempt: number): Promise<void> {
  const { id, answer, attribution, error } = request;
  const asked = attribution && answer !== null && answer.outputIds.length > 0;
  const unattributed =
    asked && attempt > parts.scoreAttemptsMax
      ? `It could not be scored in ${parts.scoreAttemptsMax} attempts: ${error ?? "the process ended each time"}`
      : null;
  const scored = asked && unattributed === null ? await scoresOf(parts, request) : noScores;
  await parts.database.transaction(async (tx) => {
    if (!(await advance(tx, id, "generated", "scored", { ...scored, unattributed }))) return;
    if (unattributed === null) return;
    tx.onCommit(() => {
      parts.onUnattributed();
      parts.log(`Request ${id}: the receipt will attribute nothing. ${unattributed}`);
    });
  });
}

const noScores = { query: new Uint8Array(0), listed: null, threshold_row: null, threshold: null };

/** Of all scores, only what the receipt keeps is written down. */
async function scoresOf(parts: StepParts, { releaseId, answer }: RequestRecord) {
  const { manifest, contributors } = await requireRelease(parts, releaseId);
  const { query, scores, nullScores } = await parts.attribution.score(
    releaseId,
    answer as NonNullable<typeof answer>,
  );
  const { thresholdMillionths } = manifest.index;
  const listing = listInfluence({ contributors, scores, nullScores, thresholdMillionths });
  return {
    query,
    listed: encodeScores(listing.scores),
    threshold_row: listing.thresholdRow,
    threshold: Number(listing.threshold),
  };
}

async function requireRelease(
  { releases }: StepParts,
  id: RequestRecord["releaseId"],
): Promise<ServedRelease> {
  const release = await releases.find(id);
  if (release !== undefined) return release;
  throw new Error(`Release ${id} is not here any more: its answers cannot be receipted.`);
}

async function chargeStep(parts: StepParts, request: RequestRecord): Promise<void> {
  const { id, feeWei, promptTokens, completionTokens } = request;
  if (feeWei === null || completionTokens === null)
    throw new Error(`Request ${id} has an answer without a fee.`);
  await parts.database.transaction(async (tx) => {
    const { from, to } = await parts.payments.charge(tx, id, feeWei, {
      promptTokens,
      completionTokens,
    });
    await advance(tx, id, "scored", "charged", { from_wei: from, to_wei: to });
  });
}

async function receiptStep(parts: StepParts, request: RequestRecord): Promise<void> {
  const release = await requireRelease(parts, request.releaseId);
  const terms = await parts.terms(release, BigInt(Math.floor(parts.now() / 1_000)));
  const { id, bundle } = await makeReceipt(request, release, terms, parts.operator);
  await parts.database.transaction(async (tx) => {
    const finishedAtMs = parts.now();
    const done = { receipt_id: id, error: null, finished_at_ms: finishedAtMs };
    if (!(await advance(tx, request.id, "charged", "receipted", done))) return;
    await parts.deliver(tx, bundle);
    tx.onCommit(() => {
      // Not less than nothing, where the clock was set back in between.
      const lagMs = Math.max(0, finishedAtMs - (request.generatedAtMs ?? finishedAtMs));
      parts.onReceipt(lagMs, request.feeWei ?? 0n, request.id);
    });
  });
}
