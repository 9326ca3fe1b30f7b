/**
 * Do a query's highest scores name what teaches it? One training step on its top twentieth, by each method, and the query's loss should fall
 * (the tail-patch of Chang et al. 2024, arXiv 2410.17413, section 4.3).
 */
import { type Material, type MethodName, overQueries, topOf } from "../../src/attribution/index.ts";
import {
  type Adapter,
  type Checkpoint,
  createEvaluator,
  createRandom,
  loraOf,
  positionsFor,
} from "../../src/engine/index.ts";
import { type Figure, figure } from "./figure.ts";
import { finalOf, type Run } from "./run.ts";
import { recipes, rowSequence, type Task } from "./task.ts";

/** Part of the examples that a step is taken on. */
export const topShare = 0.05;

/**
 * An adapter moved by one step on some examples, as AdamW would take it with the second moment where training left it and no momentum:
 * θ − η · ḡ / (√v̂ + ε), ḡ the mean gradient a target token, η the recipe's peak rate.
 */
function stepOn(
  material: Material,
  run: Run,
  task: Task,
  chosen: readonly number[],
  tokens: number,
): Adapter {
  const { adapter, moments } = finalOf(run);
  const { learningRate, optimizer } = recipes[task.task];
  const correction = 1 - moments.beta2 ** moments.optimizer.step;
  const tensors = new Map(adapter.tensors);
  for (const { name, offset, length } of material.segments) {
    const { data, shape } = adapter.tensors.get(name)!;
    const { v } = moments.optimizer.moments.get(name)!;
    const moved = data.slice();
    for (let j = 0; j < length; j++) {
      let gradient = 0;
      for (const i of chosen) gradient += material.train[i * material.width + offset + j] as number;
      const scale = Math.sqrt((v[j] as number) / correction) + optimizer.epsilon;
      moved[j] = (moved[j] as number) - (learningRate * gradient) / tokens / scale;
    }
    tensors.set(name, { data: moved, shape });
  }
  return { ...adapter, tensors };
}

/**
 * Fall of each query's loss, nats a token, after one step on what each method ranks highest for it; `chance`: on as many drawn at random.
 *
 * @param scores `[Q,N]` by method, for the reference answers
 */
export async function tailPatchFigures(
  base: Checkpoint,
  task: Task,
  run: Run,
  material: Material,
  scores: ReadonlyMap<MethodName, Float32Array>,
): Promise<Record<string, Figure>> {
  const queries = task.queries.map((row) => rowSequence(base.tokenizer, row));
  const tokens = task.train.map((row) => rowSequence(base.tokenizer, row).targets.length);
  const evaluate = await createEvaluator(base, loraOf(recipes[task.task]), positionsFor(queries), 1);
  const before = (await evaluate(finalOf(run).adapter, queries)).losses;
  const n = task.train.length;
  const count = Math.max(1, Math.round(topShare * n));
  const random = createRandom(8, 65);
  const chance = Float32Array.from({ length: queries.length * n }, () => random.uniform());
  const figures: Record<string, Figure> = {};
  for (const [name, values] of [...scores, ["chance", chance] as const]) {
    const falls: number[] = [];
    for (const [q, query] of queries.entries()) {
      const chosen = topOf(values.subarray(q * n, (q + 1) * n), count);
      const read = chosen.reduce((sum, i) => sum + (tokens[i] as number), 0);
      const after = await evaluate(stepOn(material, run, task, chosen, read), [query]);
      falls.push((before[q] as number) - (after.losses[0] as number));
    }
    figures[name] = figure(overQueries(falls));
  }
  return figures;
}
