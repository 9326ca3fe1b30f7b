/**
 * Backups of everything a node owns, as one stream: a tar archive, sealed with a passphrase wherever keys are in it.
 *
 * What makes it one moment: the database is copied while it stands still, and in that standstill the length of the chain's log is read. What is committed names only blocks
 * before that length (a block is in the log before anything hears of it), and a log that goes on further than the database is what a crash leaves, too. Blobs are never changed and are
 * stored before anything names them: read after the moment, everything named in it is there, as long as none is collected meanwhile.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { createKeccak } from "hash-wasm";
import {
  type Blobs,
  lockFiles,
  StoreError,
  sealWithPassphrase,
  type TarEntry,
  writeTar,
} from "../store/index.ts";
import { runningFile } from "./config.ts";

export type BackupSource = {
  readonly home: string;
  /** Where the database's `data` lies, standing still. */
  readonly databaseFolder: string;
  /** Bytes of the chain's log that belong to the database's moment; all of it unless given. */
  readonly logBytes?: number;
  readonly blobs: Blobs;
  readonly version: string;
  readonly chainId: number;
};

export type BackupOptions = {
  /** Seals the backup. Asked for wherever keys are in it. */
  readonly passphrase?: string;
  /** Leave out what is secret: the node that is restored from it needs the keys from elsewhere. */
  readonly withoutKeys?: boolean;
};

/** What a backup begins with. */
export const backupSchema = "openledger/backup/1";
/** The name of the last entry: SHA-256 and name of every other, as `sha256sum -c` reads it. */
export const checksumsFile = "checksums.sha256";

/** Files of a home that are secrets. */
const secretFiles = new Set(["keys.json", "wallet.json", "operator-token", "master-key", "master-key.next"]);
/** Top-level names that are another entry's, made again by themselves, or a running process's. */
const leftOut = new Set(["db", "blobs", "blobs-cache", "blobs-plain", "spans", "backup", runningFile]);
const smallBytes = 2 ** 20;

/** @throws StoreError `backup-refused` where keys would go without a passphrase; what reading throws */
export function writeBackup(source: BackupSource, options: BackupOptions = {}): AsyncGenerator<Uint8Array> {
  const { passphrase, withoutKeys = false } = options;
  if (passphrase === undefined && !withoutKeys)
    throw new StoreError(
      "backup-refused",
      "A backup with the node's keys in it is sealed with a passphrase, and none was given. Give one, or leave the keys out (--without-keys).",
    );
  const tar = writeTar(withChecksums(entriesOf(source, !withoutKeys)));
  return passphrase === undefined ? tar : sealWithPassphrase(tar, passphrase);
}

async function* entriesOf(source: BackupSource, keys: boolean): AsyncGenerator<TarEntry> {
  const { home, databaseFolder, logBytes, blobs, version, chainId } = source;
  const about = { schema: backupSchema, version, chainId, keys, madeAt: new Date().toISOString() };
  yield inMemory("backup.json", Buffer.from(`${JSON.stringify(about)}\n`));
  for (const name of (await readdir(home)).sort()) {
    if (leftOut.has(name) || (!keys && (await isSecret(home, name)))) continue;
    yield* tree(join(home, name), name, { "chain/blocks.log": logBytes });
  }
  yield* tree(join(databaseFolder, "data"), "db/data", {});
  for await (const { digest, bytes } of blobs.list())
    yield {
      name: `blobs/${digest.slice(2, 4)}/${digest.slice(2)}`,
      bytes,
      mode: 0o600,
      content: checkedBlob(blobs, digest),
    };
}

/** `config.json` may hold the key that servers are asked with. */
const isSecret = async (home: string, name: string): Promise<boolean> =>
  secretFiles.has(name) ||
  (name === "config.json" && (await readFile(join(home, name), "utf8")).includes('"apiKey"'));

async function* tree(
  path: string,
  name: string,
  lengths: Readonly<Record<string, number | undefined>>,
): AsyncGenerator<TarEntry> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  const last = name.slice(name.lastIndexOf("/") + 1);
  if (found === undefined || lockFiles.includes(last) || last.endsWith(".partial") || last.endsWith(".part"))
    return;
  const mode = found.mode & 0o777;
  if (found.isDirectory()) {
    yield { name: `${name}/`, bytes: 0, mode, content: [] };
    for (const inside of (await readdir(path)).sort())
      yield* tree(join(path, inside), `${name}/${inside}`, lengths);
    return;
  }
  if (!found.isFile()) return;
  const bytes = lengths[name] ?? found.size;
  // A small file is read at once: it may be rewritten meanwhile, and is one or the other.
  if (bytes <= smallBytes && lengths[name] === undefined) yield inMemory(name, await readFile(path), mode);
  else yield { name, bytes, mode, content: bytes === 0 ? [] : createReadStream(path, { end: bytes - 1 }) };
}

const inMemory = (name: string, bytes: Uint8Array, mode = 0o600): TarEntry => ({
  name,
  bytes: bytes.length,
  mode,
  content: [bytes],
});

/** A blob's bytes, hashed as they pass: a copy that has rotted is told, and not kept as if it were good. */
async function* checkedBlob(blobs: Blobs, digest: `0x${string}`): AsyncGenerator<Uint8Array> {
  const hasher = await createKeccak(256);
  for await (const piece of createReadStream(await blobs.path(digest), { highWaterMark: 2 ** 18 })) {
    hasher.update(piece);
    yield piece;
  }
  if (`0x${hasher.digest()}` !== digest)
    throw new StoreError(
      "blob-corrupt",
      `The blob ${digest} is damaged, and a backup would keep the damage. Restore it from an earlier backup, or store the right bytes again; then back up.`,
    );
}

/** The entries as they are, and after them one with the SHA-256 of each file. */
async function* withChecksums(entries: AsyncIterable<TarEntry>): AsyncGenerator<TarEntry> {
  const lines: string[] = [];
  for await (const entry of entries) {
    const hash = createHash("sha256");
    const content = async function* () {
      for await (const piece of entry.content) {
        hash.update(piece);
        yield piece;
      }
    };
    yield { ...entry, content: content() };
    if (!entry.name.endsWith("/")) lines.push(`${hash.digest("hex")}  ${entry.name}\n`);
  }
  yield inMemory(checksumsFile, Buffer.from(lines.join("")));
}
