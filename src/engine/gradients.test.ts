import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Sequence } from "./batch.ts";
import { loadCheckpoint } from "./checkpoint.ts";
import { moduleNames } from "./config.ts";
import { createGradients, type Factors } from "./gradients.ts";
import { type Adapter, initialAdapter, type LoraConfig } from "./lora.ts";
import { createRandom, type Random } from "./random.ts";
import { factorOutput } from "./training-graph.ts";

const base = loadCheckpoint(join(fileURLToPath(new URL("fixtures/", import.meta.url)), "llama-untied"));
const lora: LoraConfig = { rank: 3, scale: 1.5, modules: moduleNames };
const random = createRandom(4);
/** B is not zero, so that both halves have gradients. */
const adapter: Adapter = initialAdapter(base.config, lora, 1);
for (const [name, { data }] of adapter.tensors)
  if (name.endsWith("B")) for (let i = 0; i < data.length; i++) data[i] = 0.1 * random.normal();
const sequence = (length: number, targets: number[]): Sequence => ({
  ids: Array.from({ length }, () => random.below(base.config.vocab)),
  targets,
});

async function factorsOf(sequences: readonly Sequence[], draws: Random, batch?: number) {
  const factors: Factors = new Map();
  const gradients = await createGradients(base, lora, {
    parts: ["A", "B"],
    positions: 32,
    threads: 1,
    factors,
  });
  const { sampled } = await gradients.rows(adapter, sequences, 1, draws, batch);
  return { factors, gradients, sampled };
}

test("of a single token, the gradient is the product of what its Kronecker factors are made of", async () => {
  const { factors, gradients, sampled } = await factorsOf([sequence(2, [1])], createRandom(9));
  for (const { name, offset, shape } of gradients.segments) {
    if (/[qk]_proj/.test(name)) continue; // a lone token looks at nothing but itself, whatever q and k are
    const [out, inp] = shape;
    const inputs = factors.get(factorOutput(name, "inputs")) as Float64Array;
    const outputs = factors.get(factorOutput(name, "gradients")) as Float64Array;
    assert.deepEqual([inputs.length, outputs.length], [inp * inp, out * out]);
    const g = (i: number, j: number) => sampled[offset + i * inp + j] as number;
    const trace = (matrix: Float64Array, n: number) => {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += matrix[i * n + i] as number;
      return sum;
    };
    const size = trace(inputs, inp) * trace(outputs, out);
    assert.ok(size > 0, name);
    // G = δ xᵀ: G Gᵀ = δδᵀ · |x|², Gᵀ G = x xᵀ · |δ|².
    for (let i = 0; i < out; i++)
      for (let j = 0; j < out; j++) {
        let product = 0;
        for (let k = 0; k < inp; k++) product += g(i, k) * g(j, k);
        assert.ok(
          Math.abs(product - (outputs[i * out + j] as number) * trace(inputs, inp)) < 1e-5 * size,
          name,
        );
      }
    for (let i = 0; i < inp; i++)
      for (let j = 0; j < inp; j++) {
        let product = 0;
        for (let k = 0; k < out; k++) product += g(k, i) * g(k, j);
        assert.ok(
          Math.abs(product - (inputs[i * inp + j] as number) * trace(outputs, out)) < 1e-5 * size,
          name,
        );
      }
  }
});

test("Kronecker factors are sums over examples, whatever they were padded to", async () => {
  const sequences = [sequence(4, [3]), sequence(12, [5, 8, 11]), sequence(7, [2, 6])];
  const together = await factorsOf(sequences, createRandom(3));
  const apart = await factorsOf(sequences, createRandom(3), 1);
  for (const [key, sum] of together.factors) {
    const other = apart.factors.get(key) as Float64Array;
    const largest = Math.max(...sum.map(Math.abs));
    assert.ok(largest > 0, key);
    sum.forEach((x, i) => {
      assert.ok(Math.abs(x - (other[i] as number)) < 1e-4 * largest, `${key}: ${x} against ${other[i]}`);
    });
  }
  together.sampled.forEach((x, i) => {
    assert.ok(Math.abs(x - (apart.sampled[i] as number)) < 1e-3);
  });
});
