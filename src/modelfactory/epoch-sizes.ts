/** How large an epoch of a job is, by which it is priced: counted once for all jobs that read the same rows in the same way. */
import { startWorker, workerUrl } from "../engine/index.ts";
import { jsonDigest } from "../protocol/index.ts";
import type { Work } from "./estimate.ts";
import type { JobSpec } from "./job.ts";
import type { Rows } from "./job-rows.ts";
import type { BaseModel } from "./release.ts";
import type { TrainingMethods } from "./worker.ts";

export type EpochSize = Pick<Work, "stepsPerEpoch" | "epochTokens">;

/** How many are remembered, those asked for least recently forgotten first: a sweep takes a few. */
const sizesMax = 64;

/** What the counting reads: a version's root says its rows. Rank, rates, seed and epochs change nothing of it. */
const sizeKey = ({ recipe, exclude }: JobSpec, { versions }: Rows): string =>
  jsonDigest([
    ...[versions.map(({ root }) => root), [...exclude].sort()],
    ...[recipe.batch, recipe.maxLength, String(recipe.trainOnEnd)],
  ]);

/** @returns asks for the size of a job's epoch: the first time by a thread that reads the rows, for as long as that takes; at once after it */
export function createEpochSizes(base: BaseModel): (spec: JobSpec, rows: Rows) => Promise<EpochSize> {
  const known = new Map<string, Promise<EpochSize>>();
  async function count({ recipe }: JobSpec, rows: Rows): Promise<EpochSize> {
    // A thread of its own: a job's is not disturbed.
    const worker = await startWorker<TrainingMethods>(workerUrl(import.meta.url, "worker"), {
      baseFolder: base.folder,
      baseName: base.name,
    });
    try {
      const { stepsPerEpoch, epochTokens } = await worker.call("plan", {
        recipe,
        examples: rows.examples,
        heldOut: [],
        contributorOf: rows.contributorOf,
        contributors: rows.contributors.length,
        evaluation: [],
      });
      return { stepsPerEpoch, epochTokens };
    } finally {
      await worker.close();
    }
  }
  return (spec, rows) => {
    const key = sizeKey(spec, rows);
    const size = known.get(key) ?? count(spec, rows);
    known.delete(key);
    known.set(key, size);
    size.catch(() => known.get(key) === size && known.delete(key)); // what failed is tried again
    const [oldest] = known.keys();
    if (known.size > sizesMax && oldest !== undefined) known.delete(oldest);
    return size;
  };
}
