import type { Database } from "../store/index.ts";
import type { SettleResult } from "./settle.ts";

/** When the background settles. */
export type LoopOptions = {
  /** How often it looks. */
  readonly intervalMs: number;
  /** It settles when this many receipts wait… */
  readonly minReceipts: number;
  /** …or when one has waited this long; ten intervals unless given. */
  readonly maxWaitMs?: number;
};

/** Work in the background, owned by whoever started it. */
export type SettlementLoop = {
  /** Of the last round; null when it went well. */
  lastError(): Error | null;
  /** Finishes the round under way, then stops. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

type Parts = {
  readonly database: Database;
  readonly settle: () => Promise<SettleResult>;
  readonly follow: () => Promise<void>;
  readonly now: () => number;
  readonly log: (level: "info" | "warn", message: string) => void;
};

/** Settles again and again. A round that fails is said once for each reason, and tried again at the next interval. */
export function startLoop(parts: Parts, options: LoopOptions): SettlementLoop {
  return startRounds(
    async (stopped) => {
      await parts.follow();
      while (!stopped() && (await isDue(parts, options))) {
        const { batch } = await parts.settle();
        if (batch === null) break;
      }
    },
    options.intervalMs,
    parts.log,
    "Settling",
  );
}

/** Runs a round again and again. One that fails is said once for each reason, and tried again at the next interval. */
export function startRounds(
  round: (stopped: () => boolean) => Promise<void>,
  intervalMs: number,
  log: Parts["log"],
  what = "Watching",
): SettlementLoop {
  let stopped = false;
  let failed: Error | null = null;
  let wake = () => {};
  const run = async () => {
    while (!stopped) {
      try {
        await round(() => stopped);
        failed = null;
      } catch (error) {
        const message = (error as Error).message;
        if (failed?.message !== message)
          log("warn", `${what} failed: ${message} It is tried again every ${intervalMs} ms.`);
        failed = error as Error;
      }
      if (!stopped)
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, intervalMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
    }
  };
  const running = run();
  const close = () => {
    stopped = true;
    wake();
    return running;
  };
  return { lastError: () => failed, close, [Symbol.asyncDispose]: close };
}

async function isDue({ database, now }: Parts, options: LoopOptions): Promise<boolean> {
  const { intervalMs, minReceipts, maxWaitMs = 10 * intervalMs } = options;
  const [state] = await database.query<{ waiting: number; oldest: number | null; prepared: number }>(
    `select count(*) as waiting, min(accepted_at_ms) as oldest,
       (select count(*) from settlement.batches where state = 'prepared') as prepared
     from settlement.receipts where batch_id is null and not lost`,
  );
  if (state === undefined) return false;
  return (
    state.prepared > 0 ||
    state.waiting >= Math.max(1, minReceipts) ||
    (state.oldest !== null && now() - state.oldest >= maxWaitMs)
  );
}
