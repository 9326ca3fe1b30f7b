import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createRandom } from "../engine/index.ts";
import { type Basis, projectQuery } from "./basis.ts";
import { createProjection } from "./projection.ts";

function randomBasis(k: number, p: number, seed: number): Basis {
  const random = createRandom(seed, 3);
  return {
    k,
    metric: Float32Array.from({ length: p }, () => random.uniform() + 0.1),
    scales: Float32Array.from({ length: k }, () => random.uniform() + 0.01),
    values: Int8Array.from({ length: k * p }, () => random.below(255) - 127),
  };
}

test("the exact projection is the plain one's, but for a last unit here and there", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 70 }),
      fc.integer({ min: 1, max: 700 }),
      fc.nat(),
      // The powers of numbers between ±1: large ones make a few entries tower over all others, as in real gradients.
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: -30, max: 30 }),
      (k, p, seed, power, exponent) => {
        const basis = randomBasis(k, p, seed);
        const random = createRandom(seed, 5);
        const gradient = Float32Array.from(
          { length: p },
          () => (2 * random.uniform() - 1) ** power * 2 ** exponent,
        );
        const exact = createProjection(basis)(gradient);
        const plain = projectQuery(basis, gradient);
        assert.ok(exact.every((x, i) => Math.abs(x - (plain[i] as number)) <= 1));
        const scaled = gradient.map((x) => x * 4);
        assert.deepEqual(createProjection(basis)(scaled), exact, "only the direction matters");
      },
    ),
    { numRuns: 150 },
  );
});

test("a gradient of nothing gives nothing; one of another length, or that is no number, is refused", () => {
  const project = createProjection(randomBasis(3, 40, 1));
  assert.deepEqual(project(new Float32Array(40)), new Int16Array(3));
  assert.throws(() => project(new Float32Array(39)), /39 numbers, the index was built for 40/);
  for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY])
    assert.throws(() => project(new Float32Array(40).fill(wrong)), /not a number/);
  const one = new Float32Array(40);
  one[7] = Number.NaN;
  assert.throws(() => project(one), /not a number/);
});
