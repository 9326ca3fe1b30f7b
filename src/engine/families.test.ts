/**
 * Adapters over every family, where PyTorch's fixtures have none: the decoder against the training graph, and the training graph's
 * gradients against differences of its losses. Biases, head norms and stretched positions are in the way of both.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import {
  type Adapter,
  adapterFeeds,
  createDecoder,
  createEvaluator,
  createGradients,
  createRandom,
  createSession,
  initialAdapter,
  loadCheckpoint,
  type ModuleName,
  makeBatch,
  moduleNames,
  run,
  trainingGraph,
  weightFeeds,
} from "./index.ts";

const families = ["llama-untied", "llama-bias", "llama3-rope", "qwen2", "qwen3", "mistral"];
const open = (family: string) => loadCheckpoint(join(import.meta.dirname, "fixtures", family));

function randomAdapter(base: ReturnType<typeof open>, modules: readonly ModuleName[], seed: number): Adapter {
  const adapter = initialAdapter(base.config, { rank: 3, scale: 1.5, modules }, seed);
  const random = createRandom(seed);
  for (const { data } of adapter.tensors.values())
    for (let i = 0; i < data.length; i++) data[i] = random.normal() * 0.2;
  return adapter;
}

const ids = Array.from({ length: 24 }, (_, i) => (i * 29 + 11) % 60);

for (const family of families)
  test(`${family}: rows under adapters of other modules decode to the training graph's logits`, async () => {
    const base = open(family);
    const { config } = base;
    const decoder = await createDecoder(base, {
      modules: moduleNames,
      rank: 4,
      maxRows: 4,
      maxLength: 32,
      threads: 1,
    });
    const adapters = [moduleNames, ["q_proj", "v_proj"], ["k_proj", "up_proj", "down_proj"], ["o_proj"]].map(
      (modules, i) => randomAdapter(base, modules as ModuleName[], i + 1),
    );
    // Half of the text at once, the rest token by token.
    const half = ids.length / 2;
    const prompts = adapters.map((adapter) => ({ ids: ids.slice(0, half), adapter: decoder.pack(adapter) }));
    const steps = [await decoder.prefill(prompts)];
    for (const id of ids.slice(half)) steps.push(await decoder.decode(adapters.map(() => id)));
    for (const [row, adapter] of adapters.entries()) {
      const { modules, scale } = adapter.config;
      const session = await createSession(
        trainingGraph({
          config,
          lora: modules,
          loraScale: scale,
          positions: 32,
          gradients: "none",
          logits: true,
        }),
        { threads: 1 },
      );
      const targets = steps.map((_, i) => half + i);
      const { feeds } = makeBatch(config, [{ ids: [...ids, 0], targets }], { forwardOnly: true });
      const { logits } = await run(session, {
        ...feeds,
        ...weightFeeds(config, base.weights),
        ...adapterFeeds(adapter),
      });
      for (const [i, step] of steps.entries()) {
        const expected = (logits as Float32Array).subarray(i * config.vocab, (i + 1) * config.vocab);
        const largest = expected.reduce((most, z) => Math.max(most, Math.abs(z)), 0);
        (step[row] as Float32Array).forEach((z, v) => {
          const off = Math.abs(z - (expected[v] as number));
          assert.ok(off <= 1e-4 * largest, `row ${row}, step ${i}, token ${v}: off by ${off}`);
        });
      }
    }
  });

for (const family of families)
  test(`${family}: the gradient of an adapter is the slope of the loss in every direction tried`, async () => {
    const base = open(family);
    const adapter = randomAdapter(base, moduleNames, 7);
    const sequence = { ids, targets: [5, 9, 16, 23] };
    const gradients = await createGradients(base, adapter.config, {
      parts: ["A", "B"],
      positions: 32,
      threads: 1,
    });
    const { data } = await gradients.rows(adapter, [sequence]);
    const evaluate = await createEvaluator(base, adapter.config, 32, 1);
    const step = 2e-3;
    for (const seed of [1, 2, 3]) {
      const random = createRandom(seed, 3);
      const direction = Float64Array.from({ length: gradients.width }, () => random.normal());
      const slope = direction.reduce((sum, x, i) => sum + x * (data[i] as number), 0);
      const lossAt = async (by: number) => {
        const moved = new Map(
          gradients.segments.map(({ name, offset }) => {
            const { data: own, shape } = adapter.tensors.get(name) as { data: Float32Array; shape: number[] };
            return [name, { shape, data: own.map((x, i) => x + by * (direction[offset + i] as number)) }];
          }),
        );
        const { losses } = await evaluate({ config: adapter.config, tensors: moved }, [sequence]);
        return (losses[0] as number) * sequence.targets.length;
      };
      const measured = ((await lossAt(step)) - (await lossAt(-step))) / (2 * step);
      const size = Math.hypot(...data);
      assert.ok(
        Math.abs(measured - slope) <= 0.01 * size,
        `direction ${seed}: ${measured} measured, ${slope} by the gradient of norm ${size}`,
      );
    }
  });
