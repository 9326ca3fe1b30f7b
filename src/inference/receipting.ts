/**
 * From a written answer to its receipt: score → charge → receipt, a durable job. Each step writes its result and the new state in one
 * transaction, so a job that is run again, after a failure or in the next process, goes on where it was.
 *
 * An answer that cannot be scored, however often it is tried, gets a receipt that attributes nothing: its influence part goes to the
 * common pools, never to the operator, and the request says why.
 */
import type { Database, Job, Jobs, Transaction } from "../store/index.ts";
import { InferenceError } from "./errors.ts";
import { finish, type StepParts } from "./receipt-steps.ts";
import { waitingStates } from "./record.ts";

/** The kind of job that ends in a receipt; its key is the request's id. */
const receiptJob = "inference.receipt";

export type ReceiptingParts = StepParts & {
  readonly jobs: Jobs;
  /** Attempts at a receipt before it is left to the next start; waits between them double, up to five minutes. */
  readonly receiptAttemptsMax: number;
  /** Paid answers that may be without a receipt, those under way included. */
  readonly receiptsWaitingMax: number;
};

/** Scores and receipts at once; scoring itself has one thread. */
const concurrency = 4;
/** Who is refused is told to come back after as long as the latest receipt took, within these. */
const retryAfterMs = { least: 1_000, most: 60_000 };

export type Receipting = {
  /**
   * Keeps places for answers that will need receipts, until disposed of.
   *
   * @throws InferenceError 429 when as many wait as may: receipts are not made as fast as answers
   */
  admit(answers: number): Disposable;
  /** Promises the receipt, inside the transaction that writes the answer. */
  promise(tx: Transaction, requestId: string): Promise<void>;
  /** Starts to work, taking up what an earlier process left. */
  start(): Promise<void>;
  /** Resolves when no answer waits for its receipt. @throws when one has been given up for now */
  drain(): Promise<void>;
  close(): void;
};

export function createReceipting(given: ReceiptingParts): Receipting {
  const { database, jobs, log, receiptAttemptsMax, receiptsWaitingMax } = given;
  const waiters = new Set<() => void>();
  /** Requests whose job has used all its attempts in this process. */
  const stuck = new Map<string, string>();
  let closed = false;
  /** Answers written and not receipted, answers under way, and how long after its last token the latest receipt was there. */
  let waiting = 0;
  let expected = 0;
  let latestLagMs = 0;
  const changed = () => {
    for (const wake of [...waiters]) wake();
  };
  const parts: ReceiptingParts = {
    ...given,
    onReceipt: (lagMs, feeWei, requestId) => {
      stuck.delete(requestId);
      waiting--;
      latestLagMs = lagMs;
      given.onReceipt(lagMs, feeWei, requestId);
    },
  };

  async function handle({ key, attempt, signal }: Job): Promise<void> {
    try {
      await finish(parts, key, attempt, signal);
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

  return {
    admit(answers) {
      const held = waiting + expected;
      if (held > 0 && held + answers > receiptsWaitingMax)
        throw new InferenceError(
          429,
          "receipts_behind",
          `${held} paid answers wait for their receipts or are under way, and ${receiptsWaitingMax} is the most. Nothing is charged; try again later.`,
          { retryAfterMs: Math.min(Math.max(latestLagMs, retryAfterMs.least), retryAfterMs.most) },
        );
      expected += answers;
      return {
        [Symbol.dispose]: () => {
          expected -= answers;
        },
      };
    },
    async promise(tx, requestId) {
      await jobs.enqueue(tx, receiptJob, requestId, null);
      tx.onCommit(() => waiting++);
    },
    async start() {
      waiting = await waitingCount(database);
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
          if ((await waitingCount(database)) === 0) return;
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

async function waitingCount(database: Database): Promise<number> {
  const [row] = await database.query<{ count: number }>(
    "select count(*) as count from inference.requests where state = any($1)",
    [waitingStates],
  );
  return row?.count ?? 0;
}
