import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { windowsOf } from "./quality.ts";

const program = fileURLToPath(new URL("../quantised.ts", import.meta.url));
const run = (...args: string[]) => promisify(execFile)(process.execPath, [program, ...args]);

test("a short run prints what each precision costs and brings as one line of JSON", async () => {
  const { stdout } = await run("--json", "--windows", "2", "--rounds", "1");
  const { cost, gain, perplexityRise } = JSON.parse(stdout);
  const { f32, int8, int4 } = cost.byPrecision;
  assert.equal(cost.tokens, 2 * 255);
  assert.deepEqual([f32.klToF32, f32.agreement], [0, 1]);
  assert.ok(0 < int8.klToF32 && int8.klToF32 < int4.klToF32);
  assert.ok(int4.agreement < int8.agreement && int8.agreement > 0.9);
  assert.ok(Math.abs(perplexityRise.int8) < 0.01, `perplexity rises by ${perplexityRise.int8}`);
  const sizes = ["f32", "int8", "int4"].map((precision) => {
    const { prefill, one, all, modelBytes, residentMiB } = gain.byPrecision[precision];
    for (const { tokPerSec } of [prefill, one, all]) assert.ok(tokPerSec > 0);
    assert.ok(residentMiB > 0);
    return modelBytes as number;
  });
  assert.ok(sizes[1]! < 0.3 * sizes[0]! && sizes[2]! < 0.75 * sizes[1]!, sizes.join());
});

test("windows are spread over the whole text, and a text that is too short is refused", async () => {
  const ids = Array.from({ length: 1_000 }, (_, i) => i);
  const windows = windowsOf(ids, 3, 100);
  assert.deepEqual(
    windows.map((window) => [window[0], window.at(-1)]),
    [
      [0, 99],
      [450, 549],
      [900, 999],
    ],
  );
  assert.equal(windowsOf(ids, 50, 100).length, 10);
  assert.throws(() => windowsOf(ids, 1, 2_000), /1000 tokens; at least 2000/);
  await assert.rejects(run("--windows", "0"), /--windows takes a number/);
});
