import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import {
  createExplainWriter,
  defaultExplainOptions,
  explainBytes,
  explainHeaderBytes,
  explainRowBytes,
  planExplainIndex,
} from "../attribution/index.ts";
import { temporaryFolder } from "../store/index.ts";
import { explainBlob, openExplainBlob } from "./explain-blob.ts";
import { compareExamples } from "./index-examples.ts";
import { nodeSource } from "./node-source.ts";

const width = 1_024;
const planOf = (rows: number) => planExplainIndex(rows, width, { ...defaultExplainOptions, seed: 3 });
const rowOf = (example: number) => Float32Array.from({ length: width }, (_, i) => Math.sin(example * 7 + i));
const release = `0x${"12".repeat(32)}` as const;

function smallBlob(rows: number): Uint8Array {
  const parts: Uint8Array[] = [];
  const writer = createExplainWriter(planOf(rows), (bytes) => parts.push(bytes));
  for (let i = 0; i < rows; i++) writer.add(rowOf(i));
  writer.end();
  return new Uint8Array(Buffer.concat(parts));
}

test("of an index in a file only the header and the rows asked for are read; a false row and other bytes are named", async () => {
  await using scratch = await temporaryFolder("test");
  const path = join(scratch.path, "explain");
  const bytes = smallBlob(100);
  bytes[explainHeaderBytes + 7 * explainRowBytes(planOf(100)) + 4] = 0x7f;
  writeFileSync(path, bytes);
  const blob = await openExplainBlob(path);
  assert.deepEqual([blob.digest, blob.length], [explainBlob(bytes).digest, bytes.length]);
  const reads: number[] = [];
  const counted = {
    ...blob,
    read: (at: number, length: number) => {
      reads.push(length);
      return blob.read(at, length);
    },
  };
  const told = { digest: blob.digest, rows: 100, seed: 3 };
  const asked = [3, 7, 99];
  const found = compareExamples(counted, told, asked, (at) => rowOf(asked[at] as number));
  assert.equal(found.faults.length, 1);
  assert.match(found.faults[0] ?? "", /the explain index's row 7 /);
  assert.deepEqual(reads, [32, 1_028, 1_028, 1_028], "the header, and the three rows");
  const other = compareExamples(counted, { ...told, digest: release }, asked, rowOf);
  assert.match(other.faults[0] ?? "", /the explain index has the digest .*, the manifest states 0x12/);
  assert.throws(() => blob.read(bytes.length - 4, 8), /ends after/);
});

test("an index of 160 MiB is brought from a node and checked in less memory than it has", async () => {
  const rows = 163_840;
  const plan = planOf(rows);
  assert.deepEqual([plan.bits, explainBytes(plan)], [8, 32 + rows * 1_028]);
  // One row is not zero: the first.
  const beginning = smallBlob(1);
  new DataView(beginning.buffer).setUint32(8, rows, true);
  const piece = new Uint8Array(257 * 1_024);
  const server = createServer(async (_, response) => {
    response.write(beginning);
    for (let left = explainBytes(plan) - beginning.length; left > 0; left -= piece.length)
      if (!response.write(piece.subarray(0, left)))
        await new Promise((resolve) => response.once("drain", resolve));
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  await using scratch = await temporaryFolder("test");
  const path = join(scratch.path, "explain");
  const source = nodeSource(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const before = process.resourceUsage().maxRSS;
  await source.download(release, "explain", path);
  server.close();
  const blob = await openExplainBlob(path);
  const asked = Array.from({ length: 64 }, (_, i) => i * 2_560);
  const zeros = new Float32Array(width);
  const found = compareExamples(blob, { digest: blob.digest, rows, seed: 3 }, asked, (at) =>
    at === 0 ? rowOf(0) : zeros,
  );
  const grown = (process.resourceUsage().maxRSS - before) / 1_024;
  assert.deepEqual([found.faults, found.identical], [[], true]);
  // Half of it was measured, most of that pieces that nobody holds any more; whole in memory it would be twice its size, and more.
  assert.ok(grown < 160, `memory grew by ${grown.toFixed(0)} MiB`);
});
