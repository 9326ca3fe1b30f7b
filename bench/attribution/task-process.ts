/** One task of the benchmark, in a process of its own: trained again, scored by every method, held against its retrainings. */
import { createProducts, defaultMethod, type MethodName, methods } from "../../src/attribution/index.ts";
import { loadCheckpoint } from "../../src/engine/index.ts";
import { serveChild } from "../common/child.ts";
import { note } from "../common/measure.ts";
import { createStopwatch, type PartTime } from "../common/stopwatch.ts";
import type { MeasuredTask } from "./bars.ts";
import type { Figure } from "./figure.ts";
import { type HotFigures, hotFigures } from "./hot.ts";
import { figuresOf, materialOf, scoreTask } from "./measure.ts";
import { mislabelAuc } from "./mislabelled.ts";
import { payFigures, payScores } from "./pay.ts";
import { repeatability } from "./repeat.ts";
import { fillTable } from "./retrain.ts";
import { trainRun } from "./run.ts";
import { seedFigures } from "./seeds.ts";
import { readTable } from "./table.ts";
import { tailPatchFigures } from "./tail-patch.ts";
import { readTask, type TaskName } from "./task.ts";

export type TaskQuestion = {
  readonly name: TaskName;
  /** Folders of the base and of the retrainings' tables. */
  readonly base: string;
  readonly tables: string;
  readonly quick: boolean;
};

/** What was measured of a task; nothing where nothing was retrained yet. */
export type TaskAnswer = {
  readonly measured?: MeasuredTask;
  readonly hot?: HotFigures;
  readonly mislabelled?: Partial<Record<MethodName, Figure>>;
  readonly parts: Record<string, PartTime>;
};

async function measureTask({ name, base: folder, tables, quick }: TaskQuestion): Promise<TaskAnswer> {
  const started = performance.now();
  const { time, times } = createStopwatch();
  const base = loadCheckpoint(folder);
  const products = await createProducts(1);
  const task = readTask(name);
  if (!quick) await time("retrainings", () => fillTable(name, { base: folder, out: tables }));
  const table = readTable(name, task.train.length, tables);
  if (table === undefined) {
    note(`${name}: nothing was retrained yet; run without --quick`);
    return { parts: times() };
  }
  const run = await time("training again", () => trainRun(base, task));
  const repeated = await time("training again", () => repeatability(base, task, table, run));
  note(`${name}: trained again, largest difference of a loss ${repeated.toExponential(1)}`);
  if (name === "shakespeare-hot") {
    const onProgress = (what: string) => note(`${name}: ${what}`);
    const hot = await time("hot training", () =>
      hotFigures(base, task, table, run, products, { quick, onProgress }),
    );
    return { hot, parts: times() };
  }
  const material = await time("gradients", () => materialOf(base, task, table, run));
  const paid = await time("pay and explain index", () =>
    payScores(base, task, table, run, products, { single: !quick }),
  );
  const { scores: ours, rowBytes } = paid.explain.float!;
  const scores = await time("methods", () =>
    scoreTask(material, { reference: ours, generated: paid.generated }, products),
  );
  const figures = await time("statistics", () => figuresOf(task, table, scores, defaultMethod));
  const tailPatch = quick
    ? undefined
    : await time("tail-patch", () => tailPatchFigures(base, task, run, material, scores.reference));
  const pay = await time("rules", () => payFigures(task, table, paid));
  const seeds = await time("across seeds", async () => {
    const released = seedFigures(table, ours, rowBytes / 4);
    if (released === undefined || quick) return released && { default: released };
    const both = await methods[defaultMethod].score(material, products);
    return {
      default: released,
      asTrained: seedFigures(table, both.subarray(0, ours.length), material.width),
    };
  });
  const mislabelled =
    name === "transformations"
      ? await time("mislabelled rows", () => mislabelAuc(base, task, products))
      : undefined;
  note(`${name}: scored in ${Math.round((performance.now() - started) / 1000)} s`);
  return {
    measured: { ...figures, ...(tailPatch && { tailPatch }), ...(seeds && { seeds }), pay, repeated },
    ...(mislabelled && { mislabelled }),
    parts: times(),
  };
}

export type TaskMethods = { measure(question: TaskQuestion): Promise<TaskAnswer> };

serveChild({ measure: measureTask } satisfies TaskMethods);
