/** The fourth step: retrains on part after part of the examples, each run written down as it ends, and judges the scores by them. */
import {
  type CalibrationTable,
  calibrationQueries,
  contributorGroups,
  type Foretold,
  judgeScores,
  type Plan,
  planRetrainings,
} from "../calibration.ts";
import { type FineTuningJob, listRetrainings, writeRetraining } from "../job.ts";
import type { Rows } from "../job-rows.ts";
import type { RunJobParts } from "../parts.ts";
import type { CalibratedStep, Indexed, Trained } from "../release.ts";
import type { AdapterFiles, RetrainEvent } from "../worker.ts";

/** Between two recorded events of progress. */
const eventEveryMs = 1_000;

export async function calibrate(
  { blobs, database, journal, training, afterStep, now, log }: RunJobParts,
  { id, spec }: FineTuningJob,
  rows: Pick<Rows, "examples" | "heldOut">,
  start: AdapterFiles | null,
  trained: Trained,
  indexed: Indexed,
  signal: AbortSignal,
): Promise<CalibratedStep> {
  const { recipe } = spec;
  if (indexed.foretold === null) return { facts: null, table: null, seconds: 0 };
  const foretold: Foretold = JSON.parse(new TextDecoder().decode(await blobs.get(indexed.foretold)));
  const { contributorOf } = foretold;
  const groups = contributorGroups(contributorOf, recipe.calibration.leaveOut, recipe.seed);
  const plans = planRetrainings(recipe, contributorOf, groups);
  const queries = calibrationQueries(spec, rows.heldOut);
  const found = [...(await listRetrainings(database, id))];

  let lastEventAt = 0;
  /** @param part of the retraining under way */
  function tell(part: number): void {
    if (part > 0 && now() - lastEventAt < eventEveryMs) return;
    lastEventAt = now();
    const done = found.length + part;
    const spent = found.reduce((sum, { seconds }) => sum + seconds, 0);
    const secondsLeft = found.length === 0 ? null : (spent / found.length) * (plans.length - done);
    journal
      .record(id, "calibration", { done, of: plans.length, secondsLeft })
      .catch((error: Error) => log(`Job ${id}: an event was not recorded: ${error.message}`));
  }

  for (const [number, { kept, trainingSeed }] of plans.entries()) {
    if (number < found.length) continue;
    tell(0);
    const begun = performance.now();
    const losses = await (await training()).call(
      "retrain",
      {
        recipe,
        examples: rows.examples,
        kept: [...kept],
        trainingSeed,
        steps: trained.steps,
        queries,
        start,
      },
      { signal, onEvent: ({ step, steps }: RetrainEvent) => tell(step / steps) },
    );
    const retraining = { number, losses, seconds: (performance.now() - begun) / 1000 };
    await writeRetraining(database, id, retraining);
    found.push(retraining);
    await afterStep(`retraining-${number}`);
  }
  tell(0);
  const lossesOf = (kind: Plan["of"]) =>
    found.filter(({ number }) => plans[number]?.of === kind).map(({ losses }) => [...losses]);
  const table: CalibrationTable = {
    ...foretold,
    losses: lossesOf("half"),
    otherSeed: lossesOf("other-seed"),
    groups,
    leftOut: lossesOf("leave-out"),
  };
  return {
    facts: { ...judgeScores(table), seed: recipe.seed },
    table: await blobs.put(new TextEncoder().encode(JSON.stringify(table))),
    seconds: found.reduce((sum, { seconds }) => sum + seconds, 0),
  };
}
