/**
 * From a written answer to its receipt: score → charge → receipt, a durable job. Each step writes its result and the new state in one
 * transaction, so a job that is run again, after a failure or in the next process, goes on where it was.
 */
import type { Account } from "viem";
import type { Attribution } from "../attribution/index.ts";
import type { Payments } from "../payments/index.ts";
import type { Signer } from "../protocol/index.ts";
import type { Database, Job, Jobs, Transaction } from "../store/index.ts";
import type { DeliverReceipt, ReadTerms, Releases } from "./ports.ts";
import { makeReceipt } from "./receipt.ts";
import {
  advance,
  chargedRequests,
  findRequest,
  type RequestRecord,
  readRequest,
  waitingStates,
} from "./record.ts";

/** The kind of job that ends in a receipt; its key is the request's id. */
export const receiptJob = "inference.receipt";

/** An account that signs here: one with a key. */
export type OperatorAccount = Signer & { readonly address: Account["address"] };

/** A step of the pipeline that has been written down. */
export type Step = "reserved" | "generated" | "scored" | "charged" | "receipted";

export type ReceiptingParts = {
  readonly database: Database;
  readonly jobs: Jobs;
  readonly attribution: Pick<Attribution, "score">;
  readonly payments: Pick<Payments, "charge">;
  readonly releases: Releases;
  readonly terms: ReadTerms;
  readonly deliver: DeliverReceipt;
  readonly operator: OperatorAccount;
  /** Attempts at a receipt before it is left to the next start; waits between them double, up to five minutes. */
  readonly receiptAttemptsMax: number;
  readonly now: () => number;
  readonly log: (message: string) => void;
  /** Hears of every receipt: milliseconds since the answer's last token, and the fee, wei. */
  readonly onReceipt: (lagMs: number, feeWei: bigint, requestId: string) => void;
  readonly afterStep: (step: Step, requestId: string, signal: AbortSignal) => Promise<void>;
};

/** Scores and receipts at once; scoring itself has one thread. */
const concurrency = 4;
/** Charged requests of one channel that are receipted in one go; there is one, after a crash perhaps a few. */
const chargedMax = 100;

export type Receipting = {
  /** Promises the receipt, inside the transaction that writes the answer. */
  promise(tx: Transaction, requestId: string): Promise<void>;
  /** Starts to work, taking up what an earlier process left. */
  start(): Promise<void>;
  /** Resolves when no answer waits for its receipt. @throws when one has been given up for now */
  drain(): Promise<void>;
  close(): void;
};

export function createReceipting(given: ReceiptingParts): Receipting {
  const { database, jobs, log, receiptAttemptsMax } = given;
  const waiters = new Set<() => void>();
  /** Requests whose job has used all its attempts in this process. */
  const stuck = new Map<string, string>();
  let closed = false;
  const changed = () => {
    for (const wake of [...waiters]) wake();
  };
  const parts: ReceiptingParts = {
    ...given,
    onReceipt: (lagMs, feeWei, requestId) => {
      stuck.delete(requestId);
      given.onReceipt(lagMs, feeWei, requestId);
    },
  };

  async function handle({ key, attempt, signal }: Job): Promise<void> {
    try {
      await finish(parts, key, signal);
    } catch (error) {
      const message = (error as Error).message;
      if (attempt >= receiptAttemptsMax && !signal.aborted) stuck.set(key, message);
      await database.query("update inference.requests set error = $2 where id = $1 and state = any($3)", [
        key,
        message.slice(0, 2_000),
        waitingStates,
      ]);
      log(`Request ${key}: no receipt yet after attempt ${attempt}: ${message}`);
      throw error;
    } finally {
      changed();
    }
  }

  async function isWaiting(): Promise<boolean> {
    const rows = await database.query("select 1 from inference.requests where state = any($1) limit 1", [
      waitingStates,
    ]);
    return rows.length > 0;
  }

  return {
    async promise(tx, requestId) {
      await jobs.enqueue(tx, receiptJob, requestId, null);
    },
    async start() {
      for (const { key } of await jobs.list({ kind: receiptJob, state: "failed", limit: 1_000 }))
        await jobs.retry(receiptJob, key);
      jobs.work(receiptJob, handle, { concurrency, maxAttempts: receiptAttemptsMax, backoffMs: 250 });
    },
    async drain() {
      while (!closed) {
        let wake = () => {};
        const next = new Promise<void>((resolve) => {
          wake = resolve;
        });
        waiters.add(wake);
        try {
          const [given] = stuck;
          if (given !== undefined)
            throw new Error(
              `${stuck.size} answers have no receipt after ${receiptAttemptsMax} attempts; request ${given[0]}: ${given[1]}. They are tried again at the next start.`,
            );
          if (!(await isWaiting())) return;
          await next;
        } finally {
          waiters.delete(wake);
        }
      }
    },
    close() {
      closed = true;
      changed();
    },
  };
}

/** Does what is left to do for a request, one step after the other. */
async function finish(parts: ReceiptingParts, id: string, signal: AbortSignal): Promise<void> {
  const request = await findRequest(parts.database, id);
  if (request === undefined) return;
  if (request.state === "generated") {
    await scoreStep(parts, request);
    await parts.afterStep("scored", id, signal);
  }
  await settleInOrder(parts, request, signal);
}

/**
 * Charges and receipts. Charges of a channel follow each other without a gap, and their receipts are delivered in that order: whoever
 * delivers one delivers those charged before it first. Two that do so at once do no harm: the state's change is made once.
 */
async function settleInOrder(
  parts: ReceiptingParts,
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
  parts: ReceiptingParts,
  channelId: RequestRecord["channelId"],
  signal: AbortSignal,
): Promise<void> {
  for (const request of await chargedRequests(parts.database, channelId, chargedMax)) {
    await receiptStep(parts, request);
    await parts.afterStep("receipted", request.id, signal);
  }
}

async function scoreStep(parts: ReceiptingParts, request: RequestRecord): Promise<void> {
  const { answer, attribution, id, releaseId } = request;
  const attributed = attribution && answer !== null && answer.outputIds.length > 0;
  const found = attributed ? await parts.attribution.score(releaseId, answer) : null;
  await parts.database.transaction((tx) =>
    advance(tx, id, "generated", "scored", {
      query: found?.query ?? new Uint8Array(0),
      scores: found && JSON.stringify(found.scores),
      null_scores: found && JSON.stringify(found.nullScores),
    }),
  );
}

async function chargeStep(parts: ReceiptingParts, request: RequestRecord): Promise<void> {
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

async function receiptStep(parts: ReceiptingParts, request: RequestRecord): Promise<void> {
  const release = await parts.releases.find(request.releaseId);
  if (release === undefined)
    throw new Error(`Release ${request.releaseId} is not here any more: its answers cannot be receipted.`);
  const terms = await parts.terms(release, BigInt(Math.floor(parts.now() / 1_000)));
  const { id, bundle } = await makeReceipt(request, release, terms, parts.operator);
  await parts.database.transaction(async (tx) => {
    const finishedAtMs = parts.now();
    const done = { receipt_id: id, null_scores: null, error: null, finished_at_ms: finishedAtMs };
    if (!(await advance(tx, request.id, "charged", "receipted", done))) return;
    await parts.deliver(tx, bundle);
    tx.onCommit(() => {
      const lagMs = finishedAtMs - (request.generatedAtMs ?? finishedAtMs);
      parts.onReceipt(lagMs, request.feeWei ?? 0n, request.id);
    });
  });
}
