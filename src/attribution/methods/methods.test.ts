import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createRandom, type GradientSegment, type Random } from "../../engine/index.ts";
import { symmetricEigen } from "../eigen.ts";
import { createProducts } from "../linalg.ts";
import {
  type Checkpoint,
  type Gradients,
  type Material,
  type MethodName,
  MissingMaterialError,
  methodNames,
  methods,
  type ScoreOptions,
} from "./index.ts";
import { jacobi, reference } from "./reference.ts";

const products = await createProducts(1);

/** Symmetric, positive definite, of full rank. */
function secondMoment(random: Random, n: number): Float64Array {
  const rows = Array.from({ length: n + 3 }, () => Array.from({ length: n }, () => random.normal()));
  return Float64Array.from({ length: n * n }, (_, at) =>
    rows.reduce((sum, row) => sum + (row[Math.floor(at / n)] as number) * (row[at % n] as number), 0),
  );
}

function randomMaterial(
  seed: number,
  n: number,
  q: number,
  samples: number,
  layers: number,
  rank: number,
): Material {
  const random = createRandom(seed);
  const normals = (length: number) => Float32Array.from({ length }, () => 0.1 * random.normal());
  let offset = 0;
  const segments: GradientSegment[] = [];
  for (let layer = 0; layer < layers; layer++)
    for (const shape of [
      [rank, 3 + random.below(3)],
      [4 + random.below(3), rank],
    ] as [number, number][]) {
      const length = shape[0] * shape[1];
      segments.push({ name: `tensor ${segments.length}`, layer, offset, length, shape });
      offset += length;
    }
  const gradients = (draws: number): Gradients => ({
    train: normals(n * offset),
    queries: normals(q * offset),
    sampled: normals(n * draws * offset),
    samples: draws,
    metric: Float32Array.from({ length: offset }, () => 0.3 + 3 * random.uniform()),
  });
  const words = () =>
    Array.from({ length: 1 + random.below(7) }, () => "abcdefgh"[random.below(8)]).join(" ");
  return {
    ...gradients(samples),
    segments,
    width: offset,
    checkpoints: [gradients(1), gradients(0)].map(
      (state, i): Checkpoint => ({ ...state, learningRate: 0.01 / (i + 1) }),
    ),
    texts: { train: Array.from({ length: n }, words), queries: Array.from({ length: q }, words) },
    hidden: { train: normals(n * 5), queries: normals(q * 5), width: 5 },
    factors: segments.map(({ name, shape: [out, inp] }) => ({
      name,
      inputs: secondMoment(random, inp),
      gradients: secondMoment(random, out),
    })),
  };
}

async function agree(name: MethodName, material: Material, options: ScoreOptions = {}) {
  const fast = await methods[name].score(material, products, options);
  const slow = reference[name](material, options).flat();
  assert.equal(fast.length, slow.length);
  const largest = Math.max(...slow.map(Math.abs), 1e-6);
  slow.forEach((expected, i) => {
    const actual = fast[i] as number;
    assert.ok(
      Math.abs(actual - expected) <= 2e-4 * largest,
      `${name} ${JSON.stringify(options)} [${i}]: ${actual} against ${expected} of at most ${largest}`,
    );
  });
}

const variants: Partial<Record<MethodName, ScoreOptions[]>> = {
  datainf: [{ damping: 0.5 }],
  fisher: [{ block: "all" }, { damping: 1, metric: true }, { checkpoints: "sum" }],
  adamfisher: [
    { block: "all", damping: 0.05 },
    { samples: 1 },
    { metric: false },
    { checkpoints: "sum", samples: 1 },
  ],
  ekfac: [{ samples: 1, damping: 0.3 }],
  eshampoo: [{ samples: 1, damping: 0.3 }],
};

for (const name of methodNames)
  test(`${name} scores as its formula in plain loops does`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 2 }),
        fc.integer({ min: 1, max: 3 }),
        async (seed, n, q, samples, layers, rank) => {
          const material = randomMaterial(seed, n, q, samples, layers, rank);
          for (const options of [{}, ...(variants[name] ?? [])]) await agree(name, material, options);
        },
      ),
      { numRuns: name === "datainf" || name === "ekfac" || name === "eshampoo" ? 8 : 15 },
    );
  });

test("batches do not show: more rows than are rotated or multiplied at once", async () => {
  const material = randomMaterial(5, 150, 3, 2, 1, 2); // 300 drawn rows, in batches of 256
  for (const name of ["adamfisher", "ekfac", "eshampoo"] as const) await agree(name, material);
});

test("a method that lacks its material says what was not collected", async () => {
  const material = randomMaterial(1, 3, 2, 1, 1, 1);
  const without = (part: Partial<Material>, name: MethodName, options: ScoreOptions = {}) =>
    assert.rejects(
      Promise.resolve().then(() => methods[name].score({ ...material, ...part }, products, options)),
      MissingMaterialError,
    );
  await without({ checkpoints: [] }, "tracin");
  await without({ checkpoints: [] }, "adamfisher", { checkpoints: "sum" });
  await without({ factors: [] }, "ekfac");
  await without({ hidden: { train: new Float32Array(0), queries: new Float32Array(0), width: 0 } }, "repsim");
  for (const name of ["adamfisher", "eshampoo", "ekfac"] as const) {
    await without({ sampled: new Float32Array(0), samples: 0 }, name);
    await without({}, name, { samples: 2 });
  }
});

test("eigenvectors are orthonormal, rebuild the matrix, and have Jacobi's eigenvalues, in full rank or not", () => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.integer({ min: 1, max: 24 }),
      fc.integer({ min: 0, max: 24 }),
      (seed, n, rank) => {
        const random = createRandom(seed);
        const rows = Array.from({ length: rank }, () => Array.from({ length: n }, () => random.normal()));
        const matrix = Float64Array.from({ length: n * n }, (_, at) =>
          rows.reduce((sum, row) => sum + (row[Math.floor(at / n)] as number) * (row[at % n] as number), 0),
        );
        const size = Math.max(1, ...matrix);
        const { values, vectors } = symmetricEigen(matrix, n);
        for (let i = 0; i < n; i++)
          for (let j = 0; j < n; j++) {
            let overlap = 0;
            let rebuilt = 0;
            for (let k = 0; k < n; k++) {
              overlap += (vectors[i * n + k] as number) * (vectors[j * n + k] as number);
              rebuilt +=
                (values[k] as number) * (vectors[k * n + i] as number) * (vectors[k * n + j] as number);
            }
            assert.ok(Math.abs(overlap - (i === j ? 1 : 0)) < 1e-12 * n, `${i},${j}: ${overlap}`);
            assert.ok(Math.abs(rebuilt - (matrix[i * n + j] as number)) < 1e-12 * n * size);
          }
        const sorted = (list: Iterable<number>) => [...list].sort((a, b) => a - b);
        const slow = sorted(
          jacobi(Array.from({ length: n }, (_, i) => [...matrix.subarray(i * n, (i + 1) * n)])).values,
        );
        sorted(values).forEach((value, i) => {
          assert.ok(Math.abs(value - (slow[i] as number)) < 1e-11 * n * size);
        });
      },
    ),
    { numRuns: 40 },
  );
  assert.throws(() => symmetricEigen(Float64Array.of(1, Number.NaN, Number.NaN, 1), 2), /did not settle/);
});
