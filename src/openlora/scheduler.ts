/**
 * Continuous batching (Yu et al., Orca, 2022): requests join the batch between steps and leave it when their answer ends. A request waits
 * until its turn comes and its adapter is in memory; it takes no row before, so nobody waits for somebody else's adapter.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { createRandom, createSamplers, type Tokenizer } from "../engine/index.ts";
import type { Digest } from "../protocol/index.ts";
import type { AdapterTiers, Lease } from "./adapters.ts";
import { type AnswerEnd, createAnswer } from "./answer.ts";
import { type BatchDecoder, type BatchMetrics, createBatch, type Participant } from "./batch.ts";
import { closedError, OpenLoraError, type OpenLoraErrorCode, queueFull } from "./errors.ts";
import { createFairQueue } from "./fair-queue.ts";
import { type Constraint, createGrammars, grammarLimits } from "./grammars.ts";
import type { ServingLimits } from "./options.ts";
import { createPrefixCache } from "./prefix-cache.ts";
import { readPrompt } from "./prompt.ts";
import {
  answerLimit,
  type FinishReason,
  type Format,
  type GenerateRequest,
  type Generation,
  type Piece,
  type Prompt,
} from "./request.ts";

export type SchedulerMetrics = BatchMetrics & {
  waiting: number;
  waitingTenants: number;
  /** Of those waiting, the ones whose turn it is as soon as their adapter is in memory. */
  loading: number;
  running: number;
  rowsMax: number;
  queueMax: number;
  finishedTotal: Record<FinishReason, number>;
  refusedTotal: Partial<Record<OpenLoraErrorCode, number>>;
  outputTokensTotal: number;
  /** Time that answers waited for a row and an adapter. */
  waitedSecondsTotal: number;
};

export type Outcome = Omit<Generation, "fingerprint">;

type Call = { readonly signal: AbortSignal; emit(piece: Piece): void };

export type Scheduler = {
  /** @throws OpenLoraError `prompt-invalid`, `prompt-too-long`, `overloaded`, `adapter-…`, `engine-failed` */
  generate(request: GenerateRequest, call: Call): Promise<Outcome>;
  /** @throws OpenLoraError `prompt-invalid`, `prompt-too-long` */
  promptIds(prompt: Prompt): number[];
  metrics(): SchedulerMetrics;
  /** Rejects everything with `closed`; resolves when no step is under way any more. */
  close(): Promise<void>;
};

const longestTimerMs = 2 ** 31 - 1;

/** Tokens of a kept beginning's blocks. */
const prefixBlock = 32;

/** Pieces that prompts are taken in by where answers must not depend on what runs beside them. */
export const deterministicChunk = 64;

type Job = {
  readonly request: GenerateRequest;
  readonly participant: Omit<Participant, "adapter">;
  readonly arrivedAtMs: number;
  /** When it was given a row and its adapter was there. */
  startedAtMs: number | undefined;
  /** What holds it to a format, once that is compiled. */
  constraint: Constraint | undefined;
  state: "compiling" | "waiting" | "running" | "ended";
  lease: Lease | undefined;
  cancelledBy: "signal" | "deadline" | null;
  /** Ends the job: with its answer or with an error. */
  settle(end: AnswerEnd | Error): void;
};

/** @throws OpenLoraError `invalid-request` for a request that the schema knows and this model cannot answer */
function refuseUnserved(request: GenerateRequest, vocabTokens: number): void {
  const unknown = Object.keys(request.logitBias).find((id) => Number(id) >= vocabTokens);
  if (unknown !== undefined)
    throw new OpenLoraError(
      "invalid-request",
      `logitBias names token ${unknown}; this model knows 0 to ${vocabTokens - 1}.`,
      { limit: vocabTokens - 1, actual: Number(unknown) },
    );
}

export function createScheduler(deps: {
  tokenizer: Tokenizer;
  decoder: BatchDecoder;
  adapters: AdapterTiers;
  limits: ServingLimits;
}): Scheduler {
  const { tokenizer, adapters, limits } = deps;
  const queue = createFairQueue<Job>({ total: limits.maxQueue, perTenant: limits.maxQueuePerTenant });
  const ready: Participant[] = [];
  const batch = createBatch(deps.decoder, {
    prefillTokens: limits.prefillTokensPerStep,
    prefillChunk: limits.deterministic ? deterministicChunk : undefined,
    prefixes: createPrefixCache({
      bytes: limits.prefixCacheBytes,
      blockTokens: limits.deterministic ? deterministicChunk : prefixBlock,
    }),
  });
  const grammars = createGrammars(
    { tokenizer, vocabTokens: limits.vocabTokens },
    { ...grammarLimits, threads: limits.grammarThreads },
  );
  const samplerOf = createSamplers(limits.vocabTokens);
  let stepping: PromiseWithResolvers<void> | undefined;
  let closed: OpenLoraError | undefined;
  /** Moving average over ended answers of the time one took once it had a row. */
  let usualMs: number | undefined;
  const totals = {
    finishedTotal: { stop: 0, length: 0, cancelled: 0 },
    refusedTotal: {} as Partial<Record<OpenLoraErrorCode, number>>,
    outputTokensTotal: 0,
    waitedSecondsTotal: 0,
  };

  const promptIds = (prompt: Prompt) => readPrompt(tokenizer, limits, prompt);

  function createJob(
    request: GenerateRequest,
    emit: Call["emit"],
    done: { resolve(outcome: Outcome): void; reject(error: unknown): void },
  ): Job {
    refuseUnserved(request, limits.vocabTokens);
    const ids = promptIds(request.prompt);
    const maxTokens = answerLimit(limits, ids.length, request.maxTokens);
    const answer = createAnswer(tokenizer, { stop: request.stop, maxTokens }, emit);
    const arrivedAtMs = Date.now();

    function outcome({ finishReason, endedByEos }: AnswerEnd): Outcome {
      const endedAtMs = Date.now();
      const startedAtMs = job.startedAtMs ?? endedAtMs;
      totals.finishedTotal[finishReason]++;
      totals.outputTokensTotal += answer.outputIds.length;
      totals.waitedSecondsTotal += (startedAtMs - arrivedAtMs) / 1_000;
      if (job.startedAtMs !== undefined)
        usualMs = 0.9 * (usualMs ?? endedAtMs - startedAtMs) + 0.1 * (endedAtMs - startedAtMs);
      return {
        text: answer.text,
        promptIds: ids,
        outputIds: answer.outputIds,
        ...(request.logprobs === undefined ? {} : { logprobs: answer.logprobs }),
        finishReason,
        endedByEos,
        cancelledBy: job.cancelledBy,
        maxTokens,
        seed: request.seed,
        seconds: (endedAtMs - arrivedAtMs) / 1_000,
        waitedSeconds: (startedAtMs - arrivedAtMs) / 1_000,
      };
    }

    const job: Job = {
      request,
      participant: {
        promptIds: ids,
        model: request.adapter === undefined ? "the base model" : `adapter ${request.adapter}`,
        sampler: samplerOf(request, createRandom(request.seed), ids),
        get constraint() {
          return job.constraint;
        },
        answer,
        cancelled: () => job.cancelledBy !== null,
        joined: () => job.lease?.release(),
        left: (end) => job.settle(end),
      },
      arrivedAtMs,
      startedAtMs: undefined,
      constraint: undefined,
      state: request.format === undefined ? "waiting" : "compiling",
      lease: undefined,
      cancelledBy: null,
      settle(end) {
        job.state = "ended";
        job.lease?.release();
        job.constraint?.end();
        if (end instanceof Error) done.reject(end);
        else done.resolve(outcome(end));
      },
    };
    return job;
  }

  function enqueue(job: Job): void {
    const full = queue.push(job.request.tenant, job);
    if (full === undefined) {
      if (job.request.adapter !== undefined) void adapters.prefetch(job.request.adapter).then(advance);
      return;
    }
    const estimateMs = ((usualMs ?? 1_000) * queue.size) / limits.maxRows;
    throw queueFull(full, limits, estimateMs);
  }

  async function generate(request: GenerateRequest, { signal, emit }: Call): Promise<Outcome> {
    try {
      if (closed !== undefined) throw closed;
      const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
      const job = createJob(request, emit, { resolve, reject });
      if (request.format === undefined) enqueue(job);
      const onAbort = () => cancel(job, "signal");
      signal.addEventListener("abort", onAbort, { once: true });
      const leftMs = (request.deadlineAtMs ?? Number.POSITIVE_INFINITY) - job.arrivedAtMs;
      const timer =
        leftMs <= longestTimerMs ? setTimeout(() => cancel(job, "deadline"), Math.max(0, leftMs)) : undefined;
      try {
        if (signal.aborted) cancel(job, "signal");
        else if (leftMs <= 0) cancel(job, "deadline");
        else if (request.format !== undefined) void constrain(job, request.format);
        else void advance();
        return await promise;
      } finally {
        signal.removeEventListener("abort", onAbort);
        clearTimeout(timer);
      }
    } catch (error) {
      const code = error instanceof OpenLoraError ? error.code : "engine-failed";
      totals.refusedTotal[code] = (totals.refusedTotal[code] ?? 0) + 1;
      throw error;
    }
  }

  /** Has the format's grammar compiled, and only then lets the job wait for a row: a format that is refused never does. */
  async function constrain(job: Job, format: Format): Promise<void> {
    try {
      const constraint = await grammars.begin(format);
      if (job.state === "ended") {
        constraint.end();
        return;
      }
      job.constraint = constraint;
      if (closed !== undefined) throw closed;
      job.state = "waiting";
      enqueue(job);
    } catch (error) {
      if (job.state !== "ended") job.settle(error as Error);
      return;
    }
    await advance();
  }

  /** What runs leaves at the next step, everything else at once. */
  function cancel(job: Job, by: "signal" | "deadline"): void {
    if (job.state === "ended" || job.cancelledBy !== null) return;
    job.cancelledBy = by;
    if (job.state === "running" && !withdraw(job)) return;
    if (job.state === "waiting") queue.remove(job);
    job.settle(job.participant.answer.cancel());
    void advance();
  }

  /** Takes a job back that is ready but has not joined the batch. @returns whether it was */
  function withdraw(job: Job): boolean {
    const at = ready.findIndex(({ answer }) => answer === job.participant.answer);
    if (at >= 0) ready.splice(at, 1);
    return at >= 0;
  }

  /** Gives rows to the requests whose turn it is and whose adapter is there, and has the adapters of others loaded. */
  function admit(): void {
    let free = limits.maxRows - batch.size - ready.length;
    let loads = limits.maxRows;
    for (const job of queue.inTurn()) {
      if (free === 0) return;
      const { adapter } = job.request;
      if (adapter !== undefined) {
        if (job.lease === undefined && (loads > 0 || adapters.has(adapter))) hold(job, adapter);
        if (isLoading(job) && loads === 0) letGo(job);
        if (isLoading(job)) loads--;
        if (job.lease?.adapter === undefined) continue;
      }
      queue.take(job);
      start(job);
      free--;
    }
  }

  const isLoading = ({ lease }: Job) => lease !== undefined && lease.adapter === undefined;

  function hold(job: Job, adapter: Digest): void {
    const lease = adapters.acquire(adapter);
    job.lease = lease;
    if (lease.adapter !== undefined) return;
    const fail = (error: unknown) => {
      if (job.state !== "waiting" || job.lease !== lease) return;
      queue.take(job); // its tenant has had this turn: adapters that fail one after the other must not keep others from theirs
      job.settle(error as Error);
    };
    void lease.ready.catch(fail).then(advance);
  }

  /** Takes back a promise made when fewer waited: somebody else's turn has come. What is on its way may still arrive. */
  function letGo(job: Job): void {
    job.lease?.release();
    job.lease = undefined;
  }

  function start(job: Job): void {
    job.state = "running";
    job.startedAtMs = Date.now();
    ready.push({ ...job.participant, adapter: job.lease?.adapter });
  }

  /** Steps until nothing can run. Between steps the thread's messages are read: that is how requests join and are cancelled. */
  async function advance(): Promise<void> {
    admit();
    if (stepping !== undefined) return;
    stepping = Promise.withResolvers();
    try {
      while (ready.length + batch.size > 0) {
        await batch.step(ready);
        await nextTurn();
        if (closed !== undefined) batch.clear(closed);
        admit();
      }
    } finally {
      stepping.resolve();
      stepping = undefined;
    }
  }

  async function close(): Promise<void> {
    const why = closedError();
    closed = why;
    for (const job of [...queue.inTurn()]) {
      queue.remove(job);
      job.settle(why);
    }
    for (const participant of ready.splice(0)) participant.left(why);
    await stepping?.promise;
    await grammars.close();
  }

  return {
    generate,
    promptIds,
    close,
    metrics: () => ({
      waiting: queue.size,
      waitingTenants: queue.tenants,
      loading: [...queue.inTurn()].filter(isLoading).length,
      running: ready.length + batch.size,
      rowsMax: limits.maxRows,
      queueMax: limits.maxQueue,
      ...batch.metrics(),
      ...structuredClone(totals),
    }),
  };
}
