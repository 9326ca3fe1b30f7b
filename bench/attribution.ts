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
import { defaultMethod, type MethodName } from "../src/attribution/index.ts";
import { type MeasuredTask, missedBars } from "./attribution/bars.ts";
import { baseFolder } from "./attribution/base.ts";
import type { Figure } from "./attribution/figure.ts";
import { fromOthers, measureSpeed, worstOf } from "./attribution/named.ts";
import { resultsFolder, taskNames } from "./attribution/task.ts";
import { addParts, measureTasks } from "./attribution/tasks.ts";
import { machine } from "./common/measure.ts";
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
const { quick, base, tables } = values;
const answers = await measureTasks(chosen, { quick, base, tables });
const tasks: Record<string, MeasuredTask> = {};
for (const [name, { measured }] of answers) if (measured) tasks[name] = measured;
const hot = answers.get("shakespeare-hot")?.hot;
const mislabelled = answers.get("transformations")?.mislabelled;
const speed = await time("scans and queries", () => measureSpeed(quick ? 400_000 : 1_000_000, 9));
const others = await time("other benchmarks", () => fromOthers(quick));
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
  /** Of all processes together; tasks run side by side. */
  parts: addParts([...[...answers.values()].map(({ parts }) => parts), times()]),
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
