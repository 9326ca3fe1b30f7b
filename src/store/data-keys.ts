import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { Database, Queries, Transaction } from "./database.ts";
import { StoreError } from "./errors.ts";
import { newSealKey, seal, sealKeyName, unseal } from "./seal.ts";
import { takeTurns } from "./turns.ts";

/** Keys that blobs are encrypted with, one for each owner. They lie in the database, sealed with the node's master key, which lies in a file. */
export type DataKeys = {
  /**
   * An owner's key, made on first need.
   * @param owner `datanet/12`
   * @throws StoreError `sealed-wrong-key` when another master key sealed it, `master-key-missing`
   */
  keyOf(owner: string): Promise<Uint8Array>;
  /**
   * Makes a new master key and seals every key with it; what the keys encrypt stays as it is. A crash at any step leaves one master key that opens all keys.
   * @returns how many keys there are
   */
  rotate(): Promise<number>;
  /** Opens one key, if there is any, so that a master key that is missing or wrong is told at once. @throws as `keyOf` */
  check(): Promise<void>;
};

const migrations = [
  `create table sealing.keys (
     owner text primary key,
     sealed bytea not null,
     master text not null,
     made_at_ms bigint not null
   );
   create table sealing.blobs (
     owner text not null references sealing.keys,
     digest text not null,
     stored text not null,
     bytes bigint not null,
     stored_at_ms bigint not null,
     primary key (owner, digest)
   );`,
  "create index blobs_by_digest on sealing.blobs (digest);",
];

/** @param masterFile made on first need, for its owner's eyes only (mode 600) */
export async function openDataKeys(database: Database, masterFile: string): Promise<DataKeys> {
  await database.migrate("sealing", migrations);
  const next = `${masterFile}.next`;
  const turn = takeTurns();
  await endRotation();

  /** A rotation that a crash cut short has either sealed all keys anew or none: they are sealed in one transaction. */
  async function endRotation(): Promise<void> {
    if (!existsSync(next)) return;
    const [row] = await database.query<{ master: string }>("select master from sealing.keys limit 1");
    if (row?.master === sealKeyName(readMaster(next))) renameSync(next, masterFile);
    else rmSync(next);
  }

  async function master(queries: Queries): Promise<Uint8Array> {
    if (existsSync(masterFile)) return readMaster(masterFile);
    const [row] = await queries.query<{ master: string }>("select master from sealing.keys limit 1");
    if (row !== undefined)
      throw new StoreError(
        "master-key-missing",
        `The master key ${row.master} is not in ${masterFile}, and keys of private data are sealed with it. Restore the file from a backup.`,
      );
    return writeMaster(masterFile);
  }

  const opened = async (key: Uint8Array, owner: string, sealed: Uint8Array) =>
    whole(unseal([sealed], key, Buffer.from(owner)));
  const sealedFor = async (key: Uint8Array, owner: string, plain: Uint8Array) =>
    whole(seal([plain], key, Buffer.from(owner)));
  const find = async (tx: Transaction, owner: string) =>
    (await tx.query<{ sealed: Uint8Array }>("select sealed from sealing.keys where owner = $1", [owner]))[0];

  return {
    keyOf: (owner) =>
      turn("keys", () =>
        database.transaction(async (tx) => {
          const key = await master(tx);
          const row = await find(tx, owner);
          if (row !== undefined) return opened(key, owner, row.sealed);
          const fresh = newSealKey();
          await tx.query(
            "insert into sealing.keys (owner, sealed, master, made_at_ms) values ($1, $2, $3, $4)",
            [owner, await sealedFor(key, owner, fresh), sealKeyName(key), Date.now()],
          );
          return fresh;
        }),
      ),
    check: () =>
      turn("keys", () =>
        database.transaction(async (tx) => {
          const [row] = await tx.query<{ owner: string; sealed: Uint8Array }>(
            "select owner, sealed from sealing.keys order by owner limit 1",
          );
          if (row !== undefined) await opened(await master(tx), row.owner, row.sealed);
        }),
      ),
    rotate: () =>
      turn("keys", async () => {
        const before = await database.transaction(master);
        const after = writeMaster(next);
        const count = await database.transaction(async (tx) => {
          const rows = await tx.query<{ owner: string; sealed: Uint8Array }>(
            "select owner, sealed from sealing.keys",
          );
          for (const { owner, sealed } of rows)
            await tx.query("update sealing.keys set sealed = $2, master = $3 where owner = $1", [
              owner,
              await sealedFor(after, owner, await opened(before, owner, sealed)),
              sealKeyName(after),
            ]);
          return rows.length;
        });
        renameSync(next, masterFile);
        return count;
      }),
  };
}

function writeMaster(file: string): Uint8Array {
  const key = newSealKey();
  const part = `${file}.part`;
  writeFileSync(part, `${Buffer.from(key).toString("hex")}\n`, { mode: 0o600, flush: true });
  renameSync(part, file);
  return key;
}

function readMaster(file: string): Uint8Array {
  const mode = statSync(file).mode & 0o777;
  if (process.platform !== "win32" && (mode & 0o077) !== 0)
    throw new StoreError(
      "master-key-missing",
      `${file} has mode ${mode.toString(8)}: others can read it. Expected 600: run chmod 600 ${file}.`,
    );
  const text = readFileSync(file, "utf8").trim();
  if (!/^[0-9a-f]{64}$/.test(text))
    throw new StoreError(
      "master-key-missing",
      `${file} does not hold a master key (64 hex digits). Restore it from a backup.`,
    );
  return new Uint8Array(Buffer.from(text, "hex"));
}

async function whole(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return new Uint8Array(Buffer.concat(parts));
}
