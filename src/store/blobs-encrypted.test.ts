import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { encryptedBlobs } from "./blobs-encrypted.ts";
import { openBlobFolder } from "./blobs-folder.ts";
import { blobsSuite } from "./blobs-suite.ts";
import { openDataKeys } from "./data-keys.ts";
import { isStoreError } from "./errors.ts";
import { collectGarbage } from "./garbage.ts";
import { openScratchDatabase } from "./scratch.ts";
import { newSealKey } from "./seal.ts";

const folder = mkdtempSync(join(tmpdir(), "openledger-encrypted-"));
const database = await openScratchDatabase();
after(async () => {
  await database.close();
  rmSync(folder, { recursive: true, force: true });
});
const masterFile = join(folder, "master-key");
const keys = await openDataKeys(database, masterFile);
let count = 0;
async function open(owner = `datanet/${count++}`, maxBytes?: number) {
  const inner = await openBlobFolder(join(folder, "blobs"));
  const plainFolder = join(folder, owner);
  const limit = maxBytes === undefined ? {} : { maxBytes };
  const blobs = await encryptedBlobs({
    blobs: inner,
    database,
    owner,
    key: await keys.keyOf(owner),
    plainFolder,
    ...limit,
  });
  const fileOf = async (digest: string) => {
    const [row] = await database.query<{ stored: `0x${string}` }>(
      "select stored from sealing.blobs where owner = $1 and digest = $2",
      [owner, digest],
    );
    return inner.path(row!.stored);
  };
  return { blobs, inner, owner, fileOf };
}

blobsSuite("encrypted, in a folder", async (maxBytes) => {
  const { blobs, fileOf } = await open(undefined, maxBytes);
  const damage = async (digest: string) => {
    const file = await fileOf(digest);
    const bytes = readFileSync(file);
    bytes[0]! ^= 1;
    writeFileSync(file, bytes);
  };
  return { blobs, damage };
});

const secret = new TextEncoder().encode("nobody but the Datanet's people may read this");

test("who sees the folder reads nothing and sees no two owners' blobs to be the same", async () => {
  const [one, other] = [await open(), await open()];
  const digest = await one.blobs.put(secret);
  assert.equal(await other.blobs.put(secret), digest, "the identity is that of the plain bytes");
  const [a, b] = [await one.fileOf(digest), await other.fileOf(digest)];
  assert.notEqual(a, b);
  for (const file of [a, b]) {
    assert.ok(!readFileSync(file).includes(Buffer.from(secret.subarray(0, 8))));
    assert.ok(!file.includes(digest.slice(2)));
  }
  assert.equal(await one.inner.has(digest), false);
});

test("one blob in the place of another, another owner's key and a cut are found", async () => {
  const { blobs, owner, inner } = await open();
  const [one, two] = [await blobs.put(secret), await blobs.put(secret.subarray(1))];
  await database.query(
    "update sealing.blobs set stored = (select stored from sealing.blobs where owner = $1 and digest = $3) where owner = $1 and digest = $2",
    [owner, one, two],
  );
  await assert.rejects(blobs.get(one), (error) => isStoreError(error, "blob-corrupt"));
  const stranger = await encryptedBlobs({
    blobs: inner,
    database,
    owner,
    key: newSealKey(),
    plainFolder: join(folder, "stranger"),
  });
  await assert.rejects(stranger.get(two), (error) => isStoreError(error, "sealed-wrong-key"));
});

test("keys stay the same through a rotation of the master key, and the old one opens nothing any more", async () => {
  const { blobs, owner } = await open();
  const digest = await blobs.put(secret);
  const [key, old] = [await keys.keyOf(owner), readFileSync(masterFile)];
  assert.equal(statSync(masterFile).mode & 0o777, 0o600);
  assert.ok((await keys.rotate()) > 1);
  assert.deepEqual(await keys.keyOf(owner), key);
  assert.deepEqual(await blobs.get(digest), secret);
  const now = readFileSync(masterFile);
  writeFileSync(masterFile, old);
  await assert.rejects(keys.keyOf(owner), (error) => isStoreError(error, "sealed-wrong-key"));
  rmSync(masterFile);
  await assert.rejects(keys.keyOf(owner), (error) => isStoreError(error, "master-key-missing"));
  writeFileSync(masterFile, "short\n", { mode: 0o600 });
  await assert.rejects(keys.keyOf(owner), /does not hold a master key/);
  writeFileSync(masterFile, now);
  chmodSync(masterFile, 0o644);
  if (process.platform !== "win32") await assert.rejects(keys.keyOf(owner), /others can read it/);
  chmodSync(masterFile, 0o600);
  assert.deepEqual(await keys.keyOf(owner), key);
});

test("a rotation that is cut short at any step leaves one master key that opens all keys", async () => {
  const owner = "datanet/crash";
  const key = await keys.keyOf(owner);
  const next = `${masterFile}.next`;
  // After the new key was written, before the keys were sealed with it.
  writeFileSync(next, `${Buffer.from(newSealKey()).toString("hex")}\n`, { mode: 0o600 });
  assert.deepEqual(await (await openDataKeys(database, masterFile)).keyOf(owner), key);
  assert.ok(!existsSync(next));
  // After the keys were sealed, before the file got its name.
  const old = readFileSync(masterFile);
  await keys.rotate();
  writeFileSync(next, readFileSync(masterFile), { mode: 0o600 });
  writeFileSync(masterFile, old, { mode: 0o600 });
  assert.deepEqual(await (await openDataKeys(database, masterFile)).keyOf(owner), key);
  assert.ok(!existsSync(next));
});

test("garbage: what a row names stays, below too; what nothing names goes from both", async () => {
  await database.migrate("rooms", ["create table rooms.t (digest text)"]);
  const { blobs, inner } = await open();
  const named = await blobs.put(secret);
  const unnamed = await blobs.put(secret.subarray(2));
  const stray = await inner.put(secret.subarray(3));
  await database.query("insert into rooms.t values ($1)", [named]);
  const later = { graceMs: 1_000, now: () => Date.now() + 3_600_000 };
  assert.equal((await collectGarbage({ database, blobs, ...later })).removed, 1);
  await collectGarbage({ database, blobs: inner, ...later });
  assert.deepEqual([await blobs.has(unnamed), await inner.has(stray)], [false, false]);
  assert.deepEqual(await blobs.get(named), secret);
});
