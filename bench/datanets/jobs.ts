/**
 * Fine-tuning jobs: how near an estimate is to what a job then takes, and whether a training that is killed goes on to the same bytes.
 *
 * The valley's rows on the base model that ships, every step of a job that takes time: training, evaluation, index, retrainings. The machine
 * is measured first, as a node does it. Then the same training once more, in a thread that is killed at a random step and started again.
 */
import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeCheckpoint, type Example, startWorker } from "../../src/engine/index.ts";
import { answersMax } from "../../src/modelfactory/answers.ts";
import { estimateJob } from "../../src/modelfactory/estimate.ts";
import { recipeSchema } from "../../src/modelfactory/index.ts";
import { regressionSet } from "../../src/modelfactory/regression.ts";
import type { TrainEvent, TrainingMethods } from "../../src/modelfactory/worker.ts";
import { bytesDigest } from "../../src/protocol/index.ts";
import { scratchFolder } from "../common/measure.ts";

export type JobFigures = {
  /**
   * |estimate − measured| of the whole job, per cent of what was measured, both in processor seconds of all threads: what else the machine
   * does between the measuring and the job does not count.
   */
  estimateErrorPct: number;
  /** The job's seconds by the clock. */
  wallSeconds: number;
  /** Processor seconds of each step: as estimated, and as measured. */
  estimated: Record<"training" | "evaluation" | "index" | "calibration" | "total", number>;
  measured: Record<"training" | "evaluation" | "index" | "calibration" | "total", number>;
  /** Whether the adapter of a training that was killed and gone on with is the one of a training that was not. */
  resumeBitExact: boolean;
  /** Killed after so many steps; gone on from so many. */
  killedAt: number;
  resumedFrom: number;
};

const root = fileURLToPath(new URL("../../", import.meta.url));
const baseFolder = join(root, "models", "openledger-tiny");
const workerFile = new URL("../../src/modelfactory/worker.ts", import.meta.url);
const open = (saveEveryMs?: number) =>
  startWorker<TrainingMethods>(workerFile, { baseFolder, baseName: "openledger-tiny", saveEveryMs });

const rowsOf = (file: string): Example[] =>
  readFileSync(join(root, "examples", "valley", file), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Example);

/** @param options.rows how many of the valley's 700 rows are trained on, 1 in so many */
export async function measureJobs({ every = 4, epochs = 10 } = {}): Promise<JobFigures> {
  const contributors = [1, 2, 3, 4, 5].map((n) => rowsOf(`contributor-${n}.jsonl`));
  const given = contributors.flatMap((rows, contributor) =>
    rows.filter((_, i) => i % every === 0).map((example) => ({ example, contributor })),
  );
  const examples = given.map(({ example }) => example);
  const contributorOf = given.map(({ contributor }) => contributor);
  const heldOut = rowsOf("heldout.jsonl").filter((_, i) => i % 7 === 0);
  const recipe = recipeSchema.parse({
    ...{ epochs, threads: 2, stopAtOptimum: false },
    calibration: { retrainings: 3, leaveOut: 0, queries: 64 },
  });
  const queries = heldOut.slice(0, recipe.calibration.queries);
  await using scratch = scratchFolder("openledger-bench-jobs-");

  const first = await open();
  const work = await first.call("plan", {
    ...{ recipe, examples, heldOut, contributorOf, contributors: contributors.length },
    evaluation: heldOut,
  });
  const speeds = await first.call("measure", {
    recipe,
    examples: examples.slice(0, 60),
    heldOut: heldOut.slice(0, 60),
    clock: "processor",
  });
  await first.close();
  const told = estimateJob(describeCheckpoint(baseFolder).config, recipe, work, speeds, true).seconds;

  const begun = performance.now();
  const engine = await open();
  const timed = async <T>(run: () => Promise<T>): Promise<[T, number]> => {
    const before = process.cpuUsage();
    const result = await run();
    const { user, system } = process.cpuUsage(before);
    return [result, (user + system) / 1e6];
  };
  const [trained, training] = await timed(() =>
    engine.call("train", { recipe, examples, heldOut, start: null, progress: null }),
  );
  const [, evaluation] = await timed(async () => {
    for (const adapter of [null, trained.adapter]) {
      await engine.call("evaluate", { recipe, adapter, examples: heldOut });
      await engine.call("evaluate", { recipe, adapter, examples: [...regressionSet] });
      await engine.call("answers", { recipe, adapter, examples: heldOut.slice(0, answersMax) });
    }
  });
  const [, index] = await timed(() =>
    engine.call("index", {
      ...{ recipe, examples, heldOut, contributorOf, contributors: contributors.length },
      ...{ adapter: trained.adapter, moments: trained.moments, steps: trained.steps },
      explainFile: join(scratch.path, "explain"),
      calibration: { retrainings: recipe.calibration.retrainings, queries },
    }),
  );
  const half = Array.from({ length: Math.ceil(trained.examples / 2) }, (_, i) => 2 * i).filter(
    (i) => i < trained.examples,
  );
  const [, calibration] = await timed(async () => {
    for (let i = 0; i < recipe.calibration.retrainings; i++)
      await engine.call("retrain", {
        ...{ recipe, examples, queries, steps: trained.steps, start: null },
        ...{ kept: half, trainingSeed: recipe.seed },
      });
  });
  await engine.close();
  const wallSeconds = (performance.now() - begun) / 1000;
  const total = training + evaluation + index + calibration;

  const killedAt = randomInt(2, trained.steps);
  const progress = { file: join(scratch.path, "one.training"), key: "bench" };
  const doomed = await open(20);
  const killed = Promise.withResolvers<void>();
  const request = { recipe, examples, heldOut, start: null, progress };
  doomed
    .call("train", request, {
      onEvent: (event: TrainEvent) => {
        if (event.kind === "step" && event.step >= killedAt) killed.resolve();
      },
    })
    .catch(killed.reject);
  await killed.promise;
  await doomed.close(); // its thread ends where it stands, and writes nothing more
  const heir = await open();
  let resumedFrom = 0;
  const again = await heir.call("train", request, {
    onEvent: (event: TrainEvent) => {
      if (event.kind === "resumed") resumedFrom = event.from;
    },
  });
  await heir.close();
  return {
    estimateErrorPct: (100 * Math.abs(told.total - total)) / total,
    wallSeconds,
    estimated: told,
    measured: { training, evaluation, index, calibration, total },
    resumeBitExact:
      resumedFrom > 0 &&
      bytesDigest(again.adapter.tensors) === bytesDigest(trained.adapter.tensors) &&
      bytesDigest(again.moments) === bytesDigest(trained.moments),
    killedAt,
    resumedFrom,
  };
}
