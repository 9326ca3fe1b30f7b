/** What a pool counts, in the words of the embedded engine where they mean the same. */
import type { Digest } from "../protocol/index.ts";
import { OpenLoraError, type OpenLoraErrorCode } from "./errors.ts";
import type { FairQueue } from "./fair-queue.ts";
import type { Member } from "./pool-member.ts";
import type { PoolLimits } from "./pool-options.ts";
import type { FinishReason } from "./request.ts";
import type { OpenLoraMetrics } from "./service.ts";

export type PoolMeter = ReturnType<typeof createPoolMeter>;

export function createPoolMeter(
  members: readonly Member[],
  pins: ReadonlySet<Digest>,
  limits: Pick<PoolLimits, "maxRows" | "maxQueue">,
) {
  /** Moving average over ended answers of the time one took at its server. */
  let usualMs: number | undefined;
  const totals = {
    finishedTotal: { stop: 0, length: 0, cancelled: 0 } as Record<FinishReason, number>,
    refusedTotal: {} as Partial<Record<OpenLoraErrorCode, number>>,
    outputTokensTotal: 0,
    waitedSecondsTotal: 0,
    promptTokensTotal: 0,
    prefillSecondsTotal: 0,
    decodeStepsTotal: 0,
    decodeRowsTotal: 0,
    decodeSecondsTotal: 0,
  };
  let retriesTotal = 0;
  const rowsMax = limits.maxRows * members.length;
  const sum = (of: (member: Member) => number) => members.reduce((total, member) => total + of(member), 0);

  return {
    finished(
      reason: FinishReason,
      outputTokens: number,
      arrivedAtMs: number,
      startedAtMs: number | undefined,
    ): void {
      const now = Date.now();
      totals.finishedTotal[reason]++;
      totals.outputTokensTotal += outputTokens;
      totals.waitedSecondsTotal += ((startedAtMs ?? now) - arrivedAtMs) / 1_000;
      if (startedAtMs !== undefined)
        usualMs = 0.9 * (usualMs ?? now - startedAtMs) + 0.1 * (now - startedAtMs);
    },
    refused(error: unknown): void {
      const code = error instanceof OpenLoraError ? error.code : "engine-failed";
      totals.refusedTotal[code] = (totals.refusedTotal[code] ?? 0) + 1;
    },
    retried(): void {
      retriesTotal++;
    },
    /** A server was asked: prefill is the time to its first token, every later token a step of one row. */
    asked(promptTokens: number): { token(): void } {
      let since = performance.now();
      let first = true;
      return {
        token() {
          const now = performance.now();
          const seconds = (now - since) / 1_000;
          since = now;
          if (first) {
            totals.promptTokensTotal += promptTokens;
            totals.prefillSecondsTotal += seconds;
          } else {
            totals.decodeStepsTotal++;
            totals.decodeRowsTotal++;
            totals.decodeSecondsTotal += seconds;
          }
          first = false;
        },
      };
    },
    /** An estimate of when there will be room behind `waiting` requests. */
    waitMs: (waiting: number): number => ((usualMs ?? 1_000) * waiting) / rowsMax,
    read: (queue: Pick<FairQueue<unknown>, "size" | "tenants">, running: number): OpenLoraMetrics => ({
      scheduler: {
        waiting: queue.size,
        waitingTenants: queue.tenants,
        loading: 0,
        running,
        rowsMax,
        queueMax: limits.maxQueue,
        prefixBytes: 0,
        prefixBytesMax: 0,
        prefixTokensTotal: 0,
        ...structuredClone(totals),
      },
      adapters: {
        memoryAdapters: sum(({ residents }) => residents.size),
        leased: sum(({ residents }) => residents.held),
        pinned: pins.size,
        // Bytes are the servers' own affair.
        memoryBytes: 0,
        memoryBytesMax: 0,
        bytesPerAdapter: 0,
        memoryHitsTotal: sum(({ residents }) => residents.totals.hits),
        loadsTotal: sum(({ residents }) => residents.totals.loads),
        loadFailuresTotal: sum(({ residents }) => residents.totals.loadFailures),
        memoryEvictionsTotal: sum(({ residents }) => residents.totals.evictions),
        recentLoadsMs: members.flatMap(({ residents }) => residents.recentLoadsMs),
      },
      pool: { retriesTotal, servers: members.map((member) => member.metrics()) },
    }),
  };
}
