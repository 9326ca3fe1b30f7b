/** A job's estimate: its rows counted, the machine measured if it has not been, one times the other. */
import { statfs } from "node:fs/promises";
import { availableParallelism, freemem, tmpdir } from "node:os";
import { describeCheckpoint, startWorker, workerUrl } from "../engine/index.ts";
import { jsonDigest } from "../protocol/index.ts";
import type { Database } from "../store/index.ts";
import { ModelFactoryError } from "./errors.ts";
import { type Estimate, estimateJob, type Speeds, speedsSchema } from "./estimate.ts";
import type { JobSpec } from "./job.ts";
import { evaluationRows, type Rows, requireExamples, requireHeldOut } from "./job-rows.ts";
import { type BaseModel, baseDigest, engineVersion } from "./release.ts";
import type { TrainingMethods } from "./worker.ts";

/** Rows that a machine is measured on: some of the job's own, evenly. */
const sampleRows = 60;

function sample<T>(items: readonly T[]): T[] {
  const count = Math.min(sampleRows, items.length);
  return Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)] as T);
}

/**
 * What speeds depend on. The rows count by how long they are, in steps of a half: what attention does for a token grows with the row that it
 * stands in, and what an index does for a row does not.
 *
 * @param rowTokens padded tokens of a row, on average
 */
export const speedsKey = (
  base: BaseModel,
  { rank, modules, threads, batch }: JobSpec["recipe"],
  rowTokens: number,
): string =>
  jsonDigest([
    engineVersion(),
    availableParallelism(),
    baseDigest(base),
    rank,
    [...modules].sort(),
    threads,
    batch,
    Math.round(2 * Math.log2(Math.max(1, rowTokens))),
  ]);

export type JobEstimate = Estimate & {
  /** When this machine was measured, epoch milliseconds. */
  readonly measuredAtMs: number;
  /** What stands in the way on this machine now; nothing if it is ready. */
  readonly problems: readonly string[];
};

const giga = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;

async function problemsOf({ memoryBytes, scratchBytes }: Estimate, residentBytes: number): Promise<string[]> {
  const { bavail, bsize } = await statfs(tmpdir());
  const [memory, disk] = [freemem(), bavail * bsize];
  const more = memoryBytes - residentBytes;
  return [
    ...(more > memory
      ? [
          `It needs about ${giga(more)} of memory beyond what the node holds; ${giga(memory)} are free. Take a smaller batch or maxLength.`,
        ]
      : []),
    ...(scratchBytes > disk
      ? [`It needs about ${giga(scratchBytes)} for temporary files; ${giga(disk)} are free in ${tmpdir()}.`]
      : []),
  ];
}

/**
 * @param isBusy whether a job runs: what is measured beside it would be too slow
 * @throws ModelFactoryError `busy`: this machine has not been measured for such a job, and cannot be now; `nothing-to-train`, `too-few-held-out`, `nothing-to-evaluate` as the job would end
 */
export async function runEstimate(
  parts: { database: Database; base: BaseModel; now: () => number; isBusy: () => boolean },
  spec: JobSpec,
  rows: Rows,
): Promise<JobEstimate> {
  const { database, base, now } = parts;
  const { recipe } = spec;
  const evaluation = evaluationRows(spec, rows);
  // A thread of its own: a job's is not disturbed, and nothing of a job before counts as memory.
  const worker = await startWorker<TrainingMethods>(workerUrl(import.meta.url, "worker"), {
    baseFolder: base.folder,
    baseName: base.name,
  });
  try {
    const work = await worker.call("plan", {
      recipe,
      examples: rows.examples,
      heldOut: rows.heldOut,
      contributorOf: rows.contributorOf,
      contributors: rows.contributors.length,
      evaluation,
    });
    requireExamples(work.examples);
    requireHeldOut(spec, work.heldOut);
    const key = speedsKey(base, recipe, work.epochTokens / work.examples);
    const residentBytes = process.memoryUsage.rss();
    const read = async () => {
      const [row] = await database.query<{ speeds: unknown; measuredAtMs: number }>(
        `select speeds, measured_at_ms as "measuredAtMs" from modelfactory.speeds where key = $1`,
        [key],
      );
      // What an earlier version measured otherwise is measured again.
      const speeds = speedsSchema.safeParse(row?.speeds);
      return row !== undefined && speeds.success ? { ...row, speeds: speeds.data } : undefined;
    };
    let known = await read();
    if (known === undefined) {
      if (parts.isBusy())
        throw new ModelFactoryError(
          "busy",
          "This machine has not been measured for such a recipe yet, and a job is running beside which it would seem slow. Ask again once it is over.",
        );
      const speeds: Speeds = await worker.call("measure", {
        recipe,
        examples: sample(rows.examples),
        heldOut: sample(rows.heldOut),
      });
      await database.query(
        "insert into modelfactory.speeds (key, speeds, measured_at_ms) values ($1, $2, $3) on conflict (key) do update set speeds = excluded.speeds, measured_at_ms = excluded.measured_at_ms",
        [key, speeds, now()],
      );
      known = await read();
    }
    const { speeds, measuredAtMs } = known as { speeds: Speeds; measuredAtMs: number };
    const estimate = estimateJob(describeCheckpoint(base.folder).config, recipe, work, speeds, {
      publish: spec.publish,
      residentBytes,
    });
    return { ...estimate, measuredAtMs, problems: await problemsOf(estimate, residentBytes) };
  } finally {
    await worker.close();
  }
}
