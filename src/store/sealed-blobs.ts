import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Blobs, Digest, StoredBlob } from "./blobs.ts";
import { encryptedBlobs } from "./blobs-encrypted.ts";
import type { DataKeys } from "./data-keys.ts";
import type { Database } from "./database.ts";
import { requireDigest } from "./digest.ts";

/** Encrypted blobs of every owner, each with a key of its own, above the node's blobs. */
export type SealedBlobs = {
  /** One owner's. @param owner `datanet/12` @throws StoreError as {@link DataKeys.keyOf} */
  of(owner: string): Promise<Blobs>;
  /** Who has a blob here; one of them where several have, undefined where nobody does: it lies unencrypted, if at all. */
  ownerOf(digest: Digest): Promise<string | undefined>;
  /** Every owner's, for collecting garbage: a blob that several have is listed, and removed, for each. */
  readonly all: Pick<Blobs, "list" | "remove">;
  /** Removes the plain copies that {@link Blobs.path} has made. */
  close(): Promise<void>;
};

const pageRows = 1_000;

/** @param options.plainFolder for plain copies that native code maps: empty before and after */
export async function openSealedBlobs(options: {
  readonly blobs: Blobs;
  readonly database: Database;
  readonly keys: DataKeys;
  readonly plainFolder: string;
}): Promise<SealedBlobs> {
  const { blobs, database, keys } = options;
  const folder = resolve(options.plainFolder);
  await rm(folder, { recursive: true, force: true });
  const opened = new Map<string, Promise<Blobs>>();

  const of = (owner: string): Promise<Blobs> => {
    const known = opened.get(owner);
    if (known !== undefined) return known;
    const open = async () =>
      encryptedBlobs({
        ...{ blobs, database, owner },
        key: await keys.keyOf(owner),
        plainFolder: join(folder, owner),
      });
    const own = open();
    opened.set(owner, own);
    own.catch(() => opened.delete(owner));
    return own;
  };

  async function* list(): AsyncGenerator<StoredBlob> {
    for (let after = { owner: "", digest: "" }; ; ) {
      const rows = await database.query<StoredBlob & { owner: string }>(
        `select owner, digest, bytes, stored_at_ms as "storedAtMs" from sealing.blobs where (owner, digest) > ($1, $2)
         order by owner, digest limit ${pageRows}`,
        [after.owner, after.digest],
      );
      for (const { owner: _, ...blob } of rows) yield blob;
      if (rows.length < pageRows) return;
      after = rows[rows.length - 1]!;
    }
  }

  const ownersOf = async (digest: Digest, limit?: number) =>
    (
      await database.query<{ owner: string }>(
        "select owner from sealing.blobs where digest = $1 order by owner limit $2",
        [requireDigest(digest), limit ?? null],
      )
    ).map(({ owner }) => owner);

  return {
    of,
    ownerOf: async (digest) => (await ownersOf(digest, 1))[0],
    all: {
      list,
      async remove(digest, beforeMs) {
        let removed = false;
        for (const owner of await ownersOf(digest))
          removed = (await (await of(owner)).remove(digest, beforeMs)) || removed;
        return removed;
      },
    },
    close: () => rm(folder, { recursive: true, force: true }),
  };
}
