/** The first step: an adapter is trained, from nothing or from another release's. */
import { ModelFactoryError } from "../errors.ts";
import type { FineTuningJob, JobSpec } from "../job.ts";
import type { Rows } from "../job-rows.ts";
import type { RunJobParts } from "../parts.ts";
import { progressKey } from "../progress-files.ts";
import { isOfBase, type Trained } from "../release.ts";
import { findRelease } from "../releases.ts";
import type { AdapterFiles, TrainEvent } from "../worker.ts";
import { bytes } from "./files.ts";

/** Between two recorded training steps; an epoch's last one always is. */
const eventEveryMs = 250;

/**
 * The adapter that a job continues from. The data it was made of must be trained on again: whoever taught it what it knows has to be in
 * the index that pays for what it says.
 *
 * @throws ModelFactoryError `unknown-release`, `other-adapter`, `other-data`
 */
export async function startOf(
  { database, blobs, base }: Pick<RunJobParts, "database" | "blobs" | "base">,
  { continueFrom, recipe, datanets }: JobSpec,
): Promise<AdapterFiles | null> {
  if (continueFrom === null) return null;
  const from = await findRelease(database, continueFrom);
  if (from === undefined)
    throw new ModelFactoryError(
      "unknown-release",
      `There is no release ${continueFrom} here to continue from.`,
    );
  const { adapter } = from.manifest;
  const shape = (of: { rank: number; alpha: number | string; modules: readonly string[] }) =>
    `rank ${of.rank}, alpha ${Number(of.alpha)}, modules ${[...of.modules].sort().join(" ")}`;
  if (!isOfBase(from.manifest, base) || shape(adapter) !== shape(recipe))
    throw new ModelFactoryError(
      "other-adapter",
      `Release ${continueFrom} has an adapter of ${from.manifest.base.name} with ${shape(adapter)}; this job trains one of ${base.name} with ${shape(recipe)}. Ask for the same, or leave continueFrom out to restart from weights.`,
    );
  for (const { datanetId, version } of from.manifest.datanets)
    if (!datanets.some((one) => one.datanetId === datanetId && one.version >= version))
      throw new ModelFactoryError(
        "other-data",
        `Release ${continueFrom} was trained on version ${version} of Datanet ${datanetId}; who continues it trains on that version or a later one, too, so that its contributors stay in the index that pays them. Add it, or leave continueFrom out to restart from weights.`,
      );
  return { config: await blobs.get(from.adapterConfig), tensors: await blobs.get(adapter.digest) };
}

export async function train(
  { blobs, journal, training, progressFile, base, now, log }: RunJobParts,
  { id, spec }: FineTuningJob,
  rows: Rows,
  start: AdapterFiles | null,
  signal: AbortSignal,
): Promise<Trained> {
  let lastEventAt = 0;
  const file = progressFile(id);
  const result = await (await training()).call(
    "train",
    {
      recipe: spec.recipe,
      examples: rows.examples,
      heldOut: rows.heldOut,
      start,
      progress: file === undefined ? null : { file, key: progressKey(id, base) },
    },
    {
      signal,
      onEvent: ({ kind, ...event }: TrainEvent) => {
        if ("epochEnds" in event) {
          if (now() - lastEventAt < eventEveryMs && !event.epochEnds) return;
          lastEventAt = now();
        }
        journal
          .record(id, kind, event)
          .catch((error: Error) => log(`Job ${id}: an event was not recorded: ${error.message}`));
      },
    },
  );
  const { steps, releasedEpoch, heldOutLosses, heldOutRows, lossFirst, examples, skipped, copies } = result;
  const { stepLosses, seconds, tokens } = result;
  return {
    adapterConfig: await blobs.put(result.adapter.config),
    adapterTensors: await blobs.put(result.adapter.tensors),
    moments: await blobs.put(result.moments),
    lossCurve: await blobs.put(bytes(stepLosses.map((loss, at) => [at + 1, Math.round(loss * 1e6)]))),
    epochs: result.epochLosses.length,
    lossLast: result.epochLosses[releasedEpoch - 1] ?? lossFirst,
    ...{
      steps,
      releasedEpoch,
      heldOutLosses,
      heldOutRows,
      lossFirst,
      examples,
      skipped,
      copies,
      seconds,
      tokens,
    },
  };
}
