/** What every benchmark here measures with: order statistics, scratch folders, and a description of the machine. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, cpus, loadavg, tmpdir, totalmem } from "node:os";
import { join } from "node:path";

/** The middle value; of an even number, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Nearest rank, `part` 0…1; null for no values. */
export function quantile(values: readonly number[], part: number): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? null;
}

/** Median and quartiles, rounded: `[p25, p50, p75]`. */
export const quartiles = (values: readonly number[], digits = 2): number[] =>
  [0.25, 0.5, 0.75].map((part) => rounded(quantile(values, part) ?? Number.NaN, digits));

export const rounded = (value: number, digits = 2): number => Number(value.toFixed(digits));

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/**
 * Milliseconds of processor time this process has used, all threads together. Where other programs compete for the cores, it tells how
 * much work was done when the clock cannot.
 */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** Progress, on standard error. */
export const note = (line: string) => void process.stderr.write(`${line}\n`);

/** The load is an average over the last minute: read it before the work. */
export const machine = () => ({
  cores: availableParallelism(),
  cpu: cpus()[0]?.model.trim() ?? "unknown",
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  node: process.version,
  loadBefore: rounded(loadavg()[0]!),
});

const scratches = new Set<string>();
let watching = false;

/** Benchmarks leave nothing behind, also when they are interrupted. */
function removeScratches(): void {
  for (const path of scratches) rmSync(path, { recursive: true, force: true });
  scratches.clear();
}

/** A folder that is gone when its owner, or the process, is. @param parent where, by default the system's temporary folder */
export function scratchFolder(prefix: string, parent: string = tmpdir()) {
  if (!watching) {
    watching = true;
    process.on("exit", removeScratches);
    process.once("SIGINT", () => process.exit(130));
    process.once("SIGTERM", () => process.exit(143));
  }
  mkdirSync(parent, { recursive: true });
  const path = mkdtempSync(join(parent, prefix));
  scratches.add(path);
  return {
    path,
    async [Symbol.asyncDispose]() {
      rmSync(path, { recursive: true, force: true });
      scratches.delete(path);
    },
  };
}
