import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  createEvaluator,
  createRandom,
  createTrainer,
  loadCheckpoint,
  loraOf,
  moduleNames,
  type Sequence,
  type TrainRecipe,
} from "../../engine/index.ts";
import { createProducts } from "../linalg.ts";
import { collectMaterial, methods, unrolledScores } from "./index.ts";

const base = loadCheckpoint(
  join(fileURLToPath(new URL("../../engine/fixtures/", import.meta.url)), "llama-untied"),
);
const random = createRandom(6);
const token = () => 3 + random.below(base.config.vocab - 3);
const values = Array.from({ length: 4 }, () => [token(), token()]);
/** A key of its own, and one of four values. */
const fact = (): Sequence => {
  const ids = [
    ...Array.from({ length: 2 + random.below(3) }, token),
    ...(values[random.below(4)] as number[]),
  ];
  return { ids, targets: [ids.length - 2, ids.length - 1] };
};
const sequences = Array.from({ length: 18 }, fact);
const queries = Array.from({ length: 12 }, fact);
/** So many examples are left out, one at a time. */
const tried = 6;
const recipe: TrainRecipe = {
  rank: 4,
  alpha: 8,
  modules: moduleNames,
  seed: 2,
  threads: 1,
  learningRate: 5e-3,
  warmupSteps: 3,
  finalRate: 0.1,
  batch: 6,
  epochs: 6,
  clip: 1,
  optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 },
  stopLoss: 0,
};

async function train(without: ReadonlySet<number>) {
  const trainer = await createTrainer(base, recipe, sequences, { without });
  while (!trainer.done) await trainer.step();
  return trainer.state;
}

function correlation(x: readonly number[], y: readonly number[]): number {
  const mean = (list: readonly number[]) => list.reduce((sum, v) => sum + v, 0) / list.length;
  const [mx, my] = [mean(x), mean(y)];
  const product = (a: readonly number[], ma: number, b: readonly number[], mb: number) =>
    a.reduce((sum, v, i) => sum + (v - ma) * ((b[i] as number) - mb), 0);
  return product(x, mx, y, my) / Math.sqrt(product(x, mx, x, mx) * product(y, my, y, my));
}

test("going back through training foretells what leaving an example out does, better than the final state can", async () => {
  const evaluate = await createEvaluator(base, loraOf(recipe), 32, 1);
  const lossesOf = async (without: readonly number[]) =>
    (await evaluate((await train(new Set(without))).adapter, queries)).losses;
  const full = await train(new Set());
  const before = (await evaluate(full.adapter, queries)).losses;
  const effects: number[] = []; // [tried · Q]: by how much a query's loss rises
  for (let i = 0; i < tried; i++)
    effects.push(...(await lossesOf([i])).map((loss, q) => loss - (before[q] as number)));

  const products = await createProducts(1);
  const agreement = (scores: Float32Array) =>
    correlation(
      effects.map((_, at) => {
        const [i, q] = [Math.floor(at / queries.length), at % queries.length];
        return scores[q * sequences.length + i] as number;
      }),
      effects,
    );
  const options = { samples: 1, seed: 1 };
  const unrolled = agreement(await unrolledScores(base, recipe, sequences, queries, products, options));
  const texts = { train: sequences.map(() => ""), queries: queries.map(() => "") };
  const material = await collectMaterial(
    base,
    full.adapter,
    { optimizer: full.optimizer, beta2: 0.999 },
    sequences,
    queries,
    texts,
    { parts: ["A", "B"], samples: 0, seed: 1, threads: 1 },
  );
  const dots = agreement(await methods.graddot.score(material, products));
  assert.ok(unrolled > 0.85, `correlation ${unrolled}`);
  assert.ok(unrolled > dots + 0.1, `unrolled ${unrolled}, at the final state ${dots}`);
});
