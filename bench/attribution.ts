/**
 * How right attribution is: every method's scores against retrainings without parts of the data, and what the scores cost.
 *
 *   ./openledger bench attribution [--json] [--quick] [--tasks a,b] [--tables DIR] [--base DIR] [--out FILE]
 *
 * Tasks and the retrainings' losses are committed under bench/results/attribution. --quick trains each task's full model again (five
 * trainings, held against the committed losses as a check), scores it by every method and takes the retrainings as they stand: under ten
 * minutes on two cores. Left out then: one step on a method's choice, the default along the adapter's own directions, more draws and a second seed of hot
 * training, and rules that need null rows of contributors' sizes. What it does not measure itself it takes from other benchmarks' committed results, and `sources` names them.
 * Without --quick what is missing in the tables is retrained first, from where they stand (with --tables in another folder, from
 * nothing: about 1,000 retrainings, 7 seconds of a core each), and the other benchmarks are run. --out also writes the JSON down. Tasks are made by
 * bench/attribution/make-tasks.ts and the base by bench/attribution/base.ts, both from the data folder that the base's report names.
 *
 * The exit code is 1 when the default method misses a bar, or a model that was trained again gives other losses than the committed ones.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createProducts, defaultMethod, type MethodName, methods } from "../src/attribution/index.ts";
import { loadCheckpoint } from "../src/engine/index.ts";
import { type MeasuredTask, missedBars } from "./attribution/bars.ts";
import { baseFolder } from "./attribution/base.ts";
import type { Figure } from "./attribution/figure.ts";
import { type HotFigures, hotFigures } from "./attribution/hot.ts";
import { figuresOf, materialOf, scoreTask } from "./attribution/measure.ts";
import { mislabelAuc } from "./attribution/mislabelled.ts";
import { fromOthers, measureSpeed, worstOf } from "./attribution/named.ts";
import { payFigures, payScores } from "./attribution/pay.ts";
import { repeatability } from "./attribution/repeat.ts";
import { fillTable } from "./attribution/retrain.ts";
import { trainRun } from "./attribution/run.ts";
import { seedFigures } from "./attribution/seeds.ts";
import { readTable, type Table } from "./attribution/table.ts";
import { tailPatchFigures } from "./attribution/tail-patch.ts";
import { readTask, resultsFolder, taskNames } from "./attribution/task.ts";
import { machine, note } from "./common/measure.ts";
import { namesOf } from "./common/names.ts";
import { createStopwatch } from "./common/stopwatch.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    tasks: { type: "string" },
    tables: { type: "string", default: resultsFolder },
    out: { type: "string" },
    base: { type: "string", default: baseFolder },
  },
});
const chosen = namesOf("tasks", values.tasks, taskNames);

const on = machine();
const started = performance.now();
const { time, times } = createStopwatch();
const base = loadCheckpoint(values.base);
const products = await createProducts(2);
const tasks: Record<string, MeasuredTask> = {};
let hot: HotFigures | undefined;
let mislabelled: Partial<Record<MethodName, Figure>> | undefined;

for (const name of chosen) {
  const task = readTask(name);
  if (!values.quick)
    await time("retrainings", () => fillTable(name, { base: values.base, out: values.tables }));
  const table: Table | undefined = readTable(name, task.train.length, values.tables);
  if (table === undefined) {
    note(`${name}: nothing was retrained yet; run without --quick`);
    continue;
  }
  const run = await time("training again", () => trainRun(base, task));
  const repeated = await time("training again", () => repeatability(base, task, table, run));
  note(`${name}: trained again, largest difference of a loss ${repeated.toExponential(1)}`);
  if (name === "shakespeare-hot") {
    hot = await time("hot training", () =>
      hotFigures(base, task, table, run, products, {
        quick: values.quick,
        onProgress: (what) => note(`${name}: ${what}`),
      }),
    );
    continue;
  }
  const material = await time("gradients", () => materialOf(base, task, table, run));
  const paid = await time("pay and explain index", () =>
    payScores(base, task, table, run, products, { single: !values.quick }),
  );
  const scores = await time("methods", () =>
    scoreTask(material, { reference: paid.explain.float!.scores, generated: paid.generated }, products),
  );
  const figures = await time("statistics", () => figuresOf(task, table, scores, defaultMethod));
  const tailPatch = values.quick
    ? undefined
    : await time("tail-patch", () => tailPatchFigures(base, task, run, material, scores.reference));
  const pay = await time("rules", () => payFigures(task, table, paid));
  const seeds = await time("across seeds", async () => {
    const { scores: ours, rowBytes } = paid.explain.float!;
    const released = seedFigures(table, ours, rowBytes / 4);
    if (released === undefined || values.quick) return released && { default: released };
    const both = await methods[defaultMethod].score(material, products);
    return {
      default: released,
      asTrained: seedFigures(table, both.subarray(0, ours.length), material.width),
    };
  });
  tasks[name] = {
    ...figures,
    ...(tailPatch && { tailPatch }),
    ...(seeds && { seeds }),
    pay,
    repeated,
  };
  note(`${name}: scored, ${Math.round((performance.now() - started) / 1000)} s so far`);
  if (name === "transformations")
    mislabelled = await time("mislabelled rows", () => mislabelAuc(base, task, products));
}

const speed = await time("scans and queries", () => measureSpeed(values.quick ? 400_000 : 1_000_000, 9));
const others = await time("other benchmarks", () => fromOthers(values.quick));
const { payoutError, indexLossOfLds } = worstOf(tasks);
const missed = missedBars(tasks, hot, speed);
const result = {
  default: defaultMethod,
  tasks,
  hotLds: hot && Math.max(...Object.values(hot.lds).map(({ mean }) => mean)),
  payoutError,
  mislabelAuc: mislabelled,
  indexLossOfLds,
  queryCostForwards: speed.queryCostForwards,
  payRowsPerSec: speed.payRowsPerSec,
  explainRowsPerSec: speed.explainRowsPerSec,
  bandwidthRatio: speed.bandwidthRatio,
  receiptLagMsP95: others.receiptLagMsP95,
  gasWrongScoreProof: others.gasWrongScoreProof,
  attacks: others.attacks,
  /** Every other figure is of this run. */
  sources: others.sources,
  hot,
  speed: speed.details,
  missed,
  seconds: Math.round((performance.now() - started) / 1000),
  parts: times(),
  machine: on,
};
const json = JSON.stringify(result);
if (values.out !== undefined) writeFileSync(values.out, `${json}\n`);
process.stdout.write(`${values.json ? json : report(result)}\n`);
if (missed.length > 0) process.exitCode = 1;

/** The same for people. */
function report({ tasks, hot, mislabelAuc, missed, seconds, parts, ...rest }: typeof result): string {
  const show = (one: Figure | undefined) =>
    one === undefined ? "-" : `${one.mean.toFixed(3)} [${one.lo.toFixed(2)}, ${one.hi.toFixed(2)}]`;
  const lines: string[] = [];
  for (const [
    name,
    { n, lds, crossSeed, ceiling, contributorLds, generatedLds, tailPatch, pay },
  ] of Object.entries(tasks)) {
    lines.push(`${name}: ${n} examples`, "  method        LDS                   by contributor");
    for (const [method, one] of Object.entries(lds))
      lines.push(
        `  ${method.padEnd(12)}  ${show(one).padEnd(20)}  ${show(contributorLds?.[method as MethodName])}`,
      );
    lines.push(
      `  loss after one step on the highest twentieth: ${tailPatch?.adamfisher ? `${show(tailPatch.adamfisher)} lower, by chance ${show(tailPatch.chance)}` : "-"}`,
    );
    lines.push(
      `  on another seed ${show(crossSeed)}, ceiling ${show(ceiling)}; on generated answers ${show(generatedLds)}`,
    );
    lines.push("  rule                         payout error          splitting gains");
    for (const [rule, gain] of Object.entries(pay.splitting))
      lines.push(`  ${rule.padEnd(27)}  ${show(pay.error?.[rule]).padEnd(20)}  ${gain.toFixed(2)}`);
    lines.push(`  nobody is above T in ${Math.round(100 * pay.nobodyPaid)} % of the answers`, "");
  }
  if (hot !== undefined) {
    lines.push("hot training");
    for (const [name, one] of Object.entries(hot.lds)) lines.push(`  ${name.padEnd(52)}  ${show(one)}`);
    lines.push("");
  }
  if (mislabelAuc !== undefined)
    lines.push(
      `mislabelled rows found: ${Object.entries(mislabelAuc)
        .map(([name, one]) => `${name} ${one.mean.toFixed(2)}`)
        .join(", ")}`,
    );
  for (const name of [
    "queryCostForwards",
    "payRowsPerSec",
    "explainRowsPerSec",
    "bandwidthRatio",
    "receiptLagMsP95",
    "gasWrongScoreProof",
  ] as const)
    lines.push(`${name} ${rest[name]}${name in rest.sources ? ` (${rest.sources[name as never]})` : ""}`);
  for (const [part, time] of Object.entries(parts))
    lines.push(`${part}: ${time.seconds} s, ${time.cpuSeconds} s of processor time`);
  return [...lines, ...missed, `${seconds} s`].join("\n");
}
