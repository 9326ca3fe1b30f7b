import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  type Adapter,
  adapterShapes,
  type Checkpoint,
  createDecoder,
  createRandom,
  exportPeft,
  initialAdapter,
  loadCheckpoint,
  moduleNames,
  openSafetensors,
} from "../engine/index.ts";
import { temporaryFolder } from "../store/index.ts";
import { exportMerged } from "./merge.ts";

const fixtures = fileURLToPath(new URL("../engine/fixtures/", import.meta.url));
const ids = [3, 9, 4, 1, 5, 8, 2];

function randomAdapter({ config }: Checkpoint): Adapter {
  const random = createRandom(3);
  const { config: lora, tensors } = initialAdapter(config, { rank: 3, scale: 1.5, modules: moduleNames }, 2);
  return {
    config: lora,
    tensors: new Map(
      [...tensors].map(([name, { data, shape }]) => [
        name,
        { data: data.map((x) => x + 0.2 * random.normal()), shape },
      ]),
    ),
  };
}

async function logitsOf(base: Checkpoint, adapter?: Adapter): Promise<Float32Array> {
  const decoder = await createDecoder(base, {
    rank: 3,
    modules: moduleNames,
    maxRows: 1,
    maxLength: 16,
    threads: 1,
  });
  const [logits] = await decoder.prefill([{ ids, ...(adapter && { adapter: decoder.pack(adapter) }) }]);
  return logits as Float32Array;
}

for (const family of ["llama-untied", "qwen2"])
  test(`a merged ${family} gives the logits of base and adapter, and is a model folder of its own`, async () => {
    const base = loadCheckpoint(join(fixtures, family));
    const adapter = randomAdapter(base);
    await using scratch = await temporaryFolder("merged");
    const folder = join(scratch.path, "merged");
    const files = exportMerged(base, adapter, folder);
    assert.ok(
      files.includes("config.json") &&
        files.includes("model.safetensors") &&
        files.includes("tokenizer.json"),
    );
    const merged = loadCheckpoint(folder);
    const [plain, tuned, folded] = [
      await logitsOf(base),
      await logitsOf(base, adapter),
      await logitsOf(merged),
    ];
    const most = (a: Float32Array, b: Float32Array) =>
      a.reduce((largest, x, i) => Math.max(largest, Math.abs(x - (b[i] as number))), 0);
    assert.ok(most(plain, tuned) > 0.1, "the adapter changes the model");
    assert.ok(most(tuned, folded) < 1e-3, `off by ${most(tuned, folded)}`);
    const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
    assert.equal(config.torch_dtype, "float32");
    assert.throws(() => exportMerged(base, adapter, folder), { code: "EEXIST" }, "nothing is written over");
    // transformers asks for exactly the base's tensors, by their names and shapes.
    const shapes = (path: string) => {
      const file = openSafetensors(path);
      file.close();
      return [...file.shapes].sort(([a], [b]) => (a < b ? -1 : 1));
    };
    assert.deepEqual(
      shapes(join(folder, "model.safetensors")),
      shapes(join(fixtures, family, "model.safetensors")),
    );
  });

test("an adapter's PEFT files have the names and shapes that peft gives a LoRA of this base", async () => {
  const base = loadCheckpoint(join(fixtures, "llama-untied"));
  const adapter = randomAdapter(base);
  const files = exportPeft(adapter, "base");
  await using scratch = await temporaryFolder("peft");
  const { writeFileSync } = await import("node:fs");
  const path = join(scratch.path, "adapter_model.safetensors");
  writeFileSync(path, files["adapter_model.safetensors"]);
  const file = openSafetensors(path);
  file.close();
  const expected = adapterShapes(base.config, adapter.config).map(({ name, shape }) => [
    `base_model.model.${name}.weight`,
    shape,
  ]);
  assert.deepEqual(Object.fromEntries(file.shapes), Object.fromEntries(expected));
  for (const name of file.shapes.keys())
    assert.match(
      name,
      /^base_model\.model\.model\.layers\.\d+\.(self_attn|mlp)\.\w+_proj\.lora_[AB]\.weight$/,
    );
  const config = JSON.parse(new TextDecoder().decode(files["adapter_config.json"]));
  assert.deepEqual(
    [config.peft_type, config.task_type, config.r, config.lora_alpha, config.bias, config.use_dora],
    ["LORA", "CAUSAL_LM", 3, 4.5, "none", false],
  );
});
