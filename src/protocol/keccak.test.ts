import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { keccak256 } from "viem";
import { bytesDigest, textDigest } from "./index.ts";

const bytesOf = (length: number) => new Uint8Array(length).map((_, i) => (i * 167) ^ (i >> 8));

test("digests are viem's, at every length around a block of 136 bytes and around the hasher's pieces of 16 KiB", () => {
  const lengths = [0, 135, 136, 137, 271, 272, 273, 2 ** 14 - 1, 2 ** 14, 2 ** 14 + 1, 2 ** 16, 300_001];
  for (const length of lengths)
    assert.equal(bytesDigest(bytesOf(length)), keccak256(bytesOf(length)), `${length} bytes`);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 700 }), fc.nat(9), (bytes, from) => {
      assert.equal(bytesDigest(bytes), keccak256(bytes));
      // A view into a larger buffer, and a Buffer, are their own bytes and no others.
      assert.equal(bytesDigest(bytes.subarray(from)), keccak256(bytes.slice(from)));
      assert.equal(bytesDigest(Buffer.from(bytes)), keccak256(bytes));
    }),
    { numRuns: 300 },
  );
});

test("the compiled hasher is used: it takes less than a third of the processor time of viem's", () => {
  const bytes = bytesOf(1_000_000);
  const microseconds = (hash: (bytes: Uint8Array) => unknown) => {
    hash(bytes);
    const start = process.cpuUsage();
    hash(bytes);
    const { user, system } = process.cpuUsage(start);
    return user + system;
  };
  const [ours, viems] = [microseconds(bytesDigest), microseconds((b) => keccak256(b))];
  assert.ok(3 * ours < viems, `${ours} µs, viem ${viems} µs`);
});

test("where a page's policy forbids WebAssembly, digests are the same", () => {
  const script = `WebAssembly.compile = async () => { throw new WebAssembly.CompileError("refused"); };
    const { textDigest } = await import(${JSON.stringify(import.meta.resolve("./index.ts"))});
    console.log(textDigest("OpenLedger"));`;
  const args = ["--input-type=module", "--eval", script];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  assert.equal(stdout.trim(), textDigest("OpenLedger"), stderr);
});
