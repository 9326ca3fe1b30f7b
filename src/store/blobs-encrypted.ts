import { randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, rename, rm, stat, utimes } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Blobs, Digest, StoredBlob } from "./blobs.ts";
import type { Database } from "./database.ts";
import { blobPlace, digestOf, fileDigest, requireDigest } from "./digest.ts";
import { isStoreError, StoreError } from "./errors.ts";
import { seal, unseal } from "./seal.ts";
import { takeTurns } from "./turns.ts";

export type EncryptedBlobsOptions = {
  /** Where the sealed blobs go. */
  readonly blobs: Blobs;
  readonly database: Database;
  /** Whose blobs these are, as the data keys name it, and the owner's key. */
  readonly owner: string;
  readonly key: Uint8Array;
  /** Folder for plain copies that native code maps; empty it when nobody uses them. */
  readonly plainFolder: string;
  /** The largest blob accepted, bytes; 1 GiB unless given. */
  readonly maxBytes?: number;
};

const pageRows = 1_000;

/**
 * Blobs that are encrypted where they lie. Here they have the digest of their plain bytes, as everywhere; below, the digest of the sealed ones. Sealing has a new salt
 * each time, so that who sees the bucket can tell neither what a blob is nor that two owners have the same one: only its length, within a chunk's tag. Which sealed blob is
 * which stands in the node's database (`sealing.blobs`), and each is sealed for its digest: one in the place of another does not open.
 */
export async function encryptedBlobs(options: EncryptedBlobsOptions): Promise<Blobs> {
  const { blobs, database, owner, key, maxBytes = 2 ** 30 } = options;
  const folder = resolve(options.plainFolder);
  const unfinished = join(folder, "unfinished");
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true, mode: 0o700 });
  const turn = takeTurns();
  const contextOf = (digest: Digest) => Buffer.from(`${owner} ${digest}`);
  const refuseOver = (bytes: number) => {
    if (bytes <= maxBytes) return;
    throw new StoreError(
      "blob-too-large",
      `A blob of ${bytes} bytes was refused: at most ${maxBytes} bytes are allowed here. Store it in parts or raise the limit.`,
    );
  };
  const missing = (digest: Digest) =>
    new StoreError(
      "blob-missing",
      `The blob ${digest} of ${owner} is not stored. Fetch it from where it was made, or restore it from a backup.`,
    );

  const find = async (digest: Digest): Promise<Digest | undefined> => {
    const [row] = await database.query<{ stored: Digest }>(
      "select stored from sealing.blobs where owner = $1 and digest = $2",
      [owner, requireDigest(digest)],
    );
    return row?.stored;
  };
  const record = (digest: Digest, stored: Digest, bytes: number) =>
    database.query(
      `insert into sealing.blobs (owner, digest, stored, bytes, stored_at_ms) values ($1, $2, $3, $4, $5)
       on conflict (owner, digest) do update set stored = $3, stored_at_ms = $5`,
      [owner, digest, stored, bytes, Date.now()],
    );

  const open = async (digest: Digest, stored: Digest): Promise<Uint8Array> => {
    const plain = await whole(unseal([await blobs.get(stored)], key, contextOf(digest))).catch((error) => {
      if (!isStoreError(error, "sealed-damaged")) throw error;
      throw new StoreError("blob-corrupt", `The blob ${digest} of ${owner} is damaged: ${error.message}`, {
        cause: error,
      });
    });
    if ((await digestOf(plain)) !== digest)
      throw new StoreError(
        "blob-corrupt",
        `The blob ${digest} of ${owner} opens to other bytes. Store the right ones again.`,
      );
    return plain;
  };

  const put = async (bytes: Uint8Array): Promise<Digest> => {
    refuseOver(bytes.length);
    const digest = await digestOf(bytes);
    return turn(digest, async () => {
      const before = await find(digest);
      // What is there and whole counts as stored now, below too.
      const sealed = before && (await blobs.get(before).catch(ignoringLost));
      const stored = await blobs.put(sealed ?? (await whole(seal([bytes], key, contextOf(digest)))));
      await record(digest, stored, bytes.length);
      return digest;
    });
  };

  const putFile = async (path: string): Promise<Digest> => {
    refuseOver((await stat(path)).size);
    const digest = await fileDigest(path);
    const temporary = join(unfinished, randomUUID());
    try {
      await pipeline(
        seal(createReadStream(path), key, contextOf(digest)),
        createWriteStream(temporary, { mode: 0o600 }),
      );
      await turn(digest, async () => record(digest, await blobs.putFile(temporary), (await stat(path)).size));
      return digest;
    } finally {
      await rm(temporary, { force: true });
    }
  };

  const get = async (digest: Digest): Promise<Uint8Array> => {
    const stored = await find(digest);
    if (stored === undefined) throw missing(digest);
    return open(digest, stored);
  };

  const path = (digest: Digest): Promise<string> => {
    const local = join(folder, blobPlace(requireDigest(digest)));
    return turn(`plain ${digest}`, async () => {
      const stored = await find(digest);
      if (stored === undefined || !(await blobs.has(stored))) throw missing(digest);
      const now = new Date();
      if (
        await utimes(local, now, now).then(
          () => true,
          () => false,
        )
      )
        return local;
      const temporary = join(unfinished, randomUUID());
      const sealed = createReadStream(await blobs.path(stored));
      await pipeline(unseal(sealed, key, contextOf(digest)), createWriteStream(temporary, { mode: 0o600 }));
      await mkdir(dirname(local), { recursive: true, mode: 0o700 });
      await rename(temporary, local);
      return local;
    });
  };

  const remove = (digest: Digest, beforeMs: number): Promise<boolean> =>
    turn(digest, async () => {
      // The row goes first: a crash in between leaves a sealed blob that nothing names.
      const [row] = await database.query<{ stored: Digest }>(
        "delete from sealing.blobs where owner = $1 and digest = $2 and stored_at_ms < $3 returning stored",
        [owner, requireDigest(digest), Math.floor(Math.min(beforeMs, Number.MAX_SAFE_INTEGER))],
      );
      if (row === undefined) return false;
      await rm(join(folder, blobPlace(digest)), { force: true });
      await blobs.remove(row.stored, Number.POSITIVE_INFINITY);
      return true;
    });

  async function* list(): AsyncGenerator<StoredBlob> {
    for (let after = ""; ; ) {
      const rows = await database.query<StoredBlob>(
        `select digest, bytes, stored_at_ms as "storedAtMs" from sealing.blobs where owner = $1 and digest > $2 order by digest limit ${pageRows}`,
        [owner, after],
      );
      yield* rows;
      if (rows.length < pageRows) return;
      after = rows[rows.length - 1]!.digest;
    }
  }

  const has = async (digest: Digest): Promise<boolean> => {
    const stored = await find(digest);
    return stored !== undefined && blobs.has(stored);
  };
  return { put, putFile, get, has, path, list, remove };
}

function ignoringLost(error: unknown): undefined {
  if (isStoreError(error, "blob-corrupt") || isStoreError(error, "blob-missing")) return undefined;
  throw error;
}

async function whole(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return new Uint8Array(Buffer.concat(parts));
}
