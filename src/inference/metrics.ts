/** How many answers, and how long after an answer's last token its receipt is there. */

export type InferenceMetrics = {
  /** Answers under way now. */
  readonly inFlight: number;
  /** Answers written, by who pays for them; a replay is an answer that was written before. */
  readonly answersTotal: { readonly paid: number; readonly free: number; readonly replayed: number };
  /** Answers that ended early because the asker left. */
  readonly cutShortTotal: number;
  /** Requests that got an error, by its code. */
  readonly refusedTotal: Readonly<Record<string, number>>;
  readonly receiptsTotal: number;
  readonly feesWeiTotal: bigint;
  /** Receipts that attribute nothing because their answers could not be scored. */
  readonly unattributedTotal: number;
  /** Answers without a receipt now, and how long the oldest has waited. */
  readonly waitingForReceipt: number;
  readonly oldestWaitingMs: number;
  /** From the last token to the receipt, over the latest receipts; null before the first. */
  readonly attributionLagMs: {
    readonly p50: number | null;
    readonly p95: number | null;
    readonly samples: number;
  };
};

const samplesMax = 1_024;
/** Codes are ours, but a limit costs nothing. */
const codesMax = 256;

export type Meter = ReturnType<typeof createMeter>;

export function createMeter() {
  const lags: number[] = [];
  let next = 0;
  const answers = { paid: 0, free: 0, replayed: 0 };
  const refused = new Map<string, number>();
  let cutShort = 0;
  let receipts = 0;
  let feesWei = 0n;
  let unattributed = 0;
  return {
    answered(kind: keyof typeof answers) {
      answers[kind]++;
    },
    cutShort() {
      cutShort++;
    },
    refused(code: string) {
      if (refused.has(code) || refused.size < codesMax) refused.set(code, (refused.get(code) ?? 0) + 1);
    },
    unattributed() {
      unattributed++;
    },
    receipted(lagMs: number, feeWei: bigint) {
      receipts++;
      feesWei += feeWei;
      lags[next] = lagMs;
      next = (next + 1) % samplesMax;
    },
    read: () => ({
      answersTotal: { ...answers },
      cutShortTotal: cutShort,
      refusedTotal: Object.fromEntries(refused),
      receiptsTotal: receipts,
      feesWeiTotal: feesWei,
      unattributedTotal: unattributed,
      attributionLagMs: { p50: percentile(lags, 0.5), p95: percentile(lags, 0.95), samples: lags.length },
    }),
  };
}

/** Nearest rank. */
export function percentile(values: readonly number[], part: number): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? null;
}
