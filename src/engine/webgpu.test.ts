/**
 * WebGPU against PyTorch, and against the CPU where PyTorch's results are not kept: golden.test.ts holds the CPU to PyTorch. Skipped where
 * the probe finds no driver; Mesa's software driver is enough.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { assertDecodes, fixture, goldenRows, loadBase, loadExpected, near } from "./golden-suite.ts";
import {
  type Adapter,
  createDecoder,
  createEmbedder,
  createEvaluator,
  createGradients,
  createGraph,
  createRandom,
  createSession,
  createTrainer,
  type Device,
  initialAdapter,
  loadCheckpoint,
  type ModelConfig,
  moduleNames,
  newOptimizerState,
  type Precision,
  type TrainRecipe,
  webGpuState,
} from "./index.ts";

const state = await webGpuState();
const skip = state.available ? false : state.found;

const checkpoints = readdirSync(fixture()).filter((name) => existsSync(fixture(name, "config.json")));
/** Largest difference, as a part of the largest number: what golden.test.ts allows the CPU. */
const tolerance = 1e-4;

/** The same on both devices, the CPU first. */
const onBoth = async <T>(compute: (device: Device) => Promise<T>) =>
  [await compute("cpu"), await compute("webgpu")] as const;

/** An adapter of every module whose B is not zero, so that everything has a gradient. */
function randomAdapter(config: ModelConfig): Adapter {
  const random = createRandom(11);
  const adapter = initialAdapter(config, { rank: 4, scale: 2, modules: moduleNames }, 3);
  for (const [name, { data }] of adapter.tensors)
    if (name.endsWith("lora_B")) for (let i = 0; i < data.length; i++) data[i] = random.normal() * 0.1;
  return adapter;
}

for (const name of checkpoints)
  test(`${name}: losses, gradients of each example and three steps of training are the CPU's`, {
    skip,
  }, async () => {
    const checkpoint = loadBase(name);
    const { sequences } = loadExpected(name);
    const positions = Math.max(...sequences.map(({ ids }) => ids.length));
    const adapter = randomAdapter(checkpoint.config);
    const lora = adapter.config;

    const [rows, gpuRows] = await onBoth(async (device) => {
      const options = { parts: ["A", "B"], positions, threads: 1, device } as const;
      return (await createGradients(checkpoint, lora, options)).rows(adapter, sequences);
    });
    near(gpuRows.loss, rows.loss, tolerance, "losses");
    near(gpuRows.data, rows.data, tolerance, "gradients");

    const [trained, gpuTrained] = await onBoth(async (device) => {
      const recipe: TrainRecipe = {
        rank: lora.rank,
        alpha: lora.rank * lora.scale,
        modules: lora.modules,
        seed: 1,
        threads: 1,
        device,
        learningRate: 1e-3,
        warmupSteps: 1,
        finalRate: 1,
        batch: sequences.length,
        epochs: 3,
        clip: 1,
        // Adam divides a gradient by its own size: without a large ε it would blow the noise of coordinates near zero up to full steps.
        optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-3, weightDecay: 0.01 },
        stopLoss: 0,
      };
      const start = { step: 0, adapter: randomAdapter(checkpoint.config), optimizer: newOptimizerState() };
      const trainer = await createTrainer(checkpoint, recipe, sequences, { saved: start });
      while (!trainer.done) await trainer.step();
      const evaluate = await createEvaluator(checkpoint, lora, positions, 1, device);
      const { losses } = await evaluate(trainer.state.adapter, sequences);
      return { losses, tensors: trainer.state.adapter.tensors };
    });
    near(gpuTrained.losses, trained.losses, tolerance, "losses after training");
    for (const [key, { data }] of trained.tensors)
      near(gpuTrained.tensors.get(key)?.data as Float32Array, data, tolerance, `${key} after training`);
  });

for (const name of checkpoints)
  test(`${name}: decodes under all its adapters to PyTorch's logits and greedy answers`, {
    skip,
  }, async () => {
    await assertDecodes(loadBase(name), ...goldenRows(name), "webgpu");
  });

for (const name of ["llama-untied", "qwen3"])
  test(`${name}: rows that come, go, swap and restore their caches decode to the CPU's logits`, {
    skip,
  }, async () => {
    const checkpoint = loadBase(name);
    const { vocab } = checkpoint.config;
    const adapter = randomAdapter(checkpoint.config);
    const random = createRandom(4);
    const text = (length: number) => Array.from({ length }, () => random.below(vocab));
    const prompts = [text(3), text(6), text(70)] as const;
    const steps = Array.from({ length: 20 }, () => text(3));
    const [cpu, gpu] = await onBoth(async (device) => {
      const decoder = await createDecoder(checkpoint, {
        modules: moduleNames,
        rank: 5,
        maxRows: 3,
        maxLength: 100,
        threads: 1,
        device,
      });
      const packed = decoder.pack(adapter);
      const seen: Float32Array[] = [];
      let step = 0;
      const decode = async (times: number) => {
        for (let i = 0; i < times; i++)
          seen.push(...(await decoder.decode((steps[step++] as number[]).slice(0, decoder.rows))));
      };
      seen.push(...(await decoder.prefill([{ ids: prompts[0] }, { ids: prompts[1], adapter: packed }])));
      await decode(3);
      const third = decoder.open(packed);
      seen.push(...(await decoder.feed(third, [prompts[2].slice(0, 40)])));
      seen.push(...(await decoder.feed(third, [prompts[2].slice(40)]))); // caches are laid out anew for more than 64 positions
      await decode(3);
      decoder.swap(0, 2);
      await decode(2);
      const kept = decoder.readCache(0, 0, 64);
      decoder.remove(0);
      await decode(2);
      decoder.writeCache(decoder.open(packed), [kept], 64);
      await decode(3);
      decoder.remove(1);
      decoder.remove(1);
      await decode(1);
      seen.push(...(await decoder.prefill([{ ids: prompts[1] }, { ids: prompts[0], adapter: packed }])));
      decoder.remove(0); // the shorter one takes the place of a longer one
      await decode(3);
      return seen;
    });
    for (const [i, logits] of cpu.entries()) near(gpu[i] as Float32Array, logits, tolerance, `logits ${i}`);
  });

// Products of quantized weights round their inputs to 8 bits, which the devices do each in its way: as far from each other as from float32.
for (const precision of ["int8", "int4"] as const)
  test(`${precision} weights give logits as near to float32's as on the CPU`, { skip }, async () => {
    const base = loadCheckpoint(join(import.meta.dirname, "../../models/openledger-tiny"));
    const ids = base.tokenizer.encode("The moon is");
    const logits = async (own: { precision: Precision; device: Device }) => {
      const options = { modules: [], rank: 1, maxRows: 1, maxLength: 32, threads: 1, ...own };
      return (await (await createDecoder(base, options)).prefill([{ ids }]))[0] as Float32Array;
    };
    const exact = await logits({ precision: "f32", device: "cpu" });
    const [cpu, gpu] = (await onBoth((device) => logits({ precision, device }))).map((own) =>
      own.reduce((most, x, i) => Math.max(most, Math.abs(x - (exact[i] as number))), 0),
    ) as [number, number];
    assert.ok(gpu <= 1.5 * cpu, `${gpu} from float32, on the CPU ${cpu}`);
  });

test("vectors of texts are the CPU's, under an adapter and without", { skip }, async () => {
  const checkpoint = loadBase("llama-untied");
  const adapter = randomAdapter(checkpoint.config);
  const texts = [[1, 2, 3], [4, 5, 6, 7, 8, 9], [3]];
  const [cpu, gpu] = await onBoth(async (device) => {
    const pooling = { mode: "mean", normalize: true } as const;
    const options = { pooling, modules: moduleNames, maxLength: 16, threads: 1, device };
    const embedder = await createEmbedder(checkpoint, options);
    return [...(await embedder.embed(texts, adapter)), ...(await embedder.embed(texts))];
  });
  for (const [i, vector] of cpu.entries()) near(gpu[i] as Float32Array, vector, tolerance, `vector ${i}`);
});

test("an operator that the device lacks is refused, not run on the CPU", { skip }, async () => {
  const graph = createGraph();
  const x = graph.input("x", "float32", ["N", 4]);
  graph.output(graph.op("FusedMatMul", [x, x], { transB: 1 }, "com.microsoft"), "y", "float32", ["N", "N"]);
  await assert.rejects(createSession(graph.build(), { threads: 1, device: "webgpu" }), /fallback to CPU EP/);
});

test("another thread is refused WebGPU while this one uses it", { skip }, async () => {
  const graph = createGraph();
  graph.output(graph.input("x", "float32", ["N"]), "y", "float32", ["N"]);
  const model = graph.build();
  await createSession(model, { threads: 1, device: "webgpu" });
  const engine = JSON.stringify(new URL("./index.ts", import.meta.url));
  const worker = new Worker(
    `const { parentPort, workerData } = require("node:worker_threads");
    import(${engine}).then(async ({ createSession }) => {
      const failed = await createSession(workerData, { threads: 1, device: "webgpu" }).catch((error) => error.message);
      parentPort.postMessage(failed);
    });`,
    { eval: true, workerData: model },
  );
  const [message] = await once(worker, "message");
  assert.match(message, /in use by thread 0/);
});
