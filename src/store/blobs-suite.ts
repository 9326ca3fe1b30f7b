import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { keccak256, toBytes } from "viem";
import type { Blobs, Digest } from "./blobs.ts";
import { isStoreError } from "./errors.ts";

/** What every Blobs adapter must do. `damage` changes one stored byte behind the adapter's back. */
export function blobsSuite(
  name: string,
  open: (maxBytes?: number) => Promise<{ blobs: Blobs; damage(digest: Digest): Promise<void> }>,
): void {
  describe(`blobs: ${name}`, () => {
    test("bytes come back under their Keccak-256 digest", async () => {
      const { blobs } = await open();
      assert.equal(await blobs.put(toBytes("OpenLedger")), keccak256(toBytes("OpenLedger")));
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
          const digest = await blobs.put(bytes);
          assert.deepEqual(await blobs.get(digest), bytes);
          assert.ok(await blobs.has(digest));
          assert.deepEqual(new Uint8Array(await readFile(await blobs.path(digest))), bytes);
        }),
        { numRuns: 30 },
      );
    });

    test("a file's bytes are the same blob, and the file stays", async () => {
      const { blobs } = await open(10);
      const folder = await mkdtemp(join(tmpdir(), "openledger-blob-file-"));
      const file = join(folder, "file");
      await writeFile(file, toBytes("OpenLedger"));
      const digest = await blobs.putFile(file);
      assert.equal(digest, keccak256(toBytes("OpenLedger")));
      assert.deepEqual(await blobs.get(digest), toBytes("OpenLedger"));
      assert.equal(await blobs.put(toBytes("OpenLedger")), digest);
      assert.equal(await readFile(file, "utf8"), "OpenLedger");
      await writeFile(file, new Uint8Array(11));
      await assert.rejects(blobs.putFile(file), (error) => isStoreError(error, "blob-too-large"));
      await rm(folder, { recursive: true });
      await assert.rejects(blobs.putFile(file), { code: "ENOENT" });
    });

    test("the empty blob is a blob", async () => {
      const { blobs } = await open();
      const digest = await blobs.put(new Uint8Array());
      assert.equal(digest, "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
      assert.equal((await blobs.get(digest)).length, 0);
    });

    test("large blobs have the same digest, and others get their turn meanwhile", async () => {
      const { blobs, damage } = await open();
      const large = Uint8Array.from({ length: 5 * 2 ** 20 + 1 }, (_, i) => i % 251);
      const digest = await blobs.put(large);
      assert.equal(digest, keccak256(large));
      let turns = 0;
      const timer = setInterval(() => turns++, 0);
      const [one, other] = await Promise.all([blobs.get(digest), blobs.get(digest)]);
      clearInterval(timer);
      assert.ok(Buffer.compare(one, large) === 0 && Buffer.compare(other, large) === 0 && turns > 0);
      await damage(digest);
      await assert.rejects(blobs.get(digest), (error) => isStoreError(error, "blob-corrupt"));
    });

    test("a missing blob is a typed error", async () => {
      const { blobs } = await open();
      const absent = keccak256(toBytes("absent"));
      assert.equal(await blobs.has(absent), false);
      await assert.rejects(blobs.get(absent), (error) => isStoreError(error, "blob-missing"));
      await assert.rejects(blobs.path(absent), (error) => isStoreError(error, "blob-missing"));
    });

    test("what is no digest is refused, so that no name leads out of the store", async () => {
      const { blobs } = await open();
      for (const bad of ["0x", "../../etc/passwd", `0x${"A".repeat(64)}`, `0x${"0".repeat(63)}/`]) {
        await assert.rejects(blobs.get(bad as Digest), (error) => isStoreError(error, "blob-missing"));
      }
    });

    test("a damaged blob is a typed error, and storing it again mends it", async () => {
      const { blobs, damage } = await open();
      const bytes = toBytes("worth keeping");
      const digest = await blobs.put(bytes);
      await damage(digest);
      await assert.rejects(blobs.get(digest), (error) => isStoreError(error, "blob-corrupt"));
      assert.equal(await blobs.put(bytes), digest);
      assert.deepEqual(await blobs.get(digest), bytes);
    });

    test("a blob over the limit is refused, one at the limit is not", async () => {
      const { blobs } = await open(10);
      await blobs.put(new Uint8Array(10));
      await assert.rejects(blobs.put(new Uint8Array(11)), (error) => isStoreError(error, "blob-too-large"));
    });

    test("blobs are listed, a thousand and more too, with their length and when they were stored last", async () => {
      const { blobs } = await open();
      const stored = new Map<string, number>();
      for (let i = 0; i < 1_003; i += 17)
        await Promise.all(
          Array.from({ length: 17 }, async (_, j) => {
            const bytes = toBytes(`blob ${i + j} ${"x".repeat(j)}`);
            stored.set(await blobs.put(bytes), bytes.length);
          }),
        );
      const since = Date.now() - 60_000;
      for await (const { digest, bytes, storedAtMs } of blobs.list()) {
        assert.equal(stored.get(digest), bytes);
        assert.ok(storedAtMs > since && storedAtMs < Date.now() + 2_000);
        stored.delete(digest);
      }
      assert.equal(stored.size, 0);
    });

    test("a blob is removed unless it was stored since, again too", async () => {
      const { blobs } = await open();
      const digest = await blobs.put(toBytes("to go"));
      assert.equal(await blobs.remove(digest, Date.now() - 60_000), false);
      await sleep(2_100);
      const before = Date.now();
      await blobs.put(toBytes("to go"));
      assert.equal(await blobs.remove(digest, before - 1_000), false);
      assert.deepEqual(await blobs.get(digest), toBytes("to go"));
      assert.equal(await blobs.remove(digest, Date.now() + 60_000), true);
      assert.equal(await blobs.has(digest), false);
      await assert.rejects(blobs.path(digest), (error) => isStoreError(error, "blob-missing"));
      assert.equal(await blobs.remove(digest, Date.now() + 60_000), false);
    });

    test("what is stored while it is removed is there afterwards, whichever came first", async () => {
      const { blobs } = await open();
      const bytes = toBytes("contended");
      const digest = await blobs.put(bytes);
      for (let i = 0; i < 20; i++) {
        // As a collector's: it has read before the put that nobody names the blob.
        const [removed] = await Promise.all([blobs.remove(digest, Date.now() + 60_000), blobs.put(bytes)]);
        assert.equal(removed, true);
        assert.deepEqual(await blobs.get(digest), bytes);
      }
    });

    test("the same bytes stored many times at once make one blob", async () => {
      const { blobs } = await open();
      const bytes = new Uint8Array(100_000).fill(7);
      const digests = await Promise.all(Array.from({ length: 8 }, () => blobs.put(bytes)));
      assert.equal(new Set(digests).size, 1);
      assert.deepEqual(await blobs.get(digests[0]!), bytes);
    });
  });
}
