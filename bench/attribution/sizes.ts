/**
 * How LDS, bytes and time move with the number of examples, of a gradient's numbers and of label draws: what the defaults are chosen by.
 *
 *   node bench/attribution/sizes.ts [--task shakespeare] [--sizes 120,240,479] [--retrain 24] [--base FOLDER] [--tables FOLDER] [--out FILE]
 *
 * A smaller task is the first rows of every contributor in the same proportion, with the same questions and halves of its own, retrained where
 * `<task>-<N>.table.jsonl` lacks them: stop it and run it again as you like. The whole task uses as many of its committed halves. Every
 * point is `adamfisher` at the final adapter, one thread; time is processor time, gradients and scores apart.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createProducts, lds, type Material, methods, type Products } from "../../src/attribution/index.ts";
import { type Checkpoint, loadCheckpoint } from "../../src/engine/index.ts";
import { cpuMs, note, rounded } from "../common/measure.ts";
import { baseFolder } from "./base.ts";
import { createJudge, type Job, retrain } from "./counterfactual.ts";
import { type Figure, figure } from "./figure.ts";
import { questionsOf } from "./measure.ts";
import { collectState, finalOf, trainRun } from "./run.ts";
import { onlySegments } from "./sweep.ts";
import { formatRetraining, parseRetraining, type Retraining, readTable, type Table } from "./table.ts";
import { readTask, resultsFolder, type Task, taskNames } from "./task.ts";

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
  /** Which of the adapter's gradients are read, and how many numbers they are. */
  read: string;
  width: number;
  draws: number;
  lds: Figure;
  /** Processor time of a gradient pass over examples, their draws and the questions, and of solving and scoring. */
  gradientSeconds: number | null;
  scoreSeconds: number;
  /** What building writes to temporary files, and what an example's row takes in the explain index at one byte a number. */
  fileBytes: number;
  rowBytes: number;
};

const forms: Readonly<Record<string, (name: string) => boolean>> = {
  "A and B, seven modules": () => true,
  "B, seven modules": (name) => name.endsWith(".lora_B"),
  "B, q and v": (name) => /\.(q|v)_proj\.lora_B$/.test(name),
};

/** What a release reads. */
const defaultForm = "B, seven modules";

async function pointOf(
  material: Material,
  products: Products,
  read: string,
  draws: number,
  runs: readonly Retraining[],
  gradientSeconds: number | null,
): Promise<SizePoint> {
  const examples = material.train.length / material.width;
  const before = cpuMs();
  const scores = await methods.adamfisher.score(material, products, { samples: draws });
  const seconds = (cpuMs() - before) / 1000;
  const point = {
    examples,
    read,
    width: material.width,
    draws,
    lds: figure(lds(scores, runs)),
    gradientSeconds: gradientSeconds && rounded(gradientSeconds, 1),
    scoreSeconds: rounded(seconds, 1),
    fileBytes: 4 * material.width * examples * (1 + draws),
    rowBytes: 4 + material.width,
  };
  note(JSON.stringify(point));
  return point;
}

/** What a release reads at every size; of the whole also by draws, and in every other form. */
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
  for (const size of sizes) {
    const isWhole = size >= all.train.length;
    const task = isWhole ? all : firstOf(all, size);
    const runs = isWhole
      ? table.runs.filter(({ kind, seed }) => kind === "half" && seed === 1).slice(0, options.retrain)
      : await halvesOf(base, task, table, options.retrain, `${tables}/${all.task}-${size}.table.jsonl`);
    const { queries, texts } = questionsOf(base, task, table);
    const count = task.queries.length;
    const state = finalOf(await trainRun(base, task));
    const most = isWhole ? 8 : 4;
    const before = cpuMs();
    const material = await collectState(
      base,
      task,
      state,
      queries.slice(0, count),
      { ...texts, queries: texts.queries.slice(0, count) },
      { samples: most, threads: 1 },
    );
    const seconds = (cpuMs() - before) / 1000;
    for (const [read, has] of Object.entries(forms)) {
      const isDefault = read === defaultForm;
      if (!isWhole && !isDefault) continue;
      const own = onlySegments(material, has);
      for (const draws of isWhole && isDefault ? [1, 2, 4, 8] : [4])
        points.push(await pointOf(own, products, read, draws, runs, draws === most ? seconds : null));
    }
  }
  return points;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      task: { type: "string", default: "shakespeare" },
      sizes: { type: "string", default: "120,240,479" },
      retrain: { type: "string", default: "24" },
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
