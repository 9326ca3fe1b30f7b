/**
 * How right attribution is: every method's scores against retrainings without parts of the data, and what the scores cost.
 *
 *   ./openledger bench attribution [--json] [--quick] [--data DIR] [--tasks a,b] [--out DIR]
 *
 * Tasks and the retrainings' losses are committed under bench/results/attribution. --quick trains each task's full model again (five
 * trainings, held against the committed losses as a check), scores it by every method and takes the retrainings as they stand: under ten
 * minutes on two cores. Without --quick what is missing in the tables is retrained first, from where they stand; with --out in
 * another folder, from nothing: about 1,000 retrainings, 7 seconds of a core each. --data makes the tasks' files anew from their sources.
 *
 * The exit code is 1 when the default method misses a bar, or a model that was trained again gives other losses than the committed ones.
 */
import { parseArgs } from "node:util";
import { createProducts, defaultMethod, type MethodName } from "../src/attribution/index.ts";
import { loadCheckpoint } from "../src/engine/index.ts";
import { baseFolder } from "./attribution/base.ts";
import type { Figure } from "./attribution/figure.ts";
import { type HotFigures, hotFigures } from "./attribution/hot.ts";
import { figuresOf, materialOf, scoreTask, type TaskFigures } from "./attribution/measure.ts";
import { mislabelAuc } from "./attribution/mislabelled.ts";
import { type PayFigures, payFigures, payScores } from "./attribution/pay.ts";
import { repeatability } from "./attribution/repeat.ts";
import { fillTable } from "./attribution/retrain.ts";
import { trainRun } from "./attribution/run.ts";
import { readTable, type Table } from "./attribution/table.ts";
import { readTask, resultsFolder, type TaskName, taskNames } from "./attribution/task.ts";
import { machine, note } from "./common/measure.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    tasks: { type: "string", default: taskNames.join() },
    out: { type: "string", default: resultsFolder },
    base: { type: "string", default: baseFolder },
  },
});
const chosen = values.tasks.split(",").map((name): TaskName => {
  const known = taskNames.find((each) => each === name);
  if (known === undefined) throw new Error(`There is no task "${name}": expected ${taskNames.join(", ")}.`);
  return known;
});

const on = machine();
const started = performance.now();
const base = loadCheckpoint(values.base);
const products = await createProducts(2);
const tasks: Record<string, TaskFigures & { pay: PayFigures; repeated: number }> = {};
let hot: HotFigures | undefined;
let mislabelled: Partial<Record<MethodName, Figure>> | undefined;

for (const name of chosen) {
  const task = readTask(name);
  if (!values.quick) await fillTable(name, { base: values.base, out: values.out });
  const table: Table | undefined = readTable(name, task.train.length, values.out);
  if (table === undefined) {
    note(`${name}: nothing was retrained yet; run without --quick`);
    continue;
  }
  const run = await trainRun(base, task);
  const repeated = await repeatability(base, task, table, run);
  note(`${name}: trained again, largest difference of a loss ${repeated.toExponential(1)}`);
  if (name === "shakespeare-hot") {
    hot = await hotFigures(base, task, table, run, products, (what) => note(`${name}: ${what}`));
    continue;
  }
  const material = await materialOf(base, task, table, run);
  const scores = await scoreTask(material, task.queries.length, products);
  const pay = payFigures(
    task,
    table,
    await payScores(base, task, table, run),
    scores.reference.get(defaultMethod) as Float32Array,
  );
  tasks[name] = { ...figuresOf(task, table, scores, defaultMethod), pay, repeated };
  note(`${name}: scored, ${Math.round((performance.now() - started) / 1000)} s so far`);
  if (name === "transformations") mislabelled = await mislabelAuc(base, task, products);
}

const seconds = Math.round((performance.now() - started) / 1000);
const result = {
  default: defaultMethod,
  tasks,
  hot,
  hotLds: hot && Math.max(...Object.values(hot.lds).map(({ mean }) => mean)),
  mislabelAuc: mislabelled,
  seconds,
  machine: on,
};
if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
else process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
