import assert from "node:assert/strict";
import { test } from "node:test";
import type { ModelConfig } from "./config.ts";
import { moduleNames } from "./config.ts";
import { createDecoder } from "./decoder.ts";
import { type Adapter, initialAdapter } from "./lora.ts";
import { initialWeights } from "./pretrain.ts";
import { createRandom } from "./random.ts";
import { createEvaluator } from "./trainer.ts";

const config: ModelConfig = {
  family: "llama",
  layers: 2,
  hidden: 32,
  heads: 4,
  kvHeads: 2,
  headDim: 8,
  intermediate: 48,
  vocab: 64,
  biases: [],
  qkNorm: false,
  rope: { theta: 10_000 },
  normEpsilon: 1e-5,
  maxPositions: 256,
  tied: true,
};
const weights = initialWeights(config, 5);
const random = createRandom(9);
const randomAdapter = (seed: number): Adapter => {
  const adapter = initialAdapter(config, { rank: 4, scale: 2, modules: moduleNames }, seed);
  for (const [name, { data }] of adapter.tensors)
    if (name.endsWith("lora_B")) for (let i = 0; i < data.length; i++) data[i] = random.normal() * 0.2;
  return adapter;
};
const adapters = [randomAdapter(1), randomAdapter(2)] as const;
const decoderOptions = { modules: moduleNames, rank: 8, slots: 2, maxRows: 4, maxLength: 128, threads: 1 };

/** −log p of each token given those before it, by the training graph: the slow reference. */
async function reference(ids: readonly number[], adapter: Adapter): Promise<number> {
  const evaluate = await createEvaluator({ config, weights }, adapter.config, 128, 1);
  const { losses } = await evaluate(adapter, [{ ids, targets: ids.map((_, i) => i).slice(1) }]);
  return losses[0] as number;
}

const negativeLogProbability = (logits: Float32Array, token: number) => {
  const top = Math.max(...logits);
  return top + Math.log(logits.reduce((sum, z) => sum + Math.exp(z - top), 0)) - (logits[token] as number);
};

test("rows with different adapters decode as the training graph says, whatever joins and leaves", async () => {
  const decoder = await createDecoder({ config, weights }, decoderOptions);
  decoder.setSlot(1, adapters[0]);
  decoder.setSlot(2, adapters[1]);
  const zero = initialAdapter(config, adapters[0].config, 3);
  const texts = [
    { ids: Array.from({ length: 90 }, () => random.below(64)), prompt: 5, slot: 1, adapter: adapters[0] },
    { ids: Array.from({ length: 12 }, () => random.below(64)), prompt: 9, slot: 2, adapter: adapters[1] },
    { ids: Array.from({ length: 80 }, () => random.below(64)), prompt: 70, slot: 0, adapter: zero },
  ];
  const losses = texts.map(() => [] as number[]);
  let live = [0, 1, 2];
  let logits = await decoder.prefill(
    texts.map(({ ids, prompt, slot }) => ({ ids: ids.slice(0, prompt), slot })),
  );
  const at = texts.map((t) => t.prompt);
  while (live.length > 0) {
    for (const [row, t] of live.entries())
      losses[t]?.push(
        negativeLogProbability(logits[row] as Float32Array, texts[t]?.ids[at[t] as number] as number),
      );
    const next: number[] = [];
    for (let row = live.length - 1; row >= 0; row--) {
      const t = live[row] as number;
      at[t] = (at[t] as number) + 1;
      if (at[t] === texts[t]?.ids.length) {
        decoder.remove(row);
        live[row] = live.at(-1) as number;
        live = live.slice(0, -1);
      }
    }
    if (live.length === 0) break;
    for (const t of live) next.push(texts[t]?.ids[(at[t] as number) - 1] as number);
    logits = await decoder.decode(next);
  }
  for (const [t, { ids, prompt, adapter }] of texts.entries()) {
    const evaluate = await createEvaluator({ config, weights }, adapter.config, 128, 1);
    const { losses: expected } = await evaluate(adapter, [
      { ids, targets: Array.from({ length: ids.length - prompt }, (_, i) => prompt + i) },
    ]);
    const mean = (losses[t] as number[]).reduce((a, b) => a + b, 0) / (ids.length - prompt);
    assert.ok(Math.abs(mean - (expected[0] as number)) < 1e-4, `row ${t}: ${mean} against ${expected[0]}`);
  }
  assert.ok(
    Math.abs((await reference([1, 2, 3], adapters[0])) - (await reference([1, 2, 3], adapters[1]))) > 1e-3,
  );
});

test("limits are refused by name", async () => {
  const decoder = await createDecoder({ config, weights }, decoderOptions);
  assert.throws(() => decoder.setSlot(0, adapters[0]), /Slot 0 does not exist/);
  assert.throws(() => decoder.setSlot(3, adapters[0]), /slots 1 to 2/);
  await assert.rejects(decoder.prefill([{ ids: Array(128).fill(1), slot: 0 }]), /leaves no room/);
  await assert.rejects(decoder.prefill(Array(5).fill({ ids: [1], slot: 0 })), /4 at most/);
});
