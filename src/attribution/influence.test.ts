import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createRandom } from "../engine/index.ts";
import { invertFisher } from "./influence.ts";
import {
  cholesky,
  createProducts,
  NotPositiveDefiniteError,
  orthonormalise,
  solvePositiveDefinite,
} from "./linalg.ts";
import { invert } from "./methods/reference.ts";

const matrix = (rows: number, columns: number, seed: number) => {
  const random = createRandom(seed);
  return Float32Array.from({ length: rows * columns }, () => random.normal());
};

/** A · Aᵀ in float64. */
function gramOf(a: Float32Array, n: number, k: number): Float64Array {
  const gram = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++)
      for (let c = 0; c < k; c++)
        gram[i * n + j] = (gram[i * n + j] as number) + (a[i * k + c] as number) * (a[j * k + c] as number);
  return gram;
}

test("the dual solve equals the dense inverse of the damped Fisher, block by block", async () => {
  const products = await createProducts(1);
  const [n, p, m, rho] = [7, 12, 3, 0.2];
  const blocks = [
    { offset: 0, length: 5 },
    { offset: 5, length: 7 },
  ];
  const fisher = matrix(n, p, 1);
  const rows = matrix(m, p, 2);
  const fast = await invertFisher(products, rows, m, fisher, n, p, blocks, rho);
  for (const { offset, length } of blocks) {
    const f = (i: number, j: number) => fisher[i * p + offset + j] as number;
    let trace = 0;
    for (let i = 0; i < n; i++) for (let j = 0; j < length; j++) trace += f(i, j) ** 2;
    const lambda = (rho * trace) / n / Math.min(n, length);
    const h = Array.from({ length }, (_, a) =>
      Array.from({ length }, (_, b) => {
        let sum = a === b ? lambda : 0;
        for (let i = 0; i < n; i++) sum += (f(i, a) * f(i, b)) / n;
        return sum;
      }),
    );
    const inverse = invert(h);
    for (let r = 0; r < m; r++)
      for (let a = 0; a < length; a++) {
        let expected = 0;
        for (let b = 0; b < length; b++)
          expected += ((inverse[a] as number[])[b] as number) * (rows[r * p + offset + b] as number);
        const actual = fast[r * p + offset + a] as number;
        assert.ok(
          Math.abs(actual - expected) <= 1e-4 * Math.max(1, Math.abs(expected)),
          `${actual} against ${expected}`,
        );
      }
  }
});

test("the blocked solver solves: A X = B, block after block, for several right-hand sides", async () => {
  const products = await createProducts(1);
  for (const [n, m] of [
    [1, 1],
    [5, 3],
    [128, 2],
    [129, 3],
    [300, 4],
  ] as const) {
    const k = n + 40;
    const gram = gramOf(matrix(n, k, n), n, k);
    for (let i = 0; i < n; i++) gram[i * n + i] = (gram[i * n + i] as number) + 0.2 * k;
    const x = matrix(m, n, n + 1);
    const b = new Float64Array(m * n);
    for (let r = 0; r < m; r++)
      for (let i = 0; i < n; i++)
        for (let j = 0; j < n; j++)
          b[r * n + i] = (b[r * n + i] as number) + (gram[i * n + j] as number) * (x[r * n + j] as number);
    await solvePositiveDefinite(products, gram, n, b, m);
    const worst = Math.max(...b.map((value, i) => Math.abs(value - (x[i] as number))));
    assert.ok(worst < 1e-3, `n = ${n}: off by ${worst}`);
  }
});

test("what is not positive definite is refused with the pivot's number", () => {
  assert.throws(() => cholesky(Float64Array.of(1, 2, 2, 1), 2), NotPositiveDefiniteError);
});

test("orthonormal coordinates keep every inner product, and drop what depends on the rest", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 8 }),
      fc.nat(),
      (n, independent, seed) => {
        const k = Math.min(n, independent);
        const core = matrix(k, 16, seed);
        const mix = matrix(n, k, seed + 1);
        const rows = new Float32Array(n * 16);
        for (let i = 0; i < n; i++)
          for (let c = 0; c < 16; c++)
            for (let j = 0; j < k; j++)
              rows[i * 16 + c] =
                (rows[i * 16 + c] as number) + (mix[i * k + j] as number) * (core[j * 16 + c] as number);
        const gram = gramOf(rows, n, 16);
        const { rank, coordinates, fromRows } = orthonormalise(gram, n, 1024, 1e-8);
        assert.ok(rank <= k, `rank ${rank} of ${k}`);
        const largest = Math.max(...gram.map(Math.abs));
        for (let i = 0; i < n; i++)
          for (let j = 0; j < n; j++) {
            let sum = 0;
            for (let c = 0; c < rank; c++)
              sum += (coordinates[i * rank + c] as number) * (coordinates[j * rank + c] as number);
            assert.ok(Math.abs(sum - (gram[i * n + j] as number)) < 1e-3 * largest);
          }
        // fromRows · rows has orthonormal rows: fromRows · G · fromRowsᵀ = I.
        for (let a = 0; a < rank; a++)
          for (let b = 0; b < rank; b++) {
            let sum = 0;
            for (let i = 0; i < n; i++)
              for (let j = 0; j < n; j++)
                sum +=
                  (fromRows[a * n + i] as number) *
                  (gram[i * n + j] as number) *
                  (fromRows[b * n + j] as number);
            assert.ok(Math.abs(sum - (a === b ? 1 : 0)) < 2e-2, `${a},${b}: ${sum}`);
          }
      },
    ),
    { numRuns: 60 },
  );
});
