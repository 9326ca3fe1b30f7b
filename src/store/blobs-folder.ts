import { randomUUID } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import {
  copyFile,
  mkdir,
  open,
  opendir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
} from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Blobs, Digest, StoredBlob } from "./blobs.ts";
import { blobPlace, digestOf, fileDigest, requireDigest } from "./digest.ts";
import { StoreError } from "./errors.ts";
import { takeTurns } from "./turns.ts";

const unfinishedAgeMs = 60 * 60 * 1000;

/**
 * Opens a folder of blobs, creating it where needed. A blob `0xabcd…` lies in `ab/abcd…`, whose time is when it was last stored; unfinished writes lie in `unfinished/`
 * and are removed here once they are an hour old.
 *
 * @param options.maxBytes the largest blob accepted, bytes; 1 GiB unless given.
 */
export async function openBlobFolder(folder: string, options: { maxBytes?: number } = {}): Promise<Blobs> {
  const root = resolve(folder);
  const maxBytes = options.maxBytes ?? 2 ** 30;
  const unfinished = join(root, "unfinished");
  await mkdir(unfinished, { recursive: true });
  await removeUnfinished(unfinished);
  const turn = takeTurns();

  const refuseOver = (bytes: number) => {
    if (bytes <= maxBytes) return;
    throw new StoreError(
      "blob-too-large",
      `A blob of ${bytes} bytes was refused: at most ${maxBytes} bytes are allowed here. Store it in parts or raise the limit.`,
    );
  };

  /** Makes a finished temporary file the blob of this digest. */
  const keep = async (temporary: string, digest: Digest): Promise<void> => {
    const file = blobFile(root, digest);
    if (await madeFolder(dirname(file))) await syncFolder(root);
    await rename(temporary, file);
    await syncFolder(dirname(file));
  };

  const put = async (bytes: Uint8Array): Promise<Digest> => {
    refuseOver(bytes.length);
    const digest = await digestOf(bytes);
    const file = blobFile(root, digest);
    return turn(digest, async () => {
      const before = await read(file);
      if (before && Buffer.compare(before, bytes) === 0) {
        await utimes(file, new Date(), new Date());
        return digest;
      }
      const temporary = join(unfinished, randomUUID());
      try {
        await writeDurably(temporary, bytes);
        await keep(temporary, digest);
      } catch (error) {
        await rm(temporary, { force: true });
        throw error;
      }
      return digest;
    });
  };

  const putFile = async (path: string): Promise<Digest> => {
    const temporary = join(unfinished, randomUUID());
    try {
      await copyFile(path, temporary);
      refuseOver((await stat(temporary)).size);
      await syncFile(temporary);
      // The copy's digest, not the file's: nobody else writes to the copy.
      const digest = await fileDigest(temporary);
      await turn(digest, async () => {
        // A copy may keep the original's time, and the blob's is when it was stored.
        await utimes(temporary, new Date(), new Date());
        await keep(temporary, digest);
      });
      return digest;
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  };

  const get = async (digest: Digest): Promise<Uint8Array> => {
    const file = blobFile(root, digest);
    const bytes = await read(file);
    if (!bytes) throw missing(digest, root);
    const actual = await digestOf(bytes);
    if (actual !== digest) {
      throw new StoreError(
        "blob-corrupt",
        `The blob ${digest} is damaged: its ${bytes.length} bytes now hash to ${actual}. ` +
          `Storing the right bytes again mends it, or restore ${file} from a backup.`,
      );
    }
    return bytes;
  };

  const has = async (digest: Digest): Promise<boolean> => {
    const found = await stat(blobFile(root, digest)).catch(ignoring("ENOENT"));
    return found !== undefined;
  };

  const path = async (digest: Digest): Promise<string> => {
    if (!(await has(digest))) throw missing(digest, root);
    return blobFile(root, digest);
  };

  const remove = (digest: Digest, beforeMs: number): Promise<boolean> =>
    turn(digest, async () => {
      const file = blobFile(root, digest);
      const found = await stat(file).catch(ignoring("ENOENT"));
      if (found === undefined || found.mtimeMs >= beforeMs) return false;
      await rm(file);
      return true;
    });

  return { put, putFile, get, has, path, list: () => listFolder(root), remove };
}

const blobFile = (root: string, digest: Digest): string => join(root, blobPlace(requireDigest(digest)));

async function* listFolder(root: string): AsyncGenerator<StoredBlob> {
  for (const { name: folder } of await readdir(root, { withFileTypes: true })) {
    if (!/^[0-9a-f]{2}$/.test(folder)) continue;
    for await (const { name } of await opendir(join(root, folder))) {
      if (!/^[0-9a-f]{64}$/.test(name)) continue;
      const found = await stat(join(root, folder, name)).catch(ignoring("ENOENT"));
      if (found) yield { digest: `0x${name}`, bytes: found.size, storedAtMs: found.mtimeMs };
    }
  }
}

function missing(digest: Digest, root: string): StoreError {
  return new StoreError(
    "blob-missing",
    `The blob ${digest} is not in ${root}. Fetch it from where it was made, or restore it from a backup.`,
  );
}

async function read(file: string): Promise<Uint8Array | undefined> {
  const bytes = await readFile(file).catch(ignoring("ENOENT"));
  return bytes && new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

async function writeDurably(file: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(file, "wx");
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function syncFile(file: string): Promise<void> {
  const handle = await open(file, "r+");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function madeFolder(folder: string): Promise<boolean> {
  return (await mkdir(folder, { recursive: true })) !== undefined;
}

/** Makes a rename or a new name in the folder durable. Windows cannot open folders and keeps names in its own journal. */
async function syncFolder(folder: string): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(folder, "r");
    await handle.sync();
  } catch (error) {
    if (process.platform !== "win32") throw error;
  } finally {
    await handle?.close();
  }
}

async function removeUnfinished(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const file = join(folder, name);
    const found = await stat(file).catch(ignoring("ENOENT"));
    if (found && Date.now() - found.mtimeMs > unfinishedAgeMs) await rm(file, { force: true });
  }
}

function ignoring(code: string): (error: NodeJS.ErrnoException) => undefined {
  return (error) => {
    if (error.code !== code) throw error;
    return undefined;
  };
}
