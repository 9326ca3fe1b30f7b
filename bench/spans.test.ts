import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

const bench = async (...args: string[]) =>
  JSON.parse(
    (await promisify(execFile)(process.execPath, [join(import.meta.dirname, "spans.ts"), "--json", ...args]))
      .stdout,
  );

test("the benchmark builds an index of invented text and asks it", async () => {
  const result = await bench("--megabytes", "1", "--answers", "5");
  assert.ok(result.textBytes >= 1e6 && result.bytes > result.textBytes && result.words > 100_000);
  assert.ok(result.buildSeconds > 0 && result.p95Ms > 0);
  assert.ok(result.queries[2].spansEach > 10, "answers quote documents");
});

test("the benchmark reads the text files of a folder", async () => {
  const folder = mkdtempSync(join(tmpdir(), "openledger-bench-spans-test-"));
  try {
    writeFileSync(join(folder, "a.txt"), "the old mill by the weir\nthe miller keeps the sluice\n");
    writeFileSync(join(folder, "b.bin"), "not text");
    const result = await bench("--data", folder, "--answers", "5");
    assert.deepEqual([result.documents, result.words], [2, 11]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
