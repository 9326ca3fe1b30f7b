import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { explainBytes, openExplainRows } from "../attribution/index.ts";
import { createExplainFile, planExplainFile } from "./explain-file.ts";

test("the file of any number of examples fits in a blob, with rows as long as that allows", () => {
  const width = 221_184;
  assert.equal(planExplainFile(700, width, 1).bits, 8);
  for (const examples of [10_000, 131_071])
    assert.equal(planExplainFile(examples, width, 1).dimensions, 65_504);
  for (const examples of [131_071, 131_072, 1_000_000, 2 ** 24])
    assert.ok(explainBytes(planExplainFile(examples, width, 1)) <= 2 ** 30, `${examples} examples`);
});

test("examples without a row are empty wherever they stand; rows out of order, and none at all, are refused", () => {
  const folder = mkdtempSync(join(tmpdir(), "openledger-explain-file-"));
  try {
    const path = join(folder, "explain");
    {
      using file = createExplainFile(path, 6, 3);
      file.add(Float32Array.of(1, -2), 1);
      file.add(Float32Array.of(0.5, 0), 4);
      assert.throws(() => file.add(Float32Array.of(1, 1), 4), /4 came after 4/);
      file.end();
    }
    const bytes = new Uint8Array(readFileSync(path));
    const { plan, row } = openExplainRows(bytes.length, (at, length) => bytes.slice(at, at + length));
    assert.deepEqual([plan.rows, plan.seed], [6, 3]);
    const none = [0, 0];
    assert.deepEqual(
      Array.from({ length: 6 }, (_, i) => [...row(i).values]),
      [none, [64, -127], none, none, [127, 0], none],
    );
    using empty = createExplainFile(join(folder, "none"), 2, 1);
    assert.throws(() => empty.end(), /no row/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
