/** The step between index and release: retrains, one half after the other, each written down as it ends, and judges the scores by them. */
import { type CalibrationTable, calibrationQueries, type Foretold, judgeScores } from "./calibration.ts";
import { type FineTuningJob, listRetrainings, writeRetraining } from "./job.ts";
import type { CalibratedStep, Indexed, Trained } from "./release.ts";
import type { Rows, RunJobParts } from "./run-job.ts";
import type { RetrainEvent } from "./worker.ts";

/** Between two recorded events of progress. */
const eventEveryMs = 1_000;

export async function calibrate(
  { blobs, database, journal, training, afterStep, now, log }: RunJobParts,
  { id, spec }: FineTuningJob,
  rows: Pick<Rows, "examples" | "heldOut">,
  trained: Trained,
  indexed: Indexed,
  signal: AbortSignal,
): Promise<CalibratedStep> {
  const { recipe } = spec;
  if (indexed.foretold === null) return { facts: null, table: null, seconds: 0 };
  const foretold: Foretold = JSON.parse(new TextDecoder().decode(await blobs.get(indexed.foretold)));
  const { retrainings, ceiling } = recipe.calibration;
  const of = ceiling ? 2 * retrainings : retrainings;
  const queries = calibrationQueries(spec, rows.heldOut);
  const found = [...(await listRetrainings(database, id))];

  let lastEventAt = 0;
  /** @param part of the retraining under way */
  function tell(part: number): void {
    if (part > 0 && now() - lastEventAt < eventEveryMs) return;
    lastEventAt = now();
    const done = found.length + part;
    const spent = found.reduce((sum, { seconds }) => sum + seconds, 0);
    const secondsLeft = found.length === 0 ? null : (spent / found.length) * (of - done);
    journal
      .record(id, "calibration", { done, of, secondsLeft })
      .catch((error: Error) => log(`Job ${id}: an event was not recorded: ${error.message}`));
  }

  for (let number = found.length; number < of; number++) {
    tell(0);
    const begun = performance.now();
    const losses = await (await training()).call(
      "retrain",
      {
        recipe,
        examples: rows.examples,
        number: number % retrainings,
        trainingSeed: number < retrainings ? recipe.seed : (recipe.seed + 1) >>> 0,
        steps: trained.steps,
        queries,
      },
      { signal, onEvent: ({ step, steps }: RetrainEvent) => tell(step / steps) },
    );
    const retraining = { number, losses, seconds: (performance.now() - begun) / 1000 };
    await writeRetraining(database, id, retraining);
    found.push(retraining);
    await afterStep(`retraining-${number}`);
  }
  tell(0);
  const losses = found.map((run) => [...run.losses]);
  const table: CalibrationTable = {
    ...foretold,
    losses: losses.slice(0, retrainings),
    otherSeed: losses.slice(retrainings),
  };
  return {
    facts: { ...judgeScores(table), seed: recipe.seed },
    table: await blobs.put(new TextEncoder().encode(JSON.stringify(table))),
    seconds: found.reduce((sum, { seconds }) => sum + seconds, 0),
  };
}
