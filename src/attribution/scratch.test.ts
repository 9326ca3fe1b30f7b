import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createScratch } from "./scratch.ts";

const blocks = [
  { offset: 0, length: 3 },
  { offset: 3, length: 2 },
];
const rows = (from: number, count: number) =>
  Float32Array.from({ length: 5 * count }, (_, i) => from * 5 + i);

test("rows written whole are read by layer and by row, and change layer by layer; what was never written is zero", () => {
  using scratch = createScratch();
  const file = scratch.file(4, blocks);
  file.write(1, rows(1, 2));
  assert.deepEqual(file.readLayer(0, 0, 4), Float32Array.of(0, 0, 0, 5, 6, 7, 10, 11, 12, 0, 0, 0));
  assert.deepEqual(file.readLayer(1, 1, 2), Float32Array.of(8, 9, 13, 14));
  file.writeLayer(1, 2, Float32Array.of(-1, -2));
  assert.deepEqual(file.row(2), Float32Array.of(10, 11, 12, -1, -2));
  assert.deepEqual(file.row(3), new Float32Array(5));
});

test("files are told apart, and nothing is left in the folder", () => {
  const folder = mkdtempSync(join(tmpdir(), "openledger-test-"));
  {
    using scratch = createScratch(folder);
    const [a, b] = [scratch.file(1, blocks), scratch.file(1, blocks)];
    a.write(0, rows(0, 1));
    b.write(0, rows(1, 1));
    assert.deepEqual(a.row(0), rows(0, 1));
    assert.deepEqual(b.row(0), rows(1, 1));
  }
  assert.deepEqual(readdirSync(folder), []);
  rmSync(folder, { recursive: true });
});
