import { randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { createKeccak } from "hash-wasm";
import type { Blobs, Digest, StoredBlob } from "./blobs.ts";
import { blobPlace, digestOf, fileDigest, requireDigest } from "./digest.ts";
import { StoreError } from "./errors.ts";
import { parseS3Address, type S3Credentials, s3Credentials } from "./s3-address.ts";
import { createS3Client, type S3Client, type S3Options, xmlText } from "./s3-client.ts";
import { putMultipart } from "./s3-multipart.ts";
import { takeTurns } from "./turns.ts";

export type S3BlobsOptions = S3Options & {
  /** Folder for local copies that native code maps; made where needed. Everything in it may be removed while no process uses it. */
  readonly cacheFolder: string;
  /** Local copies are removed, least recently asked for first, beyond so many bytes; 16 GiB unless given. */
  readonly cacheBytesMax?: number;
  /** The largest blob accepted, bytes; 1 GiB unless given. */
  readonly maxBytes?: number;
  /** The size above which an object goes in parts, and theirs; 8 MiB unless given, 5 MiB is S3's least. */
  readonly partBytes?: number;
  readonly credentials?: S3Credentials;
};

/** Local copies asked for in the last hour stay, however many: somebody may be about to open one. */
const cacheKeepMs = 60 * 60 * 1000;

/**
 * Blobs in a bucket of an S3-compatible service. A blob `0xabcd…` is the object `<prefix>ab/abcd…`; one prefix belongs to one node. What is large goes in parts and
 * through memory a part at a time. Each upload is signed over its SHA-256; each read is hashed and compared with its name.
 *
 * @param address `s3://bucket/prefix?endpoint=…&region=…&style=…`
 * @throws StoreError `blobs-address`
 */
export async function openS3Blobs(address: string, options: S3BlobsOptions): Promise<Blobs> {
  const { maxBytes = 2 ** 30, partBytes = 8 * 2 ** 20, cacheBytesMax = 16 * 2 ** 30 } = options;
  const client = createS3Client(parseS3Address(address), options.credentials ?? s3Credentials(), options);
  const cache = resolve(options.cacheFolder);
  const unfinished = join(cache, "unfinished");
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  const turn = takeTurns();
  const keyOf = (digest: Digest) => blobPlace(requireDigest(digest));
  const missing = (digest: Digest) =>
    new StoreError(
      "blob-missing",
      `The blob ${digest} is not in bucket ${client.address.bucket} below "${client.address.prefix}". Fetch it from where it was made, or restore it from a backup.`,
    );
  const refuseOver = (bytes: number) => {
    if (bytes <= maxBytes) return;
    throw new StoreError(
      "blob-too-large",
      `A blob of ${bytes} bytes was refused: at most ${maxBytes} bytes are allowed here. Store it in parts or raise the limit.`,
    );
  };

  const putWhole = async (key: string, body: Uint8Array): Promise<void> => {
    const response = await client.send({ method: "PUT", key, body: body as Uint8Array<ArrayBuffer> });
    await response.body?.cancel();
    if (response.status === 404)
      throw new StoreError("blobs-refused", `The bucket answered 404 to a PUT of ${key}.`);
  };

  const put = async (bytes: Uint8Array): Promise<Digest> => {
    refuseOver(bytes.length);
    const digest = await digestOf(bytes);
    await turn(digest, () =>
      bytes.length <= partBytes
        ? putWhole(keyOf(digest), bytes)
        : putMultipart(client, keyOf(digest), bytes.length, partBytes, async (from, to) =>
            bytes.subarray(from, to),
          ),
    );
    return digest;
  };

  const putFile = async (path: string): Promise<Digest> => {
    const file = await open(path, "r");
    try {
      const { size } = await file.stat();
      refuseOver(size);
      const digest = await fileDigest(path);
      const hasher = await createKeccak(256);
      const part = async (from: number, to: number): Promise<Uint8Array> => {
        const bytes = new Uint8Array(to - from);
        const { bytesRead } = await file.read(bytes, 0, bytes.length, from);
        hasher.update(bytes.subarray(0, bytesRead));
        // The bytes that are sent are the ones that count, not those that were there when the file was first read.
        if (to === size && `0x${hasher.digest()}` !== digest)
          throw new StoreError(
            "blob-corrupt",
            `The file ${path} changed while it was stored. Store it again once nobody writes to it.`,
          );
        return bytes;
      };
      await turn(digest, async () => {
        if (size <= partBytes) await putWhole(keyOf(digest), await part(0, size));
        else await putMultipart(client, keyOf(digest), size, partBytes, part);
      });
      return digest;
    } finally {
      await file.close();
    }
  };

  /** The blob's pieces; after the last one it is checked that they were the blob. */
  async function* readChecked(digest: Digest): AsyncGenerator<Uint8Array> {
    const source = await client.read(keyOf(digest));
    if (source === undefined) throw missing(digest);
    const hasher = await createKeccak(256);
    let bytes = 0;
    for await (const piece of source) {
      bytes += piece.length;
      refuseOver(bytes);
      hasher.update(piece);
      yield piece;
    }
    const actual = hasher.digest();
    if (`0x${actual}` !== digest)
      throw new StoreError(
        "blob-corrupt",
        `The blob ${digest} is damaged: its ${bytes} bytes in the bucket now hash to 0x${actual}. ` +
          `Storing the right bytes again mends it, or restore the object ${client.address.prefix}${keyOf(digest)} from a backup.`,
      );
  }

  const get = async (digest: Digest): Promise<Uint8Array> => {
    const parts: Uint8Array[] = [];
    for await (const piece of readChecked(digest)) parts.push(piece);
    const whole = parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
    return new Uint8Array(whole.buffer, whole.byteOffset, whole.byteLength);
  };

  const head = async (digest: Digest): Promise<Response | undefined> => {
    const response = await client.send({ method: "HEAD", key: keyOf(digest) });
    return response.status === 404 ? undefined : response;
  };

  /** A local copy, fetched once. */
  const path = (digest: Digest): Promise<string> => {
    const local = join(cache, keyOf(digest));
    return turn(`local ${digest}`, async () => {
      const now = new Date();
      if (
        await utimes(local, now, now).then(
          () => true,
          () => false,
        )
      )
        return local;
      const temporary = join(unfinished, randomUUID());
      try {
        await pipeline(readChecked(digest), createWriteStream(temporary, { mode: 0o600 }));
        await mkdir(dirname(local), { recursive: true });
        await rename(temporary, local);
      } finally {
        await rm(temporary, { force: true });
      }
      await trim(cache, cacheBytesMax);
      return local;
    });
  };

  const remove = (digest: Digest, beforeMs: number): Promise<boolean> =>
    turn(digest, async () => {
      const found = await head(digest);
      // Times over HTTP are whole seconds, rounded down: what was stored in the same second counts as later.
      const storedAtMs = Date.parse(found?.headers.get("last-modified") ?? "") + 999;
      if (found === undefined || !(storedAtMs < beforeMs)) return false;
      await client.send({ method: "DELETE", key: keyOf(digest) });
      await rm(join(cache, keyOf(digest)), { force: true });
      return true;
    });

  return {
    put,
    putFile,
    get,
    has: async (digest) => (await head(digest)) !== undefined,
    path,
    list: () => listBucket(client),
    remove,
  };
}

async function* listBucket(client: S3Client): AsyncGenerator<StoredBlob> {
  const { prefix } = client.address;
  let token: string | undefined;
  do {
    const xml = await client.text({
      method: "GET",
      query: { "list-type": "2", prefix, ...(token === undefined ? {} : { "continuation-token": token }) },
    });
    for (const [, entry = ""] of xml.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
      const key = xmlText(entry, "Key");
      const [, folder, digest] = /^([0-9a-f]{2})\/([0-9a-f]{64})$/.exec(key.slice(prefix.length)) ?? [];
      const bytes = Number(xmlText(entry, "Size"));
      const storedAtMs = Date.parse(xmlText(entry, "LastModified"));
      if (!key.startsWith(prefix) || digest?.slice(0, 2) !== folder || digest === undefined) continue;
      // What has no readable time is as if stored now: nobody removes it.
      yield { digest: `0x${digest}`, bytes, storedAtMs: Number.isNaN(storedAtMs) ? Date.now() : storedAtMs };
    }
    token = xmlText(xml, "IsTruncated") === "true" ? xmlText(xml, "NextContinuationToken") : undefined;
    if (token === "")
      throw new StoreError(
        "blobs-refused",
        "The bucket's listing is cut short and does not say how to go on.",
      );
  } while (token !== undefined);
}

/** Removes local copies, least recently asked for first, until what is left fits. A process that has one open keeps reading it. */
async function trim(cache: string, bytesMax: number): Promise<void> {
  const files: { path: string; bytes: number; usedAtMs: number }[] = [];
  for (const folder of await readdir(cache)) {
    if (folder.length !== 2) continue;
    for (const name of await readdir(join(cache, folder))) {
      const path = join(cache, folder, name);
      const found = await stat(path).catch(() => undefined);
      if (found) files.push({ path, bytes: found.size, usedAtMs: found.mtimeMs });
    }
  }
  let total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const { path, bytes, usedAtMs } of files.sort((a, b) => a.usedAtMs - b.usedAtMs)) {
    if (total <= bytesMax || Date.now() - usedAtMs < cacheKeepMs) return;
    await rm(path, { force: true });
    total -= bytes;
  }
}

/**
 * Whether a bucket can be reached, written, read and cleaned: stores a small object beside the blobs and removes it.
 *
 * @throws StoreError `blobs-address`, `blobs-refused`, `blobs-unreachable`
 */
export async function probeS3Blobs(
  address: string,
  options: S3Options & { readonly credentials?: S3Credentials } = {},
): Promise<void> {
  const client = createS3Client(parseS3Address(address), options.credentials ?? s3Credentials(), options);
  const key = `probe-${randomUUID()}`;
  const body = new TextEncoder().encode(key);
  await client.send({ method: "PUT", key, body });
  const read = await client.text({ method: "GET", key });
  await client.send({ method: "DELETE", key });
  if (read !== key)
    throw new StoreError(
      "blobs-refused",
      `The bucket gave back other bytes than were stored: expected "${key}", got "${read.slice(0, 60)}".`,
    );
}
