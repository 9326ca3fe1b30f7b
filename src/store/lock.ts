import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { StoreError } from "./errors.ts";

/** Who holds a folder, as written into its `lock` file. */
export type LockHolder = {
  pid: number;
  host: string;
  startedAtMs: number;
  /** When the kernel started the process, where it says so; tells a holder from a later process of the same number. */
  processStart: string | null;
  nonce: string;
};

export type FolderLock = { holder: LockHolder; release(): void };

const guardAgeMs = 10_000;
const attempts = 50;
const attemptMs = 20;

/**
 * Takes a folder for this process alone, by a file `lock` in it. The lock of a process that no longer lives on this host is
 * taken over. It is removed by `release()` and when the process exits of its own accord; after `kill -9` the next one takes it over.
 *
 * @throws StoreError `folder-locked`, naming the holder and what to do.
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const file = join(folder, "lock");
  const own: LockHolder = {
    pid: process.pid,
    host: hostname(),
    startedAtMs: Date.now(),
    processStart: processStart(process.pid),
    nonce: randomUUID(),
  };
  for (let attempt = 0; attempt < attempts; attempt++) {
    if (tryWrite(file, own)) return held(file, own);
    const holder = readHolder(file);
    if (holder && isAlive(holder)) throw locked(file, holder);
    // An unreadable lock is being written this very moment, or its writer died; only the second lasts.
    if (holder || attempt > attempts / 2) removeStale(file, holder?.nonce);
    await sleep(attemptMs);
  }
  throw new StoreError(
    "folder-locked",
    `The lock ${file} could not be taken: other processes kept taking it. Stop them, or remove the file if none runs.`,
  );
}

function held(file: string, holder: LockHolder): FolderLock {
  const release = () => {
    process.off("exit", release);
    if (readHolder(file)?.nonce === holder.nonce) rmSync(file, { force: true });
  };
  process.on("exit", release);
  return { holder, release };
}

function tryWrite(file: string, holder: LockHolder): boolean {
  try {
    writeFileSync(file, `${JSON.stringify(holder)}\n`, { flag: "wx", flush: true });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function readHolder(file: string): LockHolder | undefined {
  try {
    const value = JSON.parse(readFileSync(file, "utf8")) as LockHolder;
    return Number.isSafeInteger(value.pid) && value.pid > 0 ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Removes a lock that was seen to be stale, unless someone has replaced it since; a guard folder lets one process at a time do so. */
function removeStale(file: string, nonce: string | undefined): void {
  const guard = `${file}.guard`;
  try {
    mkdirSync(guard);
  } catch {
    const made = statSync(guard, { throwIfNoEntry: false });
    if (made && Date.now() - made.mtimeMs > guardAgeMs) rmSync(guard, { recursive: true, force: true });
    return;
  }
  try {
    if (readHolder(file)?.nonce === nonce) rmSync(file, { force: true });
  } finally {
    rmdirSync(guard);
  }
}

/** A holder on another host cannot be looked at, so it counts as alive. */
function isAlive(holder: LockHolder): boolean {
  if (holder.host !== hostname()) return true;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  const start = processStart(holder.pid);
  if (start === "ended") return false;
  return start === null || holder.processStart === null || start === holder.processStart;
}

/** Boot id and start time in clock ticks of a process, from Linux's /proc; "ended" for one not yet reaped; null elsewhere. */
function processStart(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    // The second field, the command, may itself hold spaces and brackets; the state is field 3, the start time field 22.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return /^[ZX]$/.test(fields[0] ?? "") ? "ended" : `${boot}:${fields[19]}`;
  } catch {
    return null;
  }
}

function locked(file: string, holder: LockHolder): StoreError {
  const since = new Date(holder.startedAtMs).toISOString();
  const here = holder.host === hostname();
  return new StoreError(
    "folder-locked",
    `${file} is held by process ${holder.pid} on ${holder.host} since ${since}: one process at a time may use this folder. ` +
      (here
        ? `Talk to the running node over HTTP, or stop it (kill ${holder.pid}) and try again.`
        : `Stop it there; if that host is gone for good, remove the lock file and try again.`),
  );
}
