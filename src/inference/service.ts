/** Paid answers: reserve → generate → score → charge → receipt. */
import type { Attribution } from "../attribution/index.ts";
import type { OpenLora } from "../openlora/index.ts";
import { PaymentError, type PaymentRequiredError, type Payments } from "../payments/index.ts";
import type { Digest } from "../protocol/index.ts";
import type { Database, Jobs } from "../store/index.ts";
import { type Answer, answer, type Listener, type Question } from "./answering.ts";
import { type EmbeddingAsk, type EmbeddingsJson, embed } from "./embeddings.ts";
import { clientError, InferenceError } from "./errors.ts";
import type { LoadedAdapters } from "./loaded-adapters.ts";
import { createMeter, type InferenceMetrics } from "./metrics.ts";
import { createModels, type Models } from "./models.ts";
import { releaseRequests } from "./paid-request.ts";
import type { DeliverReceipt, MaySell, ReadTerms, Releases } from "./ports.ts";
import type { OperatorAccount, Step } from "./receipt-steps.ts";
import { createReceipting } from "./receipting.ts";
import {
  type AnswerEvidence,
  findEvidence,
  type RequestRecord,
  readRequest,
  requestsIn,
  waitingStates,
} from "./record.ts";
import { keptReleases } from "./releases.ts";
import { migrateInference } from "./tables.ts";

export type InferenceDependencies = {
  readonly database: Database;
  readonly jobs: Jobs;
  readonly openlora: OpenLora;
  readonly attribution: Pick<Attribution, "score" | "prepare">;
  readonly payments: Pick<Payments, "authenticate" | "reserve" | "charge" | "release">;
  readonly releases: Releases;
  readonly loaded: LoadedAdapters;
  readonly terms: ReadTerms;
  /** Every release may be sold unless given. */
  readonly maySell?: MaySell;
  readonly deliver: DeliverReceipt;
  /** Signs receipts; the payee of the payers' channels. */
  readonly operator: OperatorAccount;
  /** Answers under way at once, waiting ones included; 1,024 unless given. */
  readonly inFlightMax?: number;
  /** Longest time an answer may take; ten minutes unless given. */
  readonly answerMsMax?: number;
  /** Attempts at a receipt before it is left to the next start; 24 (more than an hour) unless given. */
  readonly receiptAttemptsMax?: number;
  /** Attempts at scoring an answer before its receipt attributes nothing and says so; 12 (about nine minutes) unless given. */
  readonly scoreAttemptsMax?: number;
  /** Paid answers without a receipt, those under way included, beyond which no more are sold for a while; 512 unless given. */
  readonly receiptsWaitingMax?: number;
  /** Wall clock, epoch milliseconds. */
  readonly now?: () => number;
  readonly log?: (message: string) => void;
  /** Called when a step has been written down; tests stop the process here. */
  readonly afterStep?: (step: Step, requestId: string, signal: AbortSignal) => Promise<void>;
};

export type Inference = {
  readonly models: Models;
  /**
   * Answers one request. A paid answer is written, and its receipt promised, before this returns.
   *
   * @throws InferenceError, PaymentRequiredError
   */
  answer(question: Question, listener?: Listener): Promise<Answer>;
  /** Vectors of texts, for nothing. @throws InferenceError */
  embed(ask: EmbeddingAsk, signal: AbortSignal): Promise<EmbeddingsJson>;
  /** What became of a request. @throws InferenceError 404 */
  request(id: string): Promise<RequestRecord>;
  /** Request, answer and tokens behind a receipt: for its payer, the operator, and drawn validators. */
  evidence(receiptId: Digest): Promise<AnswerEvidence | undefined>;
  metrics(): Promise<InferenceMetrics>;
  /** Resolves when no written answer waits for its receipt. @throws when one has been given up until the next start */
  drain(): Promise<void>;
  /** Ends the answers under way (what a stream has delivered counts) and takes no more. Close the jobs after it. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Reservations of one page when taking up after a crash. */
const pageSize = 500;

/** Opens the room: brings its tables up to date, releases what a crash left reserved, and goes on with the receipts. */
export async function createInference(dependencies: InferenceDependencies): Promise<Inference> {
  const { database, openlora, payments, now = Date.now, log = () => {} } = dependencies;
  const { inFlightMax = 1_024, answerMsMax = 10 * 60_000, receiptAttemptsMax = 24 } = dependencies;
  const { scoreAttemptsMax = 12, receiptsWaitingMax = 512 } = dependencies;
  const afterStep = dependencies.afterStep ?? (() => Promise.resolve());
  await migrateInference(database);
  const meter = createMeter();
  const releases = keptReleases(dependencies.releases);
  const models = createModels({ ...dependencies, releases });
  const receipting = createReceipting({
    ...dependencies,
    releases,
    now,
    log,
    afterStep,
    receiptAttemptsMax,
    scoreAttemptsMax,
    receiptsWaitingMax,
    onReceipt: meter.receipted,
    onUnattributed: meter.unattributed,
  });
  const parts = {
    database,
    openlora,
    attribution: dependencies.attribution,
    payments,
    releases,
    models,
    maySell: dependencies.maySell ?? (async () => true),
    receipting,
    meter,
    now,
    afterStep,
    log,
    answerMsMax,
  };
  await releaseLeftovers(parts);
  await receipting.start();
  const closing = new AbortController();
  const inFlight = new Set<Promise<unknown>>();

  /** Runs what an asker waits for, unless too many do already. */
  async function bounded<T>(asker: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (closing.signal.aborted) throw shuttingDown();
    if (inFlight.size >= inFlightMax)
      throw new InferenceError(
        429,
        "rate_limit_exceeded",
        `${inFlightMax} requests are under way already, the most this server takes. Try again later.`,
        { retryAfterMs: 1_000 },
      );
    const signal = AbortSignal.any([asker, closing.signal]);
    const running = work(signal);
    inFlight.add(running);
    try {
      return await running;
    } catch (error) {
      if (closing.signal.aborted && !asker.aborted) throw shuttingDown();
      if (asker.aborted && clientError(error) === undefined)
        throw new InferenceError(499, "cancelled", "The request was cancelled.", { cause: error });
      throw error;
    } finally {
      inFlight.delete(running);
    }
  }

  /** What went wrong, counted, as clients are told it. */
  async function told<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (cause) {
      const error = known(cause, log);
      meter.refused(error.code);
      throw error;
    }
  }

  async function close(): Promise<void> {
    closing.abort();
    await Promise.allSettled(inFlight);
    receipting.close();
  }

  return {
    models,
    answer: (question, listener) =>
      told(bounded(question.signal, (signal) => answer(parts, { ...question, signal }, listener))),
    embed: (ask, asker) =>
      told(bounded(asker, async (signal) => embed(openlora, await models.find(ask.model), ask, signal))),
    request: (id) => readRequest(database, id),
    evidence: (receiptId) => findEvidence(database, receiptId),
    async metrics() {
      const [waiting] = await database.query<{ count: number; oldest: number | null }>(
        "select count(*) as count, min(generated_at_ms) as oldest from inference.requests where state = any($1)",
        [waitingStates],
      );
      const oldest = waiting?.oldest ?? null;
      return {
        ...meter.read(),
        inFlight: inFlight.size,
        waitingForReceipt: waiting?.count ?? 0,
        oldestWaitingMs: oldest === null ? 0 : Math.max(0, now() - oldest),
      };
    },
    drain: receipting.drain,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The error as clients are told it; one that nobody foresaw is logged and not shown. */
function known(cause: unknown, log: (message: string) => void): InferenceError | PaymentRequiredError {
  const error = clientError(cause);
  if (error !== undefined) return error;
  log(`A request failed: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}`);
  if (cause instanceof PaymentError && cause.code === "chain-behind")
    return new InferenceError(503, "chain_behind", cause.message, { retryAfterMs: 2_000, cause });
  return new InferenceError(500, "internal_error", "The server failed to answer. Nothing is charged.", {
    cause,
  });
}

const shuttingDown = () =>
  new InferenceError(503, "shutting_down", "The server is shutting down. Try again in a moment.", {
    retryAfterMs: 5_000,
  });

/** An answer that the last process was generating is lost, and costs nothing. */
async function releaseLeftovers(parts: Parameters<typeof releaseRequests>[0]): Promise<void> {
  for (;;) {
    const left = await requestsIn(parts.database, ["reserved"], pageSize);
    if (left.length === 0) return;
    await releaseRequests(parts, left, "released", "The process ended before the answer was written.");
  }
}
