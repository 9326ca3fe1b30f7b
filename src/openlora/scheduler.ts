/**
 * Continuous batching (Yu et al., Orca, 2022): requests join the batch between steps and leave it when their answer ends. A request goes
 * waiting → loading (its adapter) → ready → running; from loading on, a row is kept for it.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import {
  createRandom,
  type Decoder,
  promptTokens,
  type Random,
  sampleToken,
  type Tokenizer,
} from "../engine/index.ts";
import type { AdapterTiers, Lease } from "./adapters.ts";
import { type Answer, type AnswerEnd, createAnswer } from "./answer.ts";
import { OpenLoraError, type OpenLoraErrorCode, OverloadedError } from "./errors.ts";
import { createFairQueue } from "./fair-queue.ts";
import type { ServingLimits } from "./options.ts";
import {
  answerLimit,
  type FinishReason,
  type GenerateRequest,
  type Generation,
  type Piece,
  type Prompt,
} from "./request.ts";

export type SchedulerMetrics = {
  waiting: number;
  waitingTenants: number;
  loading: number;
  running: number;
  rowsMax: number;
  queueMax: number;
  finishedTotal: Record<FinishReason, number>;
  refusedTotal: Partial<Record<OpenLoraErrorCode, number>>;
  promptTokensTotal: number;
  outputTokensTotal: number;
  /** Steps that advanced the batch, their rows, and the time they and the prompts took. */
  decodeStepsTotal: number;
  decodeRowsTotal: number;
  decodeSecondsTotal: number;
  prefillSecondsTotal: number;
  /** Time that admitted requests waited for a row and an adapter. */
  waitedSecondsTotal: number;
};

export type Outcome = Omit<Generation, "fingerprint">;

export type Scheduler = {
  /** @throws OpenLoraError `prompt-invalid`, `prompt-too-long`, `overloaded`, `adapter-…`, `engine-failed` */
  generate(
    request: GenerateRequest,
    call: { readonly signal: AbortSignal; emit(piece: Piece): void },
  ): Promise<Outcome>;
  /** @throws OpenLoraError `prompt-invalid`, `prompt-too-long` */
  promptIds(prompt: Prompt): number[];
  metrics(): SchedulerMetrics;
};

/** Longest text of a prompt that is tokenised at all, per token of context. */
const charactersPerToken = 64;

const longestTimerMs = 2 ** 31 - 1;

type Job = {
  readonly request: GenerateRequest;
  readonly promptIds: readonly number[];
  readonly maxTokens: number;
  readonly answer: Answer;
  readonly random: Random;
  readonly arrivedAtMs: number;
  /** When its first step began. */
  startedAtMs: number | undefined;
  state: "waiting" | "loading" | "ready" | "running" | "ended";
  lease: Lease | undefined;
  overtakenBy: number;
  cancelledBy: "signal" | "deadline" | null;
  resolve(outcome: Outcome): void;
  reject(error: unknown): void;
};

/** A row of the batch and the token it feeds to the next step. */
type Row = { readonly job: Job; token: number };

export function createScheduler(deps: {
  tokenizer: Tokenizer;
  decoder: Pick<Decoder, "prefill" | "decode" | "remove" | "rows">;
  adapters: AdapterTiers;
  limits: ServingLimits;
}): Scheduler {
  const { tokenizer, decoder, adapters, limits } = deps;
  const queue = createFairQueue<Job>({ total: limits.maxQueue, perTenant: limits.maxQueuePerTenant });
  const loading = new Set<Job>();
  const ready: Job[] = [];
  /** By the decoder's row numbers. */
  const running: Row[] = [];
  let stepping = false;
  /** Moving average over ended answers of the time one took once it had a row. */
  let usualMs: number | undefined;
  const totals = {
    finishedTotal: { stop: 0, length: 0, cancelled: 0 },
    refusedTotal: {} as Partial<Record<OpenLoraErrorCode, number>>,
    promptTokensTotal: 0,
    outputTokensTotal: 0,
    decodeStepsTotal: 0,
    decodeRowsTotal: 0,
    decodeSecondsTotal: 0,
    prefillSecondsTotal: 0,
    waitedSecondsTotal: 0,
  };

  function promptIds(prompt: Prompt): number[] {
    const characters =
      "prompt" in prompt
        ? prompt.prompt.length
        : prompt.messages.reduce((sum, { role, content }) => sum + role.length + content.length, 0);
    const most = limits.contextTokens * charactersPerToken;
    if (characters > most)
      throw new OpenLoraError(
        "prompt-too-long",
        `The prompt has ${characters} characters; with a context of ${limits.contextTokens} tokens no more than ${most} are read. Shorten the prompt.`,
        { limitCharacters: most, actualCharacters: characters },
      );
    let ids: number[];
    try {
      ids = promptTokens(tokenizer, prompt);
    } catch (cause) {
      throw new OpenLoraError("prompt-invalid", (cause as Error).message, {}, { cause });
    }
    if (ids.length === 0)
      throw new OpenLoraError("prompt-invalid", "The prompt is empty. A model needs something to continue.");
    if (ids.length >= limits.contextTokens)
      throw new OpenLoraError(
        "prompt-too-long",
        `The prompt has ${ids.length} tokens; prompt and answer together may have ${limits.contextTokens}. Shorten the prompt.`,
        { limit: limits.contextTokens, actual: ids.length },
      );
    return ids;
  }

  function retryAfterMs(): number {
    const estimate = ((usualMs ?? 1_000) * queue.size) / limits.maxRows;
    return Math.ceil(Math.min(60_000, Math.max(100, estimate)));
  }

  function enqueue(job: Job): void {
    const full = queue.push(job.request.tenant, job);
    if (full === undefined) return;
    throw new OverloadedError(
      full === "queue"
        ? `${limits.maxQueue} requests are waiting already, the most this server lets wait. Try again later.`
        : `${limits.maxQueuePerTenant} of your requests are waiting already, the most one tenant may have. Wait for some to finish.`,
      retryAfterMs(),
    );
  }

  async function generate(
    request: GenerateRequest,
    { signal, emit }: { readonly signal: AbortSignal; emit(piece: Piece): void },
  ): Promise<Outcome> {
    const arrivedAtMs = Date.now();
    try {
      const ids = promptIds(request.prompt);
      const maxTokens = answerLimit(limits, ids.length, request.maxTokens);
      const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
      const job: Job = {
        request,
        promptIds: ids,
        maxTokens,
        answer: createAnswer(tokenizer, { stop: request.stop, maxTokens }, emit),
        random: createRandom(request.seed),
        arrivedAtMs,
        startedAtMs: undefined,
        state: "waiting",
        lease: undefined,
        overtakenBy: 0,
        cancelledBy: null,
        resolve,
        reject,
      };
      enqueue(job);
      const onAbort = () => cancel(job, "signal");
      signal.addEventListener("abort", onAbort, { once: true });
      const leftMs = (request.deadlineAtMs ?? Number.POSITIVE_INFINITY) - arrivedAtMs;
      const timer =
        leftMs <= longestTimerMs ? setTimeout(() => cancel(job, "deadline"), Math.max(0, leftMs)) : undefined;
      try {
        if (signal.aborted) cancel(job, "signal");
        else if (leftMs <= 0) cancel(job, "deadline");
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

  function end(job: Job, { finishReason, endedByEos }: AnswerEnd): void {
    const endedAtMs = Date.now();
    const startedAtMs = job.startedAtMs ?? endedAtMs;
    job.state = "ended";
    job.lease?.release();
    totals.finishedTotal[finishReason]++;
    totals.outputTokensTotal += job.answer.outputIds.length;
    if (job.startedAtMs !== undefined) {
      const tookMs = endedAtMs - startedAtMs;
      usualMs = usualMs === undefined ? tookMs : 0.9 * usualMs + 0.1 * tookMs;
    }
    job.resolve({
      text: job.answer.text,
      promptIds: job.promptIds,
      outputIds: job.answer.outputIds,
      finishReason,
      endedByEos,
      cancelledBy: job.cancelledBy,
      maxTokens: job.maxTokens,
      seed: job.request.seed,
      seconds: (endedAtMs - job.arrivedAtMs) / 1_000,
      waitedSeconds: (startedAtMs - job.arrivedAtMs) / 1_000,
    });
  }

  function fail(job: Job, error: unknown): void {
    job.state = "ended";
    job.lease?.release();
    job.reject(error);
  }

  /** A running row leaves at the next step, everything else at once. */
  function cancel(job: Job, by: "signal" | "deadline"): void {
    if (job.state === "ended" || job.cancelledBy !== null) return;
    job.cancelledBy = by;
    if (job.state === "running") return;
    if (job.state === "waiting") queue.remove(job);
    if (job.state === "loading") loading.delete(job);
    if (job.state === "ready") ready.splice(ready.indexOf(job), 1);
    end(job, job.answer.cancel());
    void advance();
  }

  /** The next request whose adapter has a slot or gets one. */
  function chooseJob(): Job | undefined {
    const passed: Job[] = [];
    for (const job of queue.inTurn()) {
      const { adapter } = job.request;
      job.lease = adapter === undefined ? undefined : adapters.acquire(adapter);
      if (adapter === undefined || job.lease !== undefined) {
        queue.take(job);
        for (const other of passed) other.overtakenBy++;
        return job;
      }
      if (job.overtakenBy >= limits.patience) return undefined;
      passed.push(job);
    }
    return undefined;
  }

  function admit(): void {
    while (running.length + ready.length + loading.size < limits.maxRows) {
      const job = chooseJob();
      if (job === undefined) return;
      if (job.lease === undefined || job.lease.loaded) {
        job.state = "ready";
        ready.push(job);
      } else {
        job.state = "loading";
        loading.add(job);
        void whenLoaded(job, job.lease);
      }
    }
  }

  async function whenLoaded(job: Job, lease: Lease): Promise<void> {
    try {
      await lease.ready;
      if (!loading.delete(job)) return;
      job.state = "ready";
      ready.push(job);
    } catch (error) {
      if (loading.delete(job)) fail(job, error);
    }
    await advance();
  }

  /** Steps until nothing can run. Between steps the thread's messages are read: that is how requests join and are cancelled. */
  async function advance(): Promise<void> {
    admit();
    if (stepping) return;
    stepping = true;
    try {
      while (ready.length + running.length > 0) {
        await step();
        await nextTurn();
        admit();
      }
    } finally {
      stepping = false;
    }
  }

  /** Chooses a row's next token, unless it was cancelled meanwhile. @returns how the answer ended, if it did */
  function chooseToken(row: Row, logits: Float32Array | undefined): AnswerEnd | OpenLoraError | undefined {
    const { job } = row;
    if (job.cancelledBy !== null) return job.answer.cancel();
    if (logits === undefined) return undefined;
    if (!Number.isFinite(logits.reduce((sum, z) => sum + z, 0))) {
      const { adapter } = job.request;
      const tokens = job.promptIds.length + job.answer.outputIds.length;
      return new OpenLoraError(
        "engine-failed",
        `After ${tokens} tokens ${adapter === undefined ? "the base model" : `adapter ${adapter}`} gives values that are not numbers.`,
      );
    }
    const token = sampleToken(logits, job.request, job.random);
    row.token = token;
    return job.answer.push(token);
  }

  /** Moves rows on by one token each; without logits only cancelled rows leave. The last row takes the number of one that left. */
  function settleRows(from: number, logits: readonly Float32Array[]): void {
    for (let number = running.length - 1; number >= from; number--) {
      const row = running[number] as Row;
      const ended = chooseToken(row, logits[number - from]);
      if (ended === undefined) continue;
      decoder.remove(number);
      const last = running.pop() as Row;
      if (number < running.length) running[number] = last;
      if (ended instanceof OpenLoraError) fail(row.job, ended);
      else end(row.job, ended);
    }
  }

  async function join(job: Job): Promise<void> {
    const startedAtMs = Date.now();
    job.startedAtMs = startedAtMs;
    job.state = "running";
    totals.waitedSecondsTotal += (startedAtMs - job.arrivedAtMs) / 1_000;
    totals.promptTokensTotal += job.promptIds.length;
    running.push({ job, token: 0 });
    const began = performance.now();
    const logits = await decoder.prefill([{ ids: job.promptIds, slot: job.lease?.slot ?? 0 }]);
    totals.prefillSecondsTotal += (performance.now() - began) / 1_000;
    settleRows(running.length - 1, logits);
  }

  async function step(): Promise<void> {
    try {
      settleRows(0, []);
      let taken = 0;
      for (let next = ready[0]; next !== undefined; next = ready[0]) {
        if (taken > 0 && taken + next.promptIds.length > limits.prefillTokensPerStep) break;
        taken += next.promptIds.length;
        ready.shift();
        await join(next);
      }
      if (running.length === 0) return;
      const began = performance.now();
      const logits = await decoder.decode(running.map(({ token }) => token));
      totals.decodeSecondsTotal += (performance.now() - began) / 1_000;
      totals.decodeStepsTotal++;
      totals.decodeRowsTotal += running.length;
      settleRows(0, logits);
    } catch (cause) {
      const error = new OpenLoraError(
        "engine-failed",
        `The engine failed: ${(cause as Error).message}`,
        {},
        { cause },
      );
      while (decoder.rows > 0) decoder.remove(decoder.rows - 1);
      for (const { job } of running.splice(0)) fail(job, error);
    }
  }

  return {
    generate,
    promptIds,
    metrics: () => ({
      waiting: queue.size,
      waitingTenants: queue.tenants,
      loading: loading.size,
      running: running.length,
      rowsMax: limits.maxRows,
      queueMax: limits.maxQueue,
      ...structuredClone(totals),
    }),
  };
}
