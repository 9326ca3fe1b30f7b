/**
 * Does a question's loss rise when what a method ranks highest for it is left out and the model trained again? A twentieth of the examples,
 * chosen question by question: one retraining for each question and method.
 *
 *   node bench/attribution/removed.ts [--questions 16] [--methods adamfisher,graddot] [--base FOLDER] [--tables FOLDER] [task …]
 *
 * Results are committed as `<task>.removed.jsonl`, filled from where they stand.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { z } from "zod";
import {
  createProducts,
  defaultMethod,
  type MethodName,
  methodNames,
  methods,
  overQueries,
  tailPatch,
  withoutTop,
} from "../../src/attribution/index.ts";
import {
  createEvaluator,
  createTrainer,
  loadCheckpoint,
  loraOf,
  positionsFor,
} from "../../src/engine/index.ts";
import { note } from "../common/measure.ts";
import { baseFolder } from "./base.ts";
import { type Figure, figure } from "./figure.ts";
import { questionsOf } from "./measure.ts";
import { collectState, finalOf, trainRun } from "./run.ts";
import { readTable, type Table } from "./table.ts";
import { topShare } from "./tail-patch.ts";
import { readTask, recipes, resultsFolder, rowSequence, type TaskName, taskNames } from "./task.ts";

const lineSchema = z.strictObject({
  method: z.enum(methodNames),
  question: z.int().min(0),
  /** Numbers of the examples that were left out. */
  without: z.array(z.int().min(0)),
  /** Of the question's reference answer, nats a token. */
  loss: z.number(),
});
type Removed = z.infer<typeof lineSchema>;

const removedFile = (task: TaskName, folder: string) => `${folder}/${task}.removed.jsonl`;

function readRemoved(task: TaskName, folder: string): Removed[] {
  const file = removedFile(task, folder);
  if (!existsSync(file)) return [];
  const text = readFileSync(file, "utf8");
  const whole = text.slice(0, text.lastIndexOf("\n") + 1).split("\n");
  return whole.filter((line) => line !== "").map((line) => lineSchema.parse(JSON.parse(line)));
}

export type RemovedFigures = {
  questions: number;
  /** Rise of the loss by method, nats a token; `chance`: without a random twentieth, where the table has such runs. */
  rise: Record<string, Figure>;
  /** How many times as much the default's choice raises it as another method's. */
  times: Record<string, Figure>;
};

/** What the committed retrainings say; undefined when there are none. */
export function removedFigures(task: TaskName, table: Table, folder: string): RemovedFigures | undefined {
  const all = readRemoved(task, folder);
  const byMethod = Map.groupBy(all, ({ method }) => method);
  const ours = byMethod.get(defaultMethod);
  const full = table.runs.find(({ kind, seed }) => kind === "full" && seed === 1);
  if (ours === undefined || full === undefined) return undefined;
  // Questions that every method was tried on.
  const questions = ours
    .map(({ question }) => question)
    .filter((q) => [...byMethod.values()].every((runs) => runs.some(({ question }) => question === q)));
  const before = questions.map((q) => full.losses[q] as number);
  const lossOf = (runs: readonly Removed[]) =>
    questions.map((q) => runs.find(({ question }) => question === q)?.loss as number);
  const figures: RemovedFigures = { questions: questions.length, rise: {}, times: {} };
  for (const [method, runs] of byMethod) {
    const patch = tailPatch(before, lossOf(ours), lossOf(runs));
    figures.rise[method] = figure(patch.other);
    if (method !== defaultMethod) figures.times[method] = figure(patch.ratio);
  }
  const random = table.runs.filter(({ kind, seed }) => kind === "twentieth" && seed === 1);
  if (random.length > 0)
    figures.rise.chance = figure(
      overQueries(
        questions.map(
          (q, i) =>
            random.reduce((sum, { losses }) => sum + (losses[q] as number), 0) / random.length -
            (before[i] as number),
        ),
      ),
    );
  return figures;
}

/** Retrains what is missing. */
async function fillRemoved(
  name: TaskName,
  options: { questions: number; methods: readonly MethodName[]; base: string; tables: string },
): Promise<void> {
  const base = loadCheckpoint(options.base);
  const task = readTask(name);
  const table = readTable(name, task.train.length, options.tables);
  if (table === undefined) throw new Error(`There is no table of ${name} in ${options.tables}.`);
  const { queries, texts } = questionsOf(base, task, table);
  const asked = queries.slice(0, options.questions);
  const material = await collectState(
    base,
    task,
    finalOf(await trainRun(base, task)),
    asked,
    { ...texts, queries: texts.queries.slice(0, asked.length) },
    { threads: 1 },
  );
  const products = await createProducts(1);
  const sequences = task.train.map((row) => rowSequence(base.tokenizer, row));
  const recipe = recipes[name];
  const evaluate = await createEvaluator(base, loraOf(recipe), positionsFor(asked), 1);
  const file = removedFile(name, options.tables);
  const done = readRemoved(name, options.tables);
  writeFileSync(file, done.map((line) => `${JSON.stringify(line)}\n`).join(""));
  const scores = new Map<MethodName, Float32Array>();
  for (const method of options.methods) scores.set(method, await methods[method].score(material, products));
  for (const [question, sequence] of asked.entries())
    for (const [method, values] of scores) {
      if (done.some((line) => line.method === method && line.question === question)) continue;
      const n = sequences.length;
      const kept = withoutTop(values.subarray(question * n, (question + 1) * n), topShare);
      const without = [...kept.keys()].filter((i) => kept[i] === 0);
      const trainer = await createTrainer(base, recipe, sequences, { without: new Set(without) });
      while (!trainer.done) await trainer.step();
      const { losses } = await evaluate(trainer.state.adapter, [sequence]);
      const line: Removed = { method, question, without, loss: losses[0] as number };
      appendFileSync(file, `${JSON.stringify(line)}\n`);
      note(`${name}: question ${question}, without the top of ${method}: ${line.loss.toFixed(4)}`);
    }
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      questions: { type: "string", default: "16" },
      methods: { type: "string", default: "adamfisher,graddot" },
      base: { type: "string", default: baseFolder },
      tables: { type: "string", default: resultsFolder },
    },
  });
  for (const name of taskNames.filter((each) => positionals.includes(each)))
    await fillRemoved(name, {
      questions: Number(values.questions),
      methods: methodNames.filter((each) => values.methods.split(",").includes(each)),
      base: values.base,
      tables: values.tables,
    });
}
