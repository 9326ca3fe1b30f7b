/** Puts a node back from a backup, into a folder that appears only once all of it is there and checked. */
import { createHash, randomUUID } from "node:crypto";
import { createWriteStream, existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, rmdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import {
  type Blobs,
  isPassphraseSealed,
  openBlobs,
  readerOf,
  readTar,
  StoreError,
  type TarEntry,
  unsealWithPassphrase,
} from "../store/index.ts";
import { backupSchema, checksumsFile } from "./backup.ts";

const aboutSchema = z.object({
  schema: z.literal(backupSchema),
  version: z.string(),
  chainId: z.int(),
  keys: z.boolean(),
  madeAt: z.string(),
});

export type Restored = z.output<typeof aboutSchema> & {
  readonly files: number;
  readonly bytes: number;
  readonly blobs: number;
};

const textBytesMax = 2 ** 28;

/** What is done with each file of a backup. @returns nothing; must read the entry to its end */
type Sink = (entry: TarEntry) => Promise<void>;

/**
 * Reads a backup to its end and checks every file.
 *
 * @throws StoreError `sealed-wrong-key`, `sealed-damaged`, `archive-invalid`, `backup-refused` where a passphrase is missing
 */
export function checkBackup(
  pieces: AsyncIterable<Uint8Array>,
  options: { readonly passphrase?: string } = {},
): Promise<Restored> {
  return readBackup(pieces, options.passphrase, async ({ content }) => {
    for await (const _ of content);
  });
}

/**
 * @param folder must not exist or be empty
 * @param options.blobs `s3://…`: where blobs go; where the backup's `config.json` says unless given, else into the folder
 * @throws as {@link checkBackup}; `backup-refused` for a folder that holds something. What was written is removed, but for blobs in a bucket
 */
export async function restoreBackup(
  pieces: AsyncIterable<Uint8Array>,
  folder: string,
  options: { readonly passphrase?: string; readonly blobs?: string } = {},
): Promise<Restored> {
  const target = resolve(folder);
  if (existsSync(target) && (await readdir(target)).length > 0)
    throw new StoreError(
      "backup-refused",
      `${target} is not empty, and restoring would mix two nodes. Expected an empty folder or none: name another, or move what is there away.`,
    );
  const work = `${target}.restoring`;
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true, mode: 0o700 });
  try {
    let blobs: Blobs | undefined;
    const restored = await readBackup(pieces, options.passphrase, async ({ name, mode, content }) => {
      const path = join(work, name);
      if (name.endsWith("/")) {
        await mkdir(path, { recursive: true, mode: 0o700 });
        return;
      }
      const digest = /^blobs\/[0-9a-f]{2}\/([0-9a-f]{64})$/.exec(name)?.[1];
      if (digest === undefined) {
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        await pipeline(content, createWriteStream(path, { mode, flush: true }));
        return;
      }
      blobs ??= await openBlobs(work, options.blobs ?? (await configuredBlobs(work)));
      const temporary = join(work, randomUUID());
      await pipeline(content, createWriteStream(temporary, { mode: 0o600 }));
      const stored = await blobs.putFile(temporary);
      await rm(temporary);
      if (stored !== `0x${digest}`)
        throw new StoreError(
          "archive-invalid",
          `The blob 0x${digest} of the backup has the digest ${stored}. Take another copy of the backup.`,
        );
    });
    if (existsSync(target)) await rmdir(target);
    await rename(work, target);
    return restored;
  } catch (error) {
    await rm(work, { recursive: true, force: true });
    throw error;
  }
}

async function configuredBlobs(home: string): Promise<string | undefined> {
  const file = join(home, "config.json");
  if (!existsSync(file)) return undefined;
  const parsed = z
    .object({ blobs: z.string().optional() })
    .safeParse(JSON.parse(await readFile(file, "utf8")));
  return parsed.data?.blobs;
}

async function readBackup(
  pieces: AsyncIterable<Uint8Array>,
  passphrase: string | undefined,
  sink: Sink,
): Promise<Restored> {
  let about: z.output<typeof aboutSchema> | undefined;
  const found = new Map<string, string>();
  let expected: Map<string, string> | undefined;
  let bytes = 0;
  let blobs = 0;
  for await (const entry of readTar(await opened(pieces, passphrase))) {
    if (expected !== undefined) throw invalid(`${entry.name} comes after the checksums`);
    if (found.has(entry.name)) throw invalid(`${entry.name} is there twice`);
    if (entry.name === checksumsFile || about === undefined) {
      const text = await textOf(entry);
      if (entry.name === checksumsFile) {
        expected = new Map(
          [...text.matchAll(/^([0-9a-f]{64}) {2}(.+)$/gm)].map(([, hash = "", name = ""]) => [name, hash]),
        );
        continue;
      }
      about = aboutOf(entry.name, text);
      found.set(entry.name, createHash("sha256").update(text).digest("hex"));
      continue;
    }
    const hash = createHash("sha256");
    const content = async function* () {
      for await (const piece of entry.content) {
        hash.update(piece);
        yield piece;
      }
    };
    await sink({ ...entry, content: content() });
    if (entry.name.endsWith("/")) continue;
    found.set(entry.name, hash.digest("hex"));
    bytes += entry.bytes;
    if (entry.name.startsWith("blobs/")) blobs++;
  }
  if (about === undefined || expected === undefined) throw invalid("its checksums are missing");
  for (const [name, hash] of expected)
    if (found.get(name) !== hash) throw invalid(`${name} is damaged or missing`);
  if (found.size !== expected.size)
    throw invalid(`it holds ${found.size} files, its checksums ${expected.size}`);
  return { ...about, files: found.size, bytes, blobs };
}

const invalid = (what: string) =>
  new StoreError("archive-invalid", `The backup is not whole: ${what}. Take another copy of it.`);

async function textOf({ name, bytes, content }: TarEntry): Promise<string> {
  if (bytes > textBytesMax) throw invalid(`${name} has ${bytes} bytes, at most ${textBytesMax} are read`);
  const parts: Uint8Array[] = [];
  for await (const piece of content) parts.push(piece);
  return Buffer.concat(parts).toString("utf8");
}

function aboutOf(name: string, text: string): z.output<typeof aboutSchema> {
  if (name !== "backup.json") throw invalid(`it begins with ${name} instead of backup.json`);
  try {
    return aboutSchema.parse(JSON.parse(text));
  } catch {
    throw invalid(`its backup.json is not of ${backupSchema}: it is another program's, or a newer version's`);
  }
}

async function opened(
  pieces: AsyncIterable<Uint8Array>,
  passphrase: string | undefined,
): Promise<AsyncIterable<Uint8Array>> {
  const reader = readerOf(pieces);
  const beginning = await reader.take(64);
  const all = (async function* () {
    yield beginning;
    yield* reader.rest();
  })();
  if (!isPassphraseSealed(beginning)) return all;
  if (passphrase === undefined)
    throw new StoreError(
      "backup-refused",
      "The backup is sealed with a passphrase, and none was given. Give it.",
    );
  return unsealWithPassphrase(all, passphrase);
}
