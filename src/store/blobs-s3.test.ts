import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import dns from "node:dns";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openS3Blobs, probeS3Blobs, type S3BlobsOptions } from "./blobs-s3.ts";
import { blobsSuite } from "./blobs-suite.ts";
import { blobPlace } from "./digest.ts";
import { isStoreError } from "./errors.ts";
import { bucket, credentials, openS3Server } from "./fixtures/s3-server.ts";

const folder = await mkdtemp(join(tmpdir(), "openledger-s3-"));
const server = await openS3Server(join(folder, "server"));
after(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

let count = 0;
const addressOf = (prefix: string) => `s3://${bucket}/${prefix}?endpoint=${server.endpoint}`;
async function open(options: Partial<S3BlobsOptions> = {}) {
  const prefix = `p${count++}`;
  const cacheFolder = join(folder, prefix);
  const blobs = await openS3Blobs(addressOf(prefix), { cacheFolder, credentials, backoffMs: 1, ...options });
  return { blobs, fileOf: (digest: `0x${string}`) => server.fileOf(`${prefix}/${blobPlace(digest)}`) };
}

blobsSuite("S3", async (maxBytes) => {
  const { blobs, fileOf } = await open(maxBytes === undefined ? {} : { maxBytes });
  const damage = async (digest: `0x${string}`) => {
    const bytes = await readFile(fileOf(digest));
    bytes[0]! ^= 1;
    await writeFile(fileOf(digest), bytes);
  };
  return { blobs, damage };
});

test("what is large goes in parts, from memory and from a file, and comes back", async () => {
  const { blobs } = await open({ partBytes: 5 * 2 ** 20 });
  const bytes = randomBytes(11 * 2 ** 20);
  server.seen.length = 0;
  const digest = await blobs.put(bytes);
  assert.equal(server.seen.filter((line) => line.includes("partNumber=")).length, 3);
  assert.equal(Buffer.compare(await blobs.get(digest), bytes), 0);
  const file = join(folder, "large");
  await writeFile(file, bytes);
  assert.equal(await blobs.putFile(file), digest);
  assert.equal(Buffer.compare(await readFile(await blobs.path(digest)), bytes), 0);
});

test("parts that fail are taken back, and nothing is at the key", async () => {
  const { blobs } = await open({ partBytes: 5 * 2 ** 20, attempts: 2 });
  server.seen.length = 0;
  server.setFault((request, response) => {
    if (!request.url?.includes("partNumber=2")) return;
    response.writeHead(500).end();
    return "answered";
  });
  await assert.rejects(blobs.put(randomBytes(11 * 2 ** 20)), (error) =>
    isStoreError(error, "blobs-unreachable"),
  );
  server.setFault();
  assert.ok(server.seen.some((line) => line.startsWith("DELETE ") && line.includes("uploadId=")));
  for await (const _ of blobs.list()) assert.fail("nothing is stored");
});

test("a service that is busy, fails or says nothing is asked again, later; one that goes on so is named", async () => {
  const { blobs } = await open({ attempts: 4, timeoutMs: 200 });
  const digest = await blobs.put(new Uint8Array([1]));
  for (const status of [429, 503, 500, 0, -1]) {
    let left = 2;
    server.setFault((request, response) => {
      if (left-- <= 0) return;
      if (status > 0) response.writeHead(status).end("<Error><Code>SlowDown</Code></Error>");
      if (status < 0) request.socket.destroy();
      return "answered";
    });
    assert.deepEqual(await blobs.get(digest), new Uint8Array([1]), `${status}`);
  }
  server.setFault((_, response) => {
    response.writeHead(503).end("<Error><Code>SlowDown</Code><Message>Reduce your rate.</Message></Error>");
    return "answered";
  });
  await assert.rejects(
    blobs.put(new Uint8Array([2])),
    /did not do PUT in 4 tries; the last one: 503 SlowDown: Reduce your rate\./,
  );
  server.setFault();
});

test("an answer that breaks off goes on at the next byte", async () => {
  const { blobs, fileOf } = await open();
  const bytes = randomBytes(300_000);
  const digest = await blobs.put(bytes);
  let cuts = 3;
  server.setFault((request, response) => {
    if (request.method !== "GET" || cuts-- <= 0) return;
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
    void readFile(fileOf(digest)).then((all) => {
      response.writeHead(from > 0 ? 206 : 200, { "content-length": all.length - from });
      response.write(all.subarray(from, from + 50_000), () => request.socket.destroy());
    });
    return "answered";
  });
  assert.equal(Buffer.compare(await blobs.get(digest), bytes), 0);
  assert.ok(server.seen.length > 0 && cuts < 0);
  server.setFault();
});

test("a wrong secret, a bucket that is not there, and a service that is not there are told apart, without the secret", async () => {
  const cacheFolder = join(folder, "wrong");
  const with_ = (address: string, secretAccessKey = "S3RVER") =>
    openS3Blobs(address, {
      cacheFolder,
      credentials: { ...credentials, secretAccessKey },
      attempts: 2,
      backoffMs: 1,
    });
  const refused = async (promise: Promise<unknown>, pattern: RegExp) =>
    assert.rejects(promise, (error: Error) => {
      assert.match(error.message, pattern);
      assert.doesNotMatch(error.message, /hush/);
      return isStoreError(error);
    });
  const forged = await with_(addressOf("x"), "hush-hush");
  await refused(forged.put(new Uint8Array(1)), /403 SignatureDoesNotMatch.*AWS_SECRET_ACCESS_KEY/s);
  const absent = await with_(`s3://no-such-bucket?endpoint=${server.endpoint}`);
  await refused(absent.put(new Uint8Array(1)), /NoSuchBucket.*Make the bucket no-such-bucket first/s);
  const nowhere = await with_(`s3://${bucket}?endpoint=http://127.0.0.1:1`);
  await refused(nowhere.put(new Uint8Array(1)), /in 2 tries.*openledger doctor/s);
});

test("the bucket is in the host where the style is virtual", async () => {
  const lookup = dns.lookup;
  // Names below localhost do not resolve everywhere.
  dns.lookup = ((_name: string, options: { all?: boolean }, done: (...args: unknown[]) => void) =>
    options.all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4)) as never;
  try {
    const blobs = await openS3Blobs(
      `s3://${bucket}/v?endpoint=http://s3.localhost:${server.port}&style=virtual`,
      { cacheFolder: join(folder, "virtual"), credentials, attempts: 1 },
    );
    const digest = await blobs.put(new Uint8Array([7]));
    assert.deepEqual(await blobs.get(digest), new Uint8Array([7]));
    await stat(server.fileOf(`v/${blobPlace(digest)}`));
  } finally {
    dns.lookup = lookup;
  }
});

test("a probe stores, reads and removes; it fails where it may not", async () => {
  await probeS3Blobs(addressOf("probe"), { credentials });
  server.setFault((request, response) => {
    if (request.method !== "PUT") return;
    response.writeHead(403).end("<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>");
    return "answered";
  });
  await assert.rejects(probeS3Blobs(addressOf("probe"), { credentials }), /403 AccessDenied.*s3:PutObject/s);
  server.setFault();
});
