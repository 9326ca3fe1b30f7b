/** How well scores find rows that teach the wrong thing: a tenth of the transformations are given another rule's outcome. */
import {
  auc,
  type Material,
  type MethodName,
  methodNames,
  methods,
  type Products,
} from "../../src/attribution/index.ts";
import { type Checkpoint, createRandom, shuffle } from "../../src/engine/index.ts";
import { exampleText } from "../../src/protocol/index.ts";
import { type Figure, figure } from "./figure.ts";
import { collectState, finalOf, trainRun } from "./run.ts";
import { rowSequence, type Task, type TaskRow } from "./task.ts";

/** The same task with the completions of a tenth of its rows exchanged for those of others, at random. @returns also which, `[N]` */
export function mislabel(task: Task): { task: Task; wrong: Uint8Array } {
  const random = createRandom(9, 61);
  const count = Math.round(task.train.length / 10);
  const rows = shuffle(Array.from(task.train.keys()), random).slice(0, count);
  const wrong = new Uint8Array(task.train.length);
  const train: TaskRow[] = [...task.train];
  rows.forEach((row, i) => {
    wrong[row] = 1;
    const from = task.train[rows[(i + 1) % count] as number] as TaskRow;
    train[row] = { ...(task.train[row] as TaskRow), completion: from.completion };
  });
  return { task: { ...task, train }, wrong };
}

/** A row that helps held-out questions least is suspected most; the area under the curve of that suspicion, by method. */
export async function mislabelAuc(
  base: Checkpoint,
  original: Task,
  products: Products,
): Promise<Partial<Record<MethodName, Figure>>> {
  const { task, wrong } = mislabel(original);
  const questions = [...task.queries, ...task.heldOut];
  const run = await trainRun(base, task);
  const material: Material = await collectState(
    base,
    task,
    finalOf(run),
    questions.map((row) => rowSequence(base.tokenizer, row)),
    { train: task.train.map(exampleText), queries: questions.map(exampleText) },
    { hidden: true, factors: true, checkpoints: run.epochs },
  );
  const out: Partial<Record<MethodName, Figure>> = {};
  for (const name of methodNames) {
    const scores = await methods[name].score(material, products);
    const n = task.train.length;
    const suspicion = Float64Array.from({ length: n }, (_, i) => {
      let help = 0;
      for (let q = 0; q < questions.length; q++) help += scores[q * n + i] as number;
      return -help;
    });
    out[name] = figure(auc(suspicion, wrong));
  }
  return out;
}
