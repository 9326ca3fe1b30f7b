import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { webGpuState } from "../src/engine/index.ts";

const state = await webGpuState();

test("the benchmark runs both devices and finds their logits alike", {
  skip: state.available ? false : state.found,
}, async () => {
  const model = join(import.meta.dirname, "../src/engine/fixtures/llama-tied");
  const args = [
    join(import.meta.dirname, "webgpu.ts"),
    "--json",
    "--model",
    model,
    "--rounds",
    "1",
    "--prompt",
    "4",
  ];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const { cpu, webgpu, logitsApart } = JSON.parse(stdout);
  for (const figures of [cpu, webgpu])
    for (const name of ["prefill", "decode", "decode16", "train"])
      assert.ok(figures[`${name}TokPerSec`] > 0, `${name} of ${JSON.stringify(figures)}`);
  assert.ok(logitsApart > 0 && logitsApart <= 1e-3, `${logitsApart}`);
});
