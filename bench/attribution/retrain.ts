/**
 * Fills the tables of retrainings, from where they stand: stop it and run it again as you like.
 *
 *   node bench/attribution/retrain.ts [--base FOLDER] [--out FOLDER] [--kinds half,full] [--limit N of each kind and seed] [task …]
 */
import { appendFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { loadCheckpoint } from "../../src/engine/index.ts";
import { note } from "../common/measure.ts";
import { namesOf } from "../common/names.ts";
import { baseFolder } from "./base.ts";
import {
  createJudge,
  generateAnswers,
  type Job,
  jobsOf,
  keptBy,
  retrain,
  trainJob,
} from "./counterfactual.ts";
import { formatRetraining, type RetrainingKind, readTable, retrainingKinds, tableFile } from "./table.ts";
import { readTask, resultsFolder, type TaskName, taskNames } from "./task.ts";

const full: Job = { kind: "full", seed: 1, number: 0 };
const same = (a: Job, b: Job) => a.kind === b.kind && a.seed === b.seed && a.number === b.number;

export async function fillTable(
  name: TaskName,
  options: { base: string; out: string; limit?: number; kinds?: readonly RetrainingKind[] },
): Promise<void> {
  const { limit = Number.POSITIVE_INFINITY, kinds = retrainingKinds } = options;
  const base = loadCheckpoint(options.base);
  const task = readTask(name);
  const file = tableFile(name, options.out);
  mkdirSync(options.out, { recursive: true });
  let table = readTable(name, task.train.length, options.out);
  if (table === undefined) {
    const { adapter } = await trainJob(base, task, full, keptBy(task, full));
    writeFileSync(
      file,
      `${JSON.stringify({ task: name, answers: await generateAnswers(base, task, adapter) })}\n`,
    );
    table = readTable(name, task.train.length, options.out)!;
  } else truncateSync(file, Buffer.byteLength(wholeLines(file)));
  const judge = await createJudge(base, task, table.answers);
  const left = jobsOf(task).filter(
    (job) => kinds.includes(job.kind) && job.number < limit && !table.runs.some((run) => same(run, job)),
  );
  const started = performance.now();
  for (const [done, job] of left.entries()) {
    const run = await retrain(base, task, job, judge);
    appendFileSync(file, `${formatRetraining(run)}\n`);
    const each = (performance.now() - started) / 1000 / (done + 1);
    const mean = run.losses.reduce((sum, x) => sum + x, 0) / run.losses.length;
    note(
      `${name}: ${job.kind} ${job.number} of seed ${job.seed}, loss ${mean.toFixed(4)}; ${done + 1} of ${left.length}, ${each.toFixed(1)} s each, ${Math.ceil((each * (left.length - done - 1)) / 60)} min left`,
    );
  }
}

/** Everything up to the last line's end: a run that was killed may have left half a line. */
function wholeLines(file: string): string {
  const text = readFileSync(file, "utf8");
  return text.slice(0, text.lastIndexOf("\n") + 1);
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      base: { type: "string", default: baseFolder },
      out: { type: "string", default: resultsFolder },
      limit: { type: "string", default: "1000" },
      kinds: { type: "string" },
    },
  });
  const chosen = positionals.length === 0 ? taskNames : namesOf("tasks", positionals.join(), taskNames);
  const kinds = namesOf("kinds", values.kinds, retrainingKinds);
  for (const name of chosen)
    await fillTable(name, { base: values.base, out: values.out, limit: Number(values.limit), kinds });
}
