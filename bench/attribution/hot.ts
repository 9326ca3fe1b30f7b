/**
 * What attribution is worth after training that ran far past its held-out optimum, and what restores it: draws, sums over checkpoints,
 * an earlier checkpoint, two seeds together.
 */
import { lds, type Material, methods, type Products } from "../../src/attribution/index.ts";
import { type Checkpoint, createEvaluator, loraOf, positionsFor } from "../../src/engine/index.ts";
import { rounded } from "../common/measure.ts";
import { type Figure, figure } from "./figure.ts";
import { questionsOf } from "./measure.ts";
import { collectAsReleased, collectState, finalOf, type Run, type State, trainRun } from "./run.ts";
import type { Table } from "./table.ts";
import { recipes, rowSequence, type Task } from "./task.ts";

export type HotFigures = {
  /** Mean loss of held-out rows after each epoch, nats per token. */
  heldOut: number[];
  lds: Record<string, Figure>;
  /** Gradient passes, with those of 4 draws at the final state counted as 1. */
  cost: Record<string, number>;
};

/** One pass for the examples' own labels and one a draw, at one state. */
const passes = (draws: number) => (1 + draws) / (1 + 4);

/** Each question's scores divided by their root mean square: early gradients are larger, and a sum would hear nothing else. */
function normalised(scores: Float32Array, examples: number): Float32Array {
  const out = new Float32Array(scores.length);
  for (let at = 0; at < scores.length; at += examples) {
    let sum = 0;
    for (let i = at; i < at + examples; i++) sum += (scores[i] as number) ** 2;
    const rms = Math.sqrt(sum / examples) || 1;
    for (let i = at; i < at + examples; i++) out[i] = (scores[i] as number) / rms;
  }
  return out;
}

function sum(all: readonly Float32Array[]): Float32Array {
  const out = new Float32Array((all[0] as Float32Array).length);
  for (const scores of all)
    for (let i = 0; i < out.length; i++) out[i] = (out[i] as number) + (scores[i] as number);
  return out;
}

async function heldOutCurve(base: Checkpoint, task: Task, run: Run): Promise<number[]> {
  const sequences = task.heldOut.map((row) => rowSequence(base.tokenizer, row));
  const evaluate = await createEvaluator(base, loraOf(recipes[task.task]), positionsFor(sequences), 1);
  const curve: number[] = [];
  for (const { adapter } of run.epochs) curve.push((await evaluate(adapter, sequences)).loss);
  return curve;
}

export async function hotFigures(
  base: Checkpoint,
  task: Task,
  table: Table,
  run: Run,
  products: Products,
  { quick, onProgress }: { quick: boolean; onProgress: (what: string) => void },
): Promise<HotFigures> {
  const { queries, texts } = questionsOf(base, task, table);
  const reference = queries.slice(0, task.queries.length);
  const asked: Material["texts"] = { ...texts, queries: texts.queries.slice(0, task.queries.length) };
  const runs = table.runs.filter(({ kind, seed }) => kind === "half" && seed === 1);
  const adamfisher = (material: Material, samples: number) =>
    methods.adamfisher.score(material, products, { samples });
  const at = (state: State, samples = 4) => collectState(base, task, state, reference, asked, { samples });
  const asReleased = async (state: State) =>
    adamfisher(await collectAsReleased(base, task, state, reference, asked), 4);

  const heldOut = await heldOutCurve(base, task, run);
  const best = heldOut.indexOf(Math.min(...heldOut));
  const [optimum, last] = [run.epochs[best] as State, finalOf(run)];
  const variants: Record<string, [Float32Array, number]> = {
    "4 draws": [await asReleased(last), passes(4)],
    [`epoch ${best + 1}, the held-out optimum`]: [await asReleased(optimum), 1],
  };
  onProgress("scored as a release does");
  const byEpoch: Float32Array[] = [];
  for (const [epoch, state] of run.epochs.slice(0, quick ? best + 1 : undefined).entries()) {
    byEpoch.push(await adamfisher(await at(state), 4));
    onProgress(`scored both matrices of epoch ${epoch + 1} of ${run.epochs.length}`);
  }
  variants["both matrices, sum to the held-out optimum"] = [sum(byEpoch.slice(0, best + 1)), best + 1];
  if (!quick) {
    const unit = byEpoch.map((scores) => normalised(scores, task.train.length));
    variants["both matrices"] = [byEpoch.at(-1) as Float32Array, passes(4)];
    variants[`both matrices, epoch ${best + 1}`] = [byEpoch[best] as Float32Array, passes(4)];
    variants["both matrices, sum over epochs"] = [sum(byEpoch), run.epochs.length];
    variants["both matrices, sum over epochs, each of one length"] = [sum(unit), run.epochs.length];
    const final = await at(last, 8);
    variants.graddot = [await methods.graddot.score(final, products), passes(0)];
    for (const draws of [1, 8])
      variants[`both matrices, ${draws} draw${draws === 1 ? "" : "s"}`] = [
        await adamfisher(final, draws),
        passes(draws),
      ];
    const second = await trainRun(base, task, 2);
    const other = await adamfisher(await at(finalOf(second)), 4);
    variants["both matrices, two seeds, each of one length"] = [
      sum([unit.at(-1) as Float32Array, normalised(other, task.train.length)]),
      2,
    ];
  }
  return {
    heldOut: heldOut.map((loss) => rounded(loss, 4)),
    lds: Object.fromEntries(
      Object.entries(variants).map(([name, [scores]]) => [name, figure(lds(scores, runs))]),
    ),
    cost: Object.fromEntries(Object.entries(variants).map(([name, [, passes]]) => [name, passes])),
  };
}
