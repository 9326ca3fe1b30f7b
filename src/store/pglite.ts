import { AsyncLocalStorage } from "node:async_hooks";
import { closeSync, existsSync, fsyncSync, openSync, readdirSync } from "node:fs";
import { constants, cp, mkdir, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Transaction as PGliteTransaction } from "@electric-sql/pglite";
import { PGlite } from "@electric-sql/pglite";
import { NodeFS } from "@electric-sql/pglite/nodefs";
import type { Database, Transaction } from "./database.ts";
import { StoreError } from "./errors.ts";
import { lockFolder } from "./lock.ts";
import { runMigrations } from "./migrations.ts";

/**
 * Opens the embedded PostgreSQL (PGlite) in a folder, creating it where needed, and locks the folder for this process.
 *
 * Durability: PGlite starts PostgreSQL with fsync off, and its file layer drops both fsync and fdatasync (`relaxedDurability` has no
 * effect on folders), so that as shipped a commit survives `kill -9` but not a loss of power. Here fsync is on, the log is synced with
 * fsync rather than fdatasync, and the file layer passes it on to the kernel: one fsync a commit, more at checkpoints.
 *
 * @throws StoreError `folder-locked` when another process, or this one, has the folder open.
 */
export async function openDatabase(folder: string): Promise<Database> {
  const root = resolve(folder);
  await mkdir(root, { recursive: true });
  const lock = lockFolder(root);
  try {
    await createDataFolder(root);
    const engine = await startEngine(join(root, "data"));
    const database = wrap(engine, join(root, "data"), () => lock.release());
    await database.query("create schema if not exists store");
    await database.query(
      "create table if not exists store.migrations (room text, number int, digest text not null, applied_at_ms bigint not null, primary key (room, number))",
    );
    return database;
  } catch (error) {
    lock.release();
    throw error;
  }
}

function wrap(engine: PGlite, data: string, released: () => void): Database {
  const scope = new AsyncLocalStorage<{ open: boolean }>();
  let closing: Promise<void> | undefined;

  const assertUsable = (what: string) => {
    if (closing) throw new StoreError("database-closed", `The database is closed: ${what} was refused.`);
    if (scope.getStore()?.open) {
      throw new StoreError(
        "transaction-misuse",
        `${what} was called on the database inside a transaction, and would wait for it for ever. Call it on the transaction.`,
      );
    }
  };

  const query: Database["query"] = async <T>(sql: string, params: readonly unknown[] = []) => {
    assertUsable("A query");
    return (await engine.query<T>(sql, [...params])).rows;
  };

  const transaction: Database["transaction"] = async (body) => {
    assertUsable("A transaction");
    const inside = { open: true };
    const actions: (() => void)[] = [];
    // PGlite is one session, so transactions run one after another: serializable as they are.
    const result = await engine.transaction(async (inner) => {
      try {
        return await scope.run(inside, () => body(transactionOf(inner, inside, actions)));
      } finally {
        inside.open = false;
      }
    });
    for (const action of actions) action();
    return result;
  };

  /** PostgreSQL runs only while it is asked something, so that in a transaction that asks nothing its files stand still. */
  const snapshot: Database["snapshot"] = async (folder, meanwhile) => {
    assertUsable("A snapshot");
    return engine.transaction(async (inner) => {
      await inner.exec("checkpoint");
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await cp(data, join(folder, "data"), { recursive: true, mode: constants.COPYFILE_FICLONE });
      return scope.run({ open: true }, meanwhile);
    });
  };

  const close = () => {
    closing ??= engine.close().finally(released);
    return closing;
  };

  const database: Database = {
    query,
    transaction,
    migrate: (room, migrations) => runMigrations(database, room, migrations),
    snapshot,
    close,
    [Symbol.asyncDispose]: close,
  };
  return database;
}

function transactionOf(
  inner: PGliteTransaction,
  inside: { open: boolean },
  actions: (() => void)[],
): Transaction {
  const assertOpen = () => {
    if (inside.open) return;
    throw new StoreError(
      "transaction-misuse",
      "A transaction was used after it ended. Await every query inside it.",
    );
  };
  return {
    query: async <T>(sql: string, params: readonly unknown[] = []) => {
      assertOpen();
      return (await inner.query<T>(sql, [...params])).rows;
    },
    script: async (sql) => {
      assertOpen();
      await inner.exec(sql);
    },
    onCommit: (action) => actions.push(action),
  };
}

const oid = { int8: 20, numeric: 1700 } as const;

async function startEngine(folder: string): Promise<PGlite> {
  const startParams = PGlite.defaultStartParams.filter((parameter) => parameter !== "-F");
  const engine = new PGlite({
    fs: new SyncedNodeFS(folder),
    startParams: [...startParams, "-c", "fsync=on", "-c", "wal_sync_method=fsync", "-c", "TimeZone=UTC"],
    parsers: { [oid.int8]: parseInteger, [oid.numeric]: parseNumeric },
  });
  await engine.waitReady;
  return engine;
}

/** The part of Emscripten's file layer that is completed here. */
type FileLayer = {
  NODEFS: { stream_ops: { fsync?: (stream: { nfd?: number }) => number } };
};

const invalidArgument = 28;

/** PGlite's folder file system, with an fsync that reaches the disk. */
class SyncedNodeFS extends NodeFS {
  override async init(...args: Parameters<NodeFS["init"]>): ReturnType<NodeFS["init"]> {
    const { emscriptenOpts } = await super.init(...args);
    const addFsync = (module: unknown) => {
      (module as FileLayer).NODEFS.stream_ops.fsync = ({ nfd }) => {
        if (nfd === undefined) return invalidArgument;
        fsyncSync(nfd);
        return 0;
      };
    };
    const preRun = [emscriptenOpts.preRun ?? []].flat();
    return { emscriptenOpts: { ...emscriptenOpts, preRun: [...preRun, addFsync] } };
  }
}

/** Makes `data` whole or not at all: a creation cut short leaves only `data.new`, which the next one removes. */
async function createDataFolder(root: string): Promise<void> {
  const data = join(root, "data");
  if (existsSync(data)) return;
  const fresh = join(root, "data.new");
  await rm(fresh, { recursive: true, force: true });
  const engine = await startEngine(fresh);
  await engine.close();
  syncTree(fresh);
  await rename(fresh, data);
  syncOne(root);
}

function syncTree(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) syncTree(path);
    else syncOne(path);
  }
  syncOne(folder);
}

function syncOne(path: string): void {
  if (process.platform === "win32") return;
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function parseInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) {
    throw new StoreError(
      "number-out-of-range",
      `The bigint column value ${text} is beyond 2⁵³: store it as numeric, which is read as a bigint.`,
    );
  }
  return value;
}

function parseNumeric(text: string): bigint {
  if (!/^-?\d+$/.test(text)) {
    throw new StoreError(
      "number-out-of-range",
      `The numeric value ${text} is not a whole number: numeric is read as a bigint of wei. Cast it to float8 or text.`,
    );
  }
  return BigInt(text);
}
