import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { StoreError } from "./errors.ts";

/** A held folder. */
export type FolderLock = { release(): void };

const lockFile = "lock.db";
const noteFile = "lock.json";
/** What a lock leaves in its folder. */
export const lockFiles: readonly string[] = [lockFile, noteFile];

const busy = 5;

/** @returns undefined while another connection, of whichever process, holds the folder */
function acquire(folder: string): DatabaseSync | undefined {
  const database = new DatabaseSync(join(folder, lockFile));
  try {
    // Nothing is ever written, so no journal is needed beside it.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    return database;
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === busy) return undefined;
    throw error;
  }
}

/**
 * Takes a folder for this process alone.
 *
 * The lock is an exclusive transaction on an empty SQLite file, because that is the operating system's own file lock
 * under one name on every system: it cannot be left behind by a crash, needs no clean-up of stale files, and two
 * processes that start together cannot both win, as they can with a file that holds a process id. Beside it lies a
 * readable note of who holds the folder. Nothing else may open `lock.db` in this process: POSIX drops a process's locks
 * on a file when it closes any descriptor of that file.
 *
 * @param folder created if missing
 * @throws StoreError `folder-locked`, naming the holder's process id, host and since when
 */
export function lockFolder(folder: string): FolderLock {
  mkdirSync(folder, { recursive: true });
  const database = acquire(folder);
  if (database === undefined)
    throw new StoreError(
      "folder-locked",
      `The folder ${folder} is in use by ${readNote(folder)}: one process at a time may use it. ` +
        "Talk to the running node over HTTP, or stop it and try again, or give this one another folder.",
    );
  const note = join(folder, noteFile);
  const holder = { pid: process.pid, host: hostname(), since: new Date().toISOString() };
  writeFileSync(note, `${JSON.stringify(holder)}\n`);
  let held = true;
  return {
    release() {
      if (!held) return;
      held = false;
      rmSync(note, { force: true });
      database.close();
    },
  };
}

/** Who holds a folder, in words; undefined when nobody does. */
export function folderHolder(folder: string): string | undefined {
  if (!existsSync(join(folder, lockFile))) return undefined;
  const free = acquire(folder);
  free?.close();
  return free === undefined ? readNote(folder) : undefined;
}

function readNote(folder: string): string {
  try {
    const { pid, host, since } = JSON.parse(readFileSync(join(folder, noteFile), "utf8"));
    return `process ${pid} on ${host} since ${since}`;
  } catch {
    return "another process (it has not written who it is yet)";
  }
}
