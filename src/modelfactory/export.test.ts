/**
 * A release's exports against what peft and transformers made of them: `fixtures/export.py` loaded the product's files there, and wrote down what it
 * found.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  type Adapter,
  type Checkpoint,
  createDecoder,
  exportPeft,
  loadCheckpoint,
  loadPeft,
  readSafetensors,
} from "../engine/index.ts";
import { temporaryFolder } from "../store/index.ts";
import { exportMerged } from "./merge.ts";

const fixture = fileURLToPath(new URL("./fixtures/export/", import.meta.url));
const base = loadCheckpoint(fileURLToPath(new URL("../../models/openledger-tiny/", import.meta.url)));
const adapter = loadPeft(fixture, base.config);

/** Type and shape by tensor. */
type Told = Record<string, [string, number[]]>;
const expected = JSON.parse(readFileSync(join(fixture, "expected.json"), "utf8")) as {
  class: string;
  prompts: { text: string; ids: number[] }[];
  adapter: Told;
  merged: Told;
};
const logits = readSafetensors(join(fixture, "logits.safetensors"));

/** What a safetensors file says of its tensors. */
function told(bytes: Uint8Array): Told {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const { __metadata__: _, ...header } = JSON.parse(
    new TextDecoder().decode(bytes.subarray(8, 8 + length)),
  ) as Record<string, { dtype: string; shape: number[] }>;
  const types: Record<string, string> = { F32: "float32", F16: "float16", BF16: "bfloat16" };
  return Object.fromEntries(
    Object.entries(header).map(([name, { dtype, shape }]) => [name, [types[dtype] ?? dtype, shape]]),
  );
}

/** Largest difference from the fixture's logits, as a part of its largest logit. */
async function farthest(model: Checkpoint, of: "peft" | "merged", tuned?: Adapter): Promise<number> {
  const { rank, modules } = adapter.config;
  const decoder = await createDecoder(model, { rank, modules, maxRows: 1, maxLength: 64, threads: 1 });
  let most = 0;
  for (const [i, { text, ids }] of expected.prompts.entries()) {
    assert.deepEqual(model.tokenizer.encode(text), ids, "the tokens of transformers");
    const [ours] = await decoder.prefill([{ ids, ...(tuned && { adapter: decoder.pack(tuned) }) }]);
    decoder.remove(0);
    const theirs = logits.get(`${of}.${i}`)?.data as Float32Array;
    assert.equal(ours?.length, theirs.length);
    const largest = theirs.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
    const apart = theirs.reduce((max, x, at) => Math.max(max, Math.abs(x - (ours?.[at] as number))), 0);
    most = Math.max(most, apart / largest);
  }
  return most;
}

test("an adapter is exported in the names, shapes and types that peft gave it, and has peft's logits", async () => {
  const files = exportPeft(adapter, "openledger-tiny");
  for (const name of ["adapter_config.json", "adapter_model.safetensors"] as const)
    assert.deepEqual(
      Buffer.from(files[name]),
      readFileSync(join(fixture, name)),
      `${name} is what peft loaded`,
    );
  assert.deepEqual(told(files["adapter_model.safetensors"]), expected.adapter);
  const plain = await farthest(base, "peft");
  assert.ok(plain > 0.1, "the adapter changes the model");
  const tuned = await farthest(base, "peft", adapter);
  assert.ok(tuned < 1e-5, `off by ${tuned}`);
});

test("a merged model is exported in the names, shapes and types that transformers loads, and has its logits", async () => {
  await using scratch = await temporaryFolder("export");
  const folder = join(scratch.path, "merged");
  exportMerged(base, adapter, folder);
  assert.deepEqual(told(readFileSync(join(folder, "model.safetensors"))), expected.merged);
  const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
  assert.deepEqual(config.architectures, [expected.class]);
  const merged = await farthest(loadCheckpoint(folder), "merged");
  assert.ok(merged < 1e-5, `off by ${merged}`);
});
