import { closeSync, openSync, readFileSync, writeSync } from "node:fs";

/**
 * Which block is being mined, in a small file beside the log. A process that ends, however it ends, leaves there whether
 * the log's last block had been mined, and so whether its senders may have been told. It is not flushed: what a process
 * wrote outlives it, and after the machine itself went down the mark is not believed.
 */
export type MiningMark = {
  /** The block that was being mined when the last process ended; undefined if none was, or if that is not certain. */
  readonly unfinished: number | undefined;
  begin(blockNumber: number): void;
  /** Before anybody is told that the block is mined. */
  end(): void;
  close(): void;
};

const markBytes = 64;

/** @param boot names this run of the operating system; undefined if it cannot be named */
export function openMiningMark(path: string, boot: string | undefined = bootId()): MiningMark {
  let found = "";
  try {
    found = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const [, markedBoot, blockNumber] = /^(\S+) (\d+) *\n$/.exec(found) ?? [];
  const file = openSync(path, found === "" ? "w" : "r+", 0o600);
  const write = (what: string) =>
    void writeSync(file, `${`${boot ?? "unknown"} ${what}`.padEnd(markBytes - 1)}\n`, 0);
  return {
    unfinished: boot !== undefined && markedBoot === boot ? Number(blockNumber) : undefined,
    begin: (number) => write(String(number)),
    end: () => write("-"),
    close: () => closeSync(file),
  };
}

function bootId(): string | undefined {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return undefined;
  }
}
