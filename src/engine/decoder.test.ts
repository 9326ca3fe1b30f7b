import assert from "node:assert/strict";
import { test } from "node:test";
import type { ModelConfig } from "./config.ts";
import { moduleNames } from "./config.ts";
import { createDecoder } from "./decoder.ts";
import { type Adapter, initialAdapter } from "./lora.ts";
import { initialWeights } from "./pretrain.ts";
import { precisions } from "./quantize.ts";
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
const decoderOptions = { modules: moduleNames, rank: 8, maxRows: 4, maxLength: 128, threads: 1 };

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
  const packed = adapters.map(decoder.pack);
  const zero = initialAdapter(config, adapters[0].config, 3);
  const texts = [
    {
      ids: Array.from({ length: 90 }, () => random.below(64)),
      prompt: 5,
      packed: packed[0],
      adapter: adapters[0],
    },
    {
      ids: Array.from({ length: 12 }, () => random.below(64)),
      prompt: 9,
      packed: packed[1],
      adapter: adapters[1],
    },
    { ids: Array.from({ length: 80 }, () => random.below(64)), prompt: 70, packed: undefined, adapter: zero },
  ];
  const losses = texts.map(() => [] as number[]);
  let live = [0, 1, 2];
  let logits = await decoder.prefill(
    texts.map(({ ids, prompt, packed: adapter }) => ({ ids: ids.slice(0, prompt), adapter })),
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
  const narrow = await createDecoder(
    { config, weights },
    { ...decoderOptions, rank: 2, modules: ["q_proj"] },
  );
  assert.throws(() => narrow.pack(adapters[0]), /It has rank 4; this server holds ranks up to 2/);
  const flat = initialAdapter(config, { rank: 2, scale: 1, modules: ["q_proj", "up_proj"] }, 1);
  assert.throws(() => narrow.pack(flat), /It changes up_proj; this server holds adapters of q_proj/);
  await assert.rejects(decoder.feed(0, [[1]]), /Rows 0 to 0 of 0/);
  for (let i = 0; i < 4; i++) decoder.open();
  assert.throws(() => decoder.open(), /5 rows asked for, 4 at most/);
  await assert.rejects(decoder.feed(0, [Array(129).fill(1)]), /would grow to 129 tokens: the limit is 128/);
  await assert.rejects(decoder.feed(0, [[]]), /at least one token/);
});

for (const precision of precisions)
  test(`deterministic in ${precision}: a row's logits are the same to the last bit whatever runs beside it`, async () => {
    const options = { ...decoderOptions, maxRows: 5, precision, deterministic: { prefillChunk: 16 } };
    const prompt = Array.from({ length: 45 }, () => random.below(64));
    const others = [3, 40, 17, 64].map((length) => Array.from({ length }, () => random.below(64)));
    const answer = Array.from({ length: 20 }, () => random.below(64));
    const decoder = await createDecoder({ config, weights }, options);
    const packed = adapters.map(decoder.pack);

    /** The row's logits at every step, with `before` rows opened first and `after` rows after it. */
    async function watched(before: number, after: number, leaveAt: number): Promise<Float32Array[]> {
      let row = before;
      const open = async (ids: readonly number[], i: number) => {
        const number = decoder.open(i % 2 === 0 ? packed[1] : undefined);
        for (let at = 0; at < ids.length; at += 16) await decoder.feed(number, [ids.slice(at, at + 16)]);
      };
      for (const [i, ids] of others.slice(0, before).entries()) await open(ids, i);
      const own = decoder.open(packed[0]);
      const seen: Float32Array[] = [];
      for (let at = 0; at < prompt.length; at += 16)
        seen.push(...(await decoder.feed(own, [prompt.slice(at, at + 16)])).map((logits) => logits.slice()));
      for (const [i, ids] of others.slice(before, before + after).entries()) await open(ids, i);
      for (const [step, token] of answer.entries()) {
        if (step === leaveAt && before > 0) {
          decoder.remove(0);
          row = row === decoder.rows ? 0 : row;
        }
        const tokens = Array.from({ length: decoder.rows }, (_, r) =>
          r === row ? token : (step * 7 + r) % 64,
        );
        seen.push((await decoder.decode(tokens))[row]?.slice() as Float32Array);
      }
      while (decoder.rows > 0) decoder.remove(0);
      return seen;
    }
    const alone = await watched(0, 0, 99);
    for (const [before, after] of [
      [0, 4],
      [1, 0],
      [2, 2],
      [4, 0],
    ] as const)
      assert.deepEqual(await watched(before, after, 7), alone, `${before} rows before it, ${after} after`);
  });

test("rows keep their words when others are exchanged, leave, and long ones make the cache grow and shrink", async () => {
  const decoder = await createDecoder({ config, weights }, decoderOptions);
  const packed = adapters.map(decoder.pack);
  const text = Array.from({ length: 30 }, () => random.below(64));
  const near = (a: Float32Array, b: Float32Array) =>
    assert.ok(
      a.every((z, i) => Math.abs(z - (b[i] as number)) < 1e-4),
      "logits differ",
    );
  const step = async (row: number, token: number) => {
    const tokens = Array.from({ length: decoder.rows }, (_, r) => (r === row ? token : 1));
    return (await decoder.decode(tokens))[row]?.slice() as Float32Array;
  };
  await decoder.prefill([{ ids: text, adapter: packed[0] }]);
  const block = decoder.readCache(0, 0, 20);
  const expected = [await step(0, 5), await step(0, 6), await step(0, 7)];
  decoder.remove(0);

  await decoder.prefill([{ ids: Array(100).fill(3) }, { ids: [1, 2, 3], adapter: packed[1] }]);
  const row = decoder.open(packed[0]);
  decoder.writeCache(row, [block], 20); // the first 20 positions as they were
  await decoder.feed(row, [text.slice(20)]);
  near(await step(2, 5), expected[0] as Float32Array);
  decoder.swap(0, 2);
  near(await step(0, 6), expected[1] as Float32Array);
  decoder.remove(2); // the long one
  near(await step(0, 7), expected[2] as Float32Array);
});
