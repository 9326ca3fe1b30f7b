/**
 * WebGPU against the CPU, on the checkpoints whose CPU results are PyTorch's (golden.test.ts). Skipped where the probe finds no driver;
 * Mesa's software driver is enough.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  type Adapter,
  createEvaluator,
  createGradients,
  createGraph,
  createRandom,
  createSession,
  createTrainer,
  initialAdapter,
  loadCheckpoint,
  type ModelConfig,
  moduleNames,
  newOptimizerState,
  type Sequence,
  type TrainRecipe,
  webGpuState,
} from "./index.ts";

const state = await webGpuState();
const skip = state.available ? false : state.found;

const fixtures = join(import.meta.dirname, "fixtures");
const checkpoints = readdirSync(fixtures).filter((name) => existsSync(join(fixtures, name, "config.json")));

function load(name: string) {
  const { batch } = JSON.parse(readFileSync(join(fixtures, name, "expected.json"), "utf8")) as {
    batch: { ids: number[]; weights: number[] }[];
  };
  const sequences: Sequence[] = batch.map(({ ids, weights }) => ({
    ids,
    targets: weights.flatMap((weight, t) => (weight === 0 ? [] : [t])),
  }));
  const positions = Math.max(...sequences.map(({ ids }) => ids.length));
  return { sequences, positions, checkpoint: loadCheckpoint(join(fixtures, name)) };
}

/** Asserts max |actual − expected| ≤ 10⁻⁴ · max |expected|: what golden.test.ts allows the CPU. */
function near(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string) {
  assert.equal(actual.length, expected.length, `${what}: length`);
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    assert.ok(Number.isFinite(actual[i]), `${what}: element ${i} is ${actual[i]}`);
    difference = Math.max(difference, Math.abs((actual[i] as number) - (expected[i] as number)));
    largest = Math.max(largest, Math.abs(expected[i] as number));
  }
  assert.ok(difference <= 1e-4 * largest, `${what}: relative error ${difference / largest}`);
}

/** The same on both devices, the CPU first. */
const onBoth = async <T>(compute: (device: "cpu" | "webgpu") => Promise<T>) =>
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
    const { sequences, positions, checkpoint } = load(name);
    const adapter = randomAdapter(checkpoint.config);
    const lora = adapter.config;

    const [rows, gpuRows] = await onBoth(async (device) => {
      const options = { parts: ["A", "B"], positions, threads: 1, device } as const;
      return (await createGradients(checkpoint, lora, options)).rows(adapter, sequences);
    });
    near(gpuRows.loss, rows.loss, "losses");
    near(gpuRows.data, rows.data, "gradients");

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
      const trainer = await createTrainer(checkpoint, recipe, sequences, start);
      while (!trainer.done) await trainer.step();
      const evaluate = await createEvaluator(checkpoint, lora, positions, 1, device);
      const { losses } = await evaluate(trainer.state.adapter, sequences);
      return { losses, tensors: trainer.state.adapter.tensors };
    });
    near(gpuTrained.losses, trained.losses, "losses after training");
    for (const [key, { data }] of trained.tensors)
      near(gpuTrained.tensors.get(key)?.data as Float32Array, data, `${key} after training`);
  });

test("an operator that the device lacks is refused, not run on the CPU", { skip }, async () => {
  const graph = createGraph();
  const x = graph.input("x", "float32", ["N", 4]);
  graph.output(graph.op("FusedMatMul", [x, x], { transB: 1 }, "com.microsoft"), "y", "float32", ["N", "N"]);
  await assert.rejects(createSession(graph.build(), { threads: 1, device: "webgpu" }), /fallback to CPU EP/);
});
