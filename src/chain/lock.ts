import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { FolderLockedError } from "./errors.ts";

/** A held folder. */
export type FolderLock = { release(): void };

/**
 * Take a folder for this process alone.
 *
 * The lock is an exclusive transaction on an empty SQLite file, because that is the operating system's own file lock
 * under one name on every system: it cannot be left behind by a crash, needs no clean-up of stale files, and two
 * processes that start together cannot both win, as they can with a file that holds a process id. Beside it lies a
 * readable note of who holds the folder. Nothing else may open `lock` in this process: POSIX drops a process's locks
 * on a file when it closes any descriptor of that file.
 *
 * @param dir created if missing
 * @throws FolderLockedError naming the holder's process id, host and since when
 */
export function lockFolder(dir: string): FolderLock {
  mkdirSync(dir, { recursive: true });
  const holderFile = join(dir, "lock.json");
  const database = new DatabaseSync(join(dir, "lock"));
  try {
    database.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode !== 5) throw error;
    throw new FolderLockedError(
      `The folder ${dir} is in use by ${describeHolder(holderFile)}. ` +
        `Two processes must never share it: stop that one first, or give this one another folder.`,
    );
  }
  const holder = { pid: process.pid, host: hostname(), since: new Date().toISOString() };
  writeFileSync(holderFile, `${JSON.stringify(holder)}\n`);
  let held = true;
  return {
    release() {
      if (!held) return;
      held = false;
      database.close();
    },
  };
}

function describeHolder(holderFile: string): string {
  try {
    const { pid, host, since } = JSON.parse(readFileSync(holderFile, "utf8"));
    return `process ${pid} on ${host} since ${since}`;
  } catch {
    return "another process (it has not written who it is yet)";
  }
}
