/**
 * How LDS, bytes and time move with the number of examples, of a gradient's numbers and of label draws: what the defaults are chosen by.
 *
 *   node bench/attribution/sizes.ts [--task shakespeare] [--sizes 120,240,479] [--retrain 40] [--base FOLDER] [--tables FOLDER] [--out FILE]
 *
 * A smaller task is the first rows of every contributor in the same proportion, with the same questions and halves of its own, retrained where
 * `<task>-<N>.table.jsonl` lacks them: stop it and run it again as you like. The whole task uses as many of its committed halves. Every
 * point is the default method at the final adapter, one thread; time is processor time.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import {
  buildPayIndex,
  createProducts,
  defaultPayIndexOptions,
  lds,
  methods,
  type Products,
  widenAdapter,
} from "../../src/attribution/index.ts";
import { type Checkpoint, createGradients, loadCheckpoint, positionsFor } from "../../src/engine/index.ts";
import { cpuMs, note, rounded } from "../common/measure.ts";
import { baseFolder } from "./base.ts";
import { createJudge, type Job, retrain } from "./counterfactual.ts";
import { type Figure, figure } from "./figure.ts";
import { questionsOf } from "./measure.ts";
import { collectAsReleased, collectState, finalOf, type State, trainRun } from "./run.ts";
import { onlySegments } from "./sweep.ts";
import { formatRetraining, parseRetraining, type Retraining, readTable, type Table } from "./table.ts";
import { readTask, resultsFolder, rowSequence, type Task, taskNames } from "./task.ts";

/** The first rows of every contributor, `size` in all as nearly as their proportions allow. */
export function firstOf(task: Task, size: number): Task {
  const part = size / task.train.length;
  const seen = new Map<number, number>();
  const train = task.train.filter(({ contributor }) => {
    const count = seen.get(contributor) ?? 0;
    seen.set(contributor, count + 1);
    // The row with which the contributor's part of those so far passes a whole number.
    return Math.floor((count + 1) * part) > Math.floor(count * part);
  });
  return { ...task, train };
}

/** A smaller task's halves, retrained where they are missing. */
async function halvesOf(
  base: Checkpoint,
  task: Task,
  table: Table,
  count: number,
  file: string,
): Promise<Retraining[]> {
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  if (whole !== text) writeFileSync(file, whole); // half a line of a run that was killed
  const lines = whole.split("\n").filter((line) => line !== "");
  const runs = lines.map((line) => parseRetraining(line, task.train.length));
  const judge = await createJudge(base, task, table.answers);
  for (let number = runs.length; number < count; number++) {
    const job: Job = { kind: "half", seed: 1, number };
    const run = await retrain(base, task, job, judge);
    appendFileSync(file, `${formatRetraining(run)}\n`);
    runs.push(run);
    note(`${task.task}, ${task.train.length} examples: half ${number + 1} of ${count}`);
  }
  return runs.slice(0, count);
}

export type SizePoint = {
  examples: number;
  /** Which gradients are read, and how many numbers they are. */
  read: string;
  width: number;
  /** Label draws of an example, of every how many-th example. */
  draws: number;
  every: number;
  lds: Figure;
  /** Processor time: gradients of examples, their draws and the questions; solving and scoring. Of an index both, null rows included. */
  gradientSeconds: number | null;
  seconds: number;
  /** What building writes to temporary files, and what an example's row takes in the explain index at one byte a number. */
  fileBytes: number;
  rowBytes: number;
};

/** Which matrices as they were trained, and which modules of them; none: what a release reads. */
type Form = { parts?: readonly ("A" | "B")[]; has?: RegExp };
const released = "B along 16 directions";
const forms: Readonly<Record<string, Form>> = {
  "B of q and v": { parts: ["B"], has: /\.(q|v)_proj\./ },
  B: { parts: ["B"] },
  "A and B": { parts: ["A", "B"] },
  [released]: {},
};

type Trial = {
  base: Checkpoint;
  task: Task;
  table: Table;
  runs: readonly Retraining[];
  state: State;
  products: Products;
};

const bytesOf = (width: number, examples: number, sampled: number) => ({
  fileBytes: 4 * width * (examples + sampled),
  rowBytes: 4 + width,
});

/** By the method as it is, with draws of every example. */
async function methodPoint(trial: Trial, read: string, draws: number): Promise<SizePoint> {
  const { base, task, table, runs, products } = trial;
  const { parts, has } = forms[read] as Form;
  const { queries, texts } = questionsOf(base, task, table);
  const count = task.queries.length;
  const started = cpuMs();
  const all = await (parts === undefined ? collectAsReleased : collectState)(
    base,
    task,
    trial.state,
    queries.slice(0, count),
    { ...texts, queries: texts.queries.slice(0, count) },
    { ...(parts && { parts }), samples: draws, threads: 1 },
  );
  const collected = cpuMs();
  const material = has === undefined ? all : onlySegments(all, (name) => has.test(name));
  const scores = await methods.adamfisher.score(material, products);
  const examples = task.train.length;
  return {
    examples,
    read,
    width: material.width,
    draws,
    every: 1,
    lds: figure(lds(scores, runs)),
    gradientSeconds: rounded((collected - started) / 1000, 1),
    seconds: rounded((cpuMs() - started) / 1000, 1),
    ...bytesOf(material.width, examples, examples * draws),
  };
}

/** By an index whose curvature is fitted on at most so many sampled gradients, as a large release's is: rows of single examples. */
async function thinnedPoint(trial: Trial, draws: number, most: number): Promise<SizePoint> {
  const { base, task, table, runs } = trial;
  const { moments } = trial.state;
  const adapter = widenAdapter(base.config, trial.state.adapter);
  const sequences = task.train.map((row) => rowSequence(base.tokenizer, row));
  const heldOut = task.heldOut.map((row) => rowSequence(base.tokenizer, row));
  const queries = questionsOf(base, task, table).queries.slice(0, task.queries.length);
  const started = cpuMs();
  const gradients = await createGradients(base, adapter.config, {
    parts: ["B"],
    positions: positionsFor([...sequences, ...heldOut, ...queries]),
    threads: 1,
  });
  const { calibration, report } = await buildPayIndex(
    {
      gradients,
      adapter,
      secondMoments: new Map([...moments.optimizer.moments].map(([name, { v }]) => [name, v])),
      beta2: moments.beta2,
      steps: moments.optimizer.step,
      sequences,
      contributorOf: task.train.map(({ contributor }) => contributor),
      contributors: task.contributors.length,
      heldOut,
      calibration: { sets: sequences.map((_, i) => new Set([i])), queries },
    },
    { ...defaultPayIndexOptions, threads: 1, samples: draws, maxFisherRows: most },
  );
  const examples = sequences.length;
  return {
    examples,
    read: released,
    width: gradients.width,
    draws,
    every: Math.round((examples * draws) / report.fisherRows),
    lds: figure(lds(calibration!.sets, runs)),
    gradientSeconds: null,
    seconds: rounded((cpuMs() - started) / 1000, 1),
    ...bytesOf(gradients.width, examples, report.fisherRows),
  };
}

/** Sampled gradients that are few at every size: as many for each example of the whole as 3,072 are for each of 10,000. */
const few = 148;

/** Every form at every size with four draws; of the whole also by draws, of all examples and of fewer. */
export async function sizePoints(options: {
  task: Task;
  base: Checkpoint;
  tables: string;
  sizes: readonly number[];
  retrain: number;
}): Promise<SizePoint[]> {
  const { task: all, base, tables, sizes } = options;
  const table = readTable(all.task, all.train.length, tables);
  if (table === undefined) throw new Error(`There is no table of ${all.task} in ${tables}.`);
  const products = await createProducts(1);
  const points: SizePoint[] = [];
  const add = (point: SizePoint) => {
    note(JSON.stringify(point));
    points.push(point);
  };
  for (const size of sizes) {
    const isWhole = size >= all.train.length;
    const task = isWhole ? all : firstOf(all, size);
    const runs = isWhole
      ? table.runs.filter(({ kind, seed }) => kind === "half" && seed === 1).slice(0, options.retrain)
      : await halvesOf(base, task, table, options.retrain, `${tables}/${all.task}-${size}.table.jsonl`);
    const trial = { base, task, table, runs, products, state: finalOf(await trainRun(base, task)) };
    for (const read of Object.keys(forms)) add(await methodPoint(trial, read, 4));
    add(await thinnedPoint(trial, 4, few));
    if (!isWhole) continue;
    for (const draws of [1, 2, 8]) add(await methodPoint(trial, released, draws));
    for (const every of [1, 3]) add(await thinnedPoint(trial, 4, Math.ceil((4 * size) / every)));
    add(await thinnedPoint(trial, 1, few));
  }
  return points;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      task: { type: "string", default: "shakespeare" },
      sizes: { type: "string", default: "120,240,479" },
      retrain: { type: "string", default: "40" },
      base: { type: "string", default: baseFolder },
      tables: { type: "string", default: resultsFolder },
      out: { type: "string" },
    },
  });
  const name = taskNames.find((each) => each === values.task);
  if (name === undefined)
    throw new Error(`There is no task "${values.task}": expected ${taskNames.join(", ")}.`);
  const points = await sizePoints({
    task: readTask(name),
    base: loadCheckpoint(values.base),
    tables: values.tables,
    sizes: values.sizes.split(",").map(Number),
    retrain: Number(values.retrain),
  });
  const text = `${JSON.stringify({ task: name, retrainings: Number(values.retrain), points }, null, 1)}\n`;
  if (values.out !== undefined) writeFileSync(values.out, text);
  process.stdout.write(text);
}
