/** The decoder in 8 and 4 bits against itself in float32. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { type Checkpoint, loadCheckpoint } from "./checkpoint.ts";
import { moduleNames } from "./config.ts";
import { createDecoder } from "./decoder.ts";
import { type Adapter, initialAdapter } from "./lora.ts";
import { type Precision, precisions } from "./quantize.ts";
import { createRandom } from "./random.ts";
import type { Device } from "./runtime.ts";
import { webGpuState } from "./webgpu.ts";

const families = ["llama-tied", "llama-untied", "llama-bias", "llama3-rope", "qwen2", "qwen3", "mistral"];
const random = createRandom(3);
const tokens = (count: number, vocab: number) => Array.from({ length: count }, () => random.below(vocab));

/** |actual − expected| / |expected|, as vectors. */
function relativeError(actual: Float32Array, expected: Float32Array): number {
  let error = 0;
  let size = 0;
  for (const [i, e] of expected.entries()) {
    error += ((actual[i] as number) - e) ** 2;
    size += e ** 2;
  }
  return Math.sqrt(error / size);
}
const minus = (a: Float32Array, b: Float32Array) => a.map((value, i) => value - (b[i] as number));
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

/** Logits of four rows after a prompt and after one token more: two of the base, and the same two under the adapter. */
async function logitsOf(
  base: Checkpoint,
  adapter: Adapter,
  prompts: number[][],
  how: { precision: Precision; device: Device },
) {
  const limits = { modules: moduleNames, rank: 4, maxRows: 4, maxLength: 64, threads: 1 };
  const decoder = await createDecoder(base, { ...limits, ...how });
  const packed = [undefined, decoder.pack(adapter)];
  const copy = (rows: readonly Float32Array[]) => rows.map((row) => row.slice());
  const first = await decoder.prefill(packed.flatMap((own) => prompts.map((ids) => ({ ids, adapter: own }))));
  return [...copy(first), ...copy(await decoder.decode([1, 2, 1, 2]))];
}

const trained = join(import.meta.dirname, "..", "..", "models", "openledger-tiny");
const gpu = await webGpuState();
const cases: { folder: string; device: Device; skip: string | false }[] = [
  ...[trained, ...families.map((name) => join(import.meta.dirname, "fixtures", name))].map(
    (folder) => ({ folder, device: "cpu", skip: false }) as const,
  ),
  { folder: trained, device: "webgpu", skip: gpu.available ? false : gpu.found },
];
for (const { folder, device, skip } of cases)
  test(`${folder.split("/").at(-1)} on ${device}: logits stay near float32's, and adapters add what they add in float32`, {
    skip,
  }, async () => {
    const base = loadCheckpoint(folder);
    const adapter = initialAdapter(base.config, { rank: 4, scale: 2, modules: moduleNames }, 1);
    for (const [name, { data }] of adapter.tensors)
      if (name.endsWith("lora_B")) for (let i = 0; i < data.length; i++) data[i] = random.normal() * 0.3;
    const prompts = [tokens(12, base.config.vocab), tokens(9, base.config.vocab)];
    const logits = new Map<Precision, Float32Array[]>();
    for (const precision of precisions)
      logits.set(precision, await logitsOf(base, adapter, prompts, { precision, device }));
    const exact = logits.get("f32") as Float32Array[];
    // Random weights take rounding harder than trained ones. Measured, trained: 0.02 and 0.11; random: up to 0.03 and 0.42.
    for (const [precision, most] of [
      ["int8", 0.05],
      ["int4", folder === trained ? 0.2 : 0.6],
    ] as const) {
      const actual = logits.get(precision) as Float32Array[];
      const errors = [0, 1, 4, 5].map((i) =>
        relativeError(actual[i] as Float32Array, exact[i] as Float32Array),
      );
      assert.ok(
        mean(errors) < most,
        `${precision}: ${errors.map((e) => e.toFixed(4))}, on average below ${most}`,
      );
      assert.ok(mean(errors) > 1e-4, `${precision}: nothing is rounded`);
    }
    const added = (rows: Float32Array[] | undefined) =>
      [0, 1, 4, 5].map((i) => minus(rows?.[i + 2] as Float32Array, rows?.[i] as Float32Array));
    const changes = added(logits.get("int8"));
    const expected = added(exact);
    const errors = changes.map((change, i) => relativeError(change, expected[i] as Float32Array));
    assert.ok(
      mean(errors) < 0.1,
      `the adapter's part: ${errors.map((e) => e.toFixed(4))}, on average below 0.1`,
    );
  });

test("a weight that cannot be rounded is refused by name", async () => {
  const base = loadCheckpoint(trained);
  const name = "model.layers.3.mlp.down_proj.weight";
  const broken = Float32Array.from(base.weights.get(name) as Float32Array);
  broken[704 * 5 + 70] = Number.NaN;
  const weights = new Map(base.weights).set(name, broken);
  const limits = { modules: [], rank: 1, maxRows: 1, maxLength: 64, threads: 1 };
  await assert.rejects(
    createDecoder({ config: base.config, weights }, { ...limits, precision: "int8" }),
    /model\.layers\.3\.mlp\.down_proj\.weight: .* row 5, columns 64 to 127/,
  );
});
