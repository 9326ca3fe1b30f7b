/**
 * What a job does: train → evaluate → index → calibrate → release. Each finished step is written down, so a job that is run again, after a crash or a
 * restart, goes on after the last of them and ends in the same release.
 */
import { isOver, type JobState, type JobStep, readJob, workedOn, writeStep } from "./job.ts";
import { evaluationRows, readRows, requireHeldOut, requireName, requirePrice } from "./job-rows.ts";
import type { RunJobParts } from "./parts.ts";
import { requirePaid } from "./payment.ts";
import { calibrate } from "./steps/calibrate.ts";
import { evaluate } from "./steps/evaluate.ts";
import { index } from "./steps/pay-index.ts";
import { release } from "./steps/release.ts";
import { startOf, train } from "./steps/train.ts";
import { CancelledError } from "./training.ts";
import { removeTraining } from "./training-state.ts";

/** One step after the other. */
export async function runJob(parts: RunJobParts, jobId: string, signal: AbortSignal): Promise<void> {
  const { database, journal, afterStep, log } = parts;
  const job = await readJob(database, jobId);
  if (isOver(job) || job.state === "paused" || job.state === "unpaid") return;
  const rows = await readRows(parts, job.spec);
  evaluationRows(job.spec, rows);
  requireHeldOut(job.spec, rows.heldOut.length);
  await requireName(parts, job.spec);
  await requirePrice(parts, job.spec);

  /** Goes on to what comes next, unless somebody has stopped the job: that is read where it is written, and nothing is written over it. */
  async function enter(state: JobState): Promise<void> {
    if (signal.aborted || !(await journal.setState(jobId, state, {}, workedOn)))
      throw new CancelledError(`Job ${jobId} was stopped before it was ${state}.`);
  }

  /** What the step left behind last time, or what it leaves now. */
  async function once<T extends object>(step: JobStep, state: JobState, run: () => Promise<T>): Promise<T> {
    const before = job[step] as T | null;
    if (before !== null) return before;
    requirePaid(job, parts.now());
    await enter(state);
    const result = await run();
    await writeStep(database, jobId, step, result);
    await afterStep(step);
    return result;
  }

  const start = await startOf(parts, job.spec);
  const trained = await once("trained", "training", () => train(parts, job, rows, start, signal));
  const file = parts.progressFile(jobId);
  if (file !== undefined) removeTraining(file);
  const evaluated = await once("evaluated", "evaluating", () => evaluate(parts, job, rows, trained));
  if (!job.spec.publish) return enter("succeeded");
  const indexed = await once("indexed", "indexing", () => index(parts, job, rows, trained));
  const calibrated = await once("calibrated", "calibrating", () =>
    calibrate(parts, job, rows, start, trained, indexed, signal),
  );
  requirePaid(job, parts.now());
  await enter("releasing");
  const id = await release(parts, job, rows, trained, evaluated, indexed, calibrated);
  await afterStep("released");
  await database.query("update modelfactory.jobs set release_id = $2 where id = $1", [jobId, id]);
  await journal.setState(jobId, "succeeded");
  parts.onRelease(id);
  log(`Job ${jobId}: "${job.spec.model}" is released as ${id}.`);
}
