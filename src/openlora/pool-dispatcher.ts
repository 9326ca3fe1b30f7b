/**
 * Who is answered where and when: requests wait in the fair queue until a server has a row for them. One that fails before its first token
 * goes to another server; after that its asker has read a part of an answer that no other server would continue the same way.
 */
import type { Tokenizer } from "../engine/index.ts";
import type { Digest } from "../protocol/index.ts";
import { closedError, OpenLoraError, type OpenLoraErrorCode, OverloadedError, queueFull } from "./errors.ts";
import { createFairQueue } from "./fair-queue.ts";
import type { AdapterFolder } from "./pool-folder.ts";
import { createPoolFormats } from "./pool-formats.ts";
import { ServerError, type ServerFault } from "./pool-http.ts";
import { attempt, createJob, type Job, unlessAborted } from "./pool-job.ts";
import type { Member } from "./pool-member.ts";
import { createPoolMeter } from "./pool-meter.ts";
import type { PoolLimits } from "./pool-options.ts";
import { chooseServer } from "./pool-routing.ts";
import { readPrompt } from "./prompt.ts";
import type { GenerateRequest, Piece, Prompt } from "./request.ts";
import type { Outcome } from "./scheduler.ts";
import type { OpenLoraMetrics } from "./service.ts";

export type Dispatcher = {
  generate(
    request: GenerateRequest,
    signal: AbortSignal | undefined,
    onToken: ((piece: Piece) => void) | undefined,
  ): Promise<Outcome>;
  promptIds(prompt: Prompt): number[];
  pin(digest: Digest): Promise<void>;
  /** Gives rows that have become free to requests that wait. */
  admit(): void;
  metrics(): OpenLoraMetrics;
  /** Rejects everything with `closed`; resolves when no request to a server is under way any more. */
  close(): Promise<void>;
};

/** Servers that one request is tried on: one that is too much for a server must not go through all of them. */
const serversMax = 3;

const longestTimerMs = 2 ** 31 - 1;

export function createDispatcher(deps: {
  tokenizer: Tokenizer;
  members: readonly Member[];
  pins: Set<Digest>;
  folder: Pick<AdapterFolder, "forget">;
  limits: PoolLimits & { readonly contextTokens: number; readonly vocabTokens: number };
}): Dispatcher {
  const { tokenizer, members, pins, limits } = deps;
  const queue = createFairQueue<Job>({ total: limits.maxQueue, perTenant: limits.maxQueuePerTenant });
  const formats = createPoolFormats();
  const running = new Map<Job, Promise<void>>();
  const meter = createPoolMeter(members, pins, limits);
  let closed: OpenLoraError | undefined;

  const promptIds = (prompt: Prompt) => {
    if (closed !== undefined) throw closed;
    return readPrompt(tokenizer, limits, prompt);
  };

  function enqueue(job: Job): void {
    if (!members.some(({ up }) => up)) throw noneUp();
    const full = queue.push(job.request.tenant, job);
    if (full === undefined) return;
    throw queueFull(full, limits, meter.waitMs(queue.size));
  }

  const noneUp = () =>
    new OverloadedError(
      "None of the servers that answer is well at present. Try again later.",
      limits.healthIntervalMs * limits.upAfter,
    );

  async function generate(
    request: GenerateRequest,
    signal: AbortSignal | undefined,
    onToken: ((piece: Piece) => void) | undefined,
  ): Promise<Outcome> {
    let broken: { error: unknown } | undefined;
    const done = Promise.withResolvers<Outcome>();
    const emit = (piece: Piece) => {
      if (broken !== undefined) return;
      try {
        onToken?.(piece);
      } catch (error) {
        broken = { error };
        cancel(job, "signal");
      }
    };
    let job: Job;
    try {
      const grammar = request.format && (await formats.source(request.format));
      const ids = promptIds(request.prompt);
      job = createJob({ tokenizer, limits, meter }, request, grammar, ids, emit, done);
      enqueue(job);
    } catch (error) {
      meter.refused(error);
      throw error;
    }
    const onAbort = () => cancel(job, "signal");
    signal?.addEventListener("abort", onAbort, { once: true });
    const leftMs = (request.deadlineAtMs ?? Number.POSITIVE_INFINITY) - job.arrivedAtMs;
    const timer =
      leftMs <= longestTimerMs ? setTimeout(() => cancel(job, "deadline"), Math.max(0, leftMs)) : undefined;
    try {
      if (signal?.aborted) cancel(job, "signal");
      else if (leftMs <= 0) cancel(job, "deadline");
      else admit();
      const outcome = await done.promise;
      if (broken !== undefined) throw broken.error;
      return outcome;
    } catch (error) {
      meter.refused(error);
      throw error;
    } finally {
      signal?.removeEventListener("abort", onAbort);
      clearTimeout(timer);
    }
  }

  function cancel(job: Job, by: "signal" | "deadline"): void {
    if (job.state === "ended" || job.cancelledBy !== null) return;
    job.cancelledBy = by;
    job.abort.abort();
    if (job.state === "running") return;
    queue.remove(job);
    job.settle(job.answer.cancel());
  }

  /** Members as candidates for an adapter; `anyRow`: also those whose rows are all taken. */
  const candidates = (adapter: Digest | undefined, anyRow: boolean) =>
    members
      .filter(({ ready }) => ready)
      .map((member) => ({
        member,
        name: member.name,
        running: member.running,
        free:
          (anyRow || member.running < limits.maxRows) &&
          (adapter === undefined || member.residents.roomFor(adapter)),
      }));

  const choose = (adapter: Digest | undefined, anyRow: boolean) =>
    chooseServer(candidates(adapter, anyRow), adapter, limits.spillRows)?.member;

  function admit(): void {
    if (!members.some(({ up }) => up)) {
      for (const job of [...queue.inTurn()]) {
        queue.remove(job);
        job.settle(noneUp());
      }
    }
    for (let next = nextJob(); next !== undefined; next = nextJob()) {
      const { job, member } = next;
      job.state = "running";
      const run = answer(job, member).finally(() => {
        running.delete(job);
        admit();
      });
      running.set(job, run);
    }
  }

  /** The next request that a server has a row and room for; one that was passed over too often holds back those behind it. */
  function nextJob(): { job: Job; member: Member } | undefined {
    const passed: Job[] = [];
    for (const job of queue.inTurn()) {
      const member = choose(job.request.adapter, false);
      if (member !== undefined) {
        queue.take(job);
        for (const other of passed) other.overtakenBy++;
        return { job, member };
      }
      if (job.overtakenBy >= limits.patience) return undefined;
      passed.push(job);
    }
    return undefined;
  }

  async function answer(job: Job, first: Member): Promise<void> {
    const tried = new Map<Member, Set<ServerFault>>();
    for (let member = first; ; ) {
      let error: unknown;
      member.running++;
      try {
        const end = await attempt(job, member, meter);
        member.passed();
        return job.settle(end);
      } catch (cause) {
        error = cause;
      } finally {
        member.running--;
      }
      if (closed !== undefined) return job.settle(closed);
      if (job.cancelledBy !== null) return job.settle(job.answer.cancel());
      if (!(error instanceof ServerError)) return job.settle(error as Error);
      const next = nextAfter(job, member, error, tried);
      if (next === undefined)
        return job.settle(asAsked(error, job.request.adapter, job.answer.outputIds.length));
      meter.retried();
      member = next;
    }
  }

  /** Who is asked after `member` has failed; nobody, where an answer has begun or is not to be had. */
  function nextAfter(
    job: Job,
    member: Member,
    error: ServerError,
    tried: Map<Member, Set<ServerFault>>,
  ): Member | undefined {
    const { adapter } = job.request;
    const first = !tried.get(member)?.has(error.fault);
    tried.set(member, new Set(tried.get(member)).add(error.fault));
    if (first && error.fault === "missing" && adapter !== undefined) {
      member.residents.forget(adapter); // as after a restart: it is loaded again
      return member;
    }
    note(member, error, adapter);
    if (job.answer.outputIds.length > 0 || error.fault === "refused" || tried.size >= serversMax)
      return undefined;
    const others = candidates(adapter, true).filter((other) => !tried.has(other.member));
    const other = chooseServer(others, adapter, limits.spillRows)?.member;
    // A connection that was kept open over the server's restart fails once, and so does the only server.
    return other ?? (first && error.fault === "unreachable" && member.ready ? member : undefined);
  }

  /** What a failed attempt says about its server. */
  function note(member: Member, error: ServerError, adapter: Digest | undefined): void {
    if (error.fault === "busy") member.pause(error.retryAfterMs);
    else if (error.fault === "unloadable" && adapter !== undefined) deps.folder.forget(adapter);
    else if (error.fault === "troubled" || error.fault === "missing") member.suspect(error);
    else if (error.fault !== "refused") member.failed(error);
  }

  async function pin(digest: Digest): Promise<void> {
    if (closed !== undefined) throw closed;
    if (!pins.has(digest) && pins.size >= limits.slots - 1)
      throw new OpenLoraError(
        "invalid-request",
        `${pins.size} of ${limits.slots} slots are pinned and one must stay free for other adapters: unpin one first, or serve with more slots.`,
        { slots: limits.slots },
      );
    const member = choose(digest, true);
    if (member === undefined)
      throw new OverloadedError("No server has room for an adapter: try again.", 1_000);
    const hold = member.residents.hold(digest);
    pins.add(digest);
    try {
      await unlessAborted(hold?.ready ?? Promise.resolve(), closing.signal);
    } catch (error) {
      pins.delete(digest);
      if (closed !== undefined) throw closed;
      if (!(error instanceof ServerError)) throw error;
      note(member, error, digest);
      throw asAsked(error, digest);
    } finally {
      hold?.release();
    }
  }

  const closing = new AbortController();

  async function close(): Promise<void> {
    closed = closedError();
    closing.abort();
    for (const job of [...queue.inTurn()]) {
      queue.remove(job);
      job.settle(closed);
    }
    for (const job of running.keys()) {
      job.settle(closed);
      job.abort.abort();
    }
    await Promise.all([...running.values(), formats.close()]);
  }

  return {
    generate,
    promptIds,
    pin,
    admit,
    metrics: () => meter.read(queue, running.size),
    close,
  };
}

/** A server's failure as the asker hears of it. */
function asAsked(error: ServerError, adapter: Digest | undefined, tokens = 0): OpenLoraError {
  if (error.fault === "busy" && tokens === 0) return new OverloadedError(error.message, error.retryAfterMs);
  const codes: Partial<Record<ServerFault, OpenLoraErrorCode>> = {
    refused: "invalid-request",
    unloadable: "adapter-unavailable",
  };
  const after = tokens === 0 ? "" : ` The answer had ${tokens} tokens; it is not begun again elsewhere.`;
  return new OpenLoraError(
    codes[error.fault] ?? "engine-failed",
    error.message + after,
    adapter === undefined ? {} : { adapter },
    { cause: error },
  );
}
