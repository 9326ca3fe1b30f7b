/**
 * The engine against PyTorch transformers: logits, losses and gradients on tiny random checkpoints. Adapters: `golden-peft.test.ts`.
 * `scripts/golden.py` made the fixtures and defines every quantity.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { assertDecodes, fixture, loadBase, loadExpected, near } from "./golden-suite.ts";
import {
  createSession,
  formatSafetensors,
  gradientOutput,
  makeBatch,
  parseSafetensors,
  readSafetensors,
  run,
  type TensorData,
  trainingGraph,
  weightFeeds,
  weightShapes,
} from "./index.ts";

/** One checkpoint of every other architecture: biases, head norms, stretched positions, stored in every type. */
const otherFamilies = ["llama3-rope", "llama-bias", "qwen2", "qwen3", "mistral"];

type Expected = { base: { losses: number[]; greedy: number[][] } };

for (const name of ["llama-untied", "llama-tied", ...otherFamilies])
  test(`${name}: logits, losses and the gradient of every weight are PyTorch's`, async () => {
    const { expected, array, sequences } = loadExpected<Expected>(name);
    const checkpoint = loadBase(name);
    const { config } = checkpoint;
    const weights = weightFeeds(config, checkpoint.weights);
    const positions = Math.max(...sequences.map(({ ids }) => ids.length));
    const session = await createSession(
      trainingGraph({ config, lora: [], loraScale: 1, positions, gradients: "weights", logits: true }),
      { threads: 1 },
    );
    // Every position but the last predicts something: all those rows of logits.
    const everyToken = sequences.map(({ ids }) => ({ ids, targets: ids.map((_, t) => t).slice(1) }));
    const { logits } = await run(session, { ...makeBatch(config, everyToken).feeds, ...weights });
    const rows = sequences.flatMap(({ ids }, i) => [
      ...array(`base.logits.${i}`).subarray(0, (ids.length - 1) * config.vocab),
    ]);
    near(logits as Float32Array, rows, 1e-4, "logits");

    const batch = makeBatch(config, sequences, { weight: () => 1 / sequences.length });
    const out = await run(session, { ...batch.feeds, ...weights });
    const losses = sequences.map(() => 0);
    batch.owner.forEach((b, i) => {
      losses[b] = (losses[b] as number) + (out.nll?.[i] as number);
    });
    near(losses, expected.base.losses, 1e-4, "losses");
    for (const key of weightShapes(config).keys())
      near(
        out[gradientOutput(key)] as Float32Array,
        array(`base.gradient.${key}`),
        1e-4,
        `gradient of ${key}`,
      );
  });

for (const name of ["llama-untied", "llama-tied", ...otherFamilies])
  test(`${name} decodes to PyTorch's logits, position by position, and greedy answers`, async () => {
    const { expected, array, sequences } = loadExpected<Expected>(name);
    const rows = sequences.map(({ ids }, i) => ({
      what: `sequence ${i}`,
      slot: 0,
      ids,
      logits: array(`base.logits.${i}`),
      greedy: expected.base.greedy[i] as number[],
    }));
    await assertDecodes(loadBase(name), [], rows);
  });

test("half precision is read and written to the bit", () => {
  const path = fixture("mistral", "model.safetensors");
  const body = (bytes: Uint8Array) =>
    Buffer.from(
      bytes.subarray(8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true))),
    );
  assert.deepEqual(body(formatSafetensors(readSafetensors(path), "F16")), body(readFileSync(path)));

  const golden = readSafetensors(fixture("half-precision.safetensors"));
  const written = formatSafetensors([["x", golden.get("float32") as TensorData]], "F16");
  assert.deepEqual(parseSafetensors(written, "rounded").get("x"), golden.get("float16"));
});
