/**
 * A fine-tuning job's steps, what they are estimated to take, and a training that is killed and gone on with: each alone in a process, whose memory is its
 * own.
 */
import { randomInt } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeCheckpoint, type Example, startWorker } from "../../src/engine/index.ts";
import { answersMax } from "../../src/modelfactory/answers.ts";
import { type Estimate, estimateJob } from "../../src/modelfactory/estimate.ts";
import { type RecipeInput, recipeSchema } from "../../src/modelfactory/index.ts";
import { regressionSet } from "../../src/modelfactory/regression.ts";
import type { TrainEvent, TrainingMethods } from "../../src/modelfactory/worker.ts";
import { bytesDigest } from "../../src/protocol/index.ts";
import { serveChild } from "../common/child.ts";
import { scratchFolder } from "../common/measure.ts";

export type JobMaterial = {
  recipe: RecipeInput;
  examples: Example[];
  contributorOf: number[];
  contributors: number;
  heldOut: Example[];
};
export const steps = ["training", "evaluation", "index", "calibration"] as const;
export type StepSeconds = Record<(typeof steps)[number] | "total", number>;
export type JobRun = {
  /** Processor seconds of all threads, by step. */
  seconds: StepSeconds;
  wallSeconds: number;
  /** Largest resident memory of the process. */
  bytes: number;
};

const baseFolder = fileURLToPath(new URL("../../models/openledger-tiny/", import.meta.url));
const workerFile = new URL("../../src/modelfactory/worker.ts", import.meta.url);
const openTrainer = (saveEveryMs?: number) =>
  startWorker<TrainingMethods>(workerFile, { baseFolder, baseName: "openledger-tiny", saveEveryMs });

/** As a node does it: in a process that has done nothing before, on some of the job's own rows. */
async function estimate({ recipe: given, ...material }: JobMaterial): Promise<Estimate> {
  const recipe = recipeSchema.parse(given);
  const { examples, heldOut } = material;
  const worker = await openTrainer();
  const work = await worker.call("plan", { recipe, ...material, evaluation: heldOut });
  const residentBytes = process.memoryUsage.rss();
  const some = (of: Example[]) => of.filter((_, i) => i % Math.max(1, Math.ceil(of.length / 60)) === 0);
  const speeds = await worker.call("measure", {
    ...{ recipe, examples: some(examples), heldOut: some(heldOut), clock: "processor" },
  });
  await worker.close();
  return estimateJob(describeCheckpoint(baseFolder).config, recipe, work, speeds, {
    publish: true,
    residentBytes,
  });
}

async function run({ recipe: given, ...material }: JobMaterial): Promise<JobRun> {
  const recipe = recipeSchema.parse(given);
  const { examples, heldOut, contributorOf, contributors } = material;
  const queries = heldOut.slice(0, recipe.calibration.queries);
  await using scratch = scratchFolder("openledger-bench-job-");
  const begun = performance.now();
  const engine = await openTrainer();
  const seconds: StepSeconds = { training: 0, evaluation: 0, index: 0, calibration: 0, total: 0 };
  const timed = async <T>(step: (typeof steps)[number], work: () => Promise<T>): Promise<T> => {
    const before = process.cpuUsage();
    const result = await work();
    const { user, system } = process.cpuUsage(before);
    seconds[step] += (user + system) / 1e6;
    seconds.total += (user + system) / 1e6;
    return result;
  };
  const trained = await timed("training", () =>
    engine.call("train", { recipe, examples, heldOut, start: null, progress: null }),
  );
  await timed("evaluation", async () => {
    for (const adapter of [null, trained.adapter]) {
      await engine.call("evaluate", { recipe, adapter, examples: heldOut });
      await engine.call("evaluate", { recipe, adapter, examples: [...regressionSet] });
      await engine.call("answers", { recipe, adapter, examples: heldOut.slice(0, answersMax) });
    }
  });
  await timed("index", () =>
    engine.call("index", {
      ...{ recipe, examples, heldOut, contributorOf, contributors },
      ...{ adapter: trained.adapter, moments: trained.moments, steps: trained.steps },
      explainFile: join(scratch.path, "explain"),
      calibration:
        recipe.calibration.retrainings === 0
          ? null
          : { retrainings: recipe.calibration.retrainings, queries },
    }),
  );
  const half = Array.from({ length: Math.ceil(trained.examples / 2) }, (_, i) => 2 * i).filter(
    (i) => i < trained.examples,
  );
  const { retrainings, leaveOut } = recipe.calibration;
  const groups = retrainings === 0 ? 0 : leaveOut;
  const plans = [
    ...Array.from({ length: retrainings }, () => half),
    ...Array.from({ length: groups }, (_, group) =>
      Array.from({ length: trained.examples }, (_, i) => i).filter((i) => i % groups !== group),
    ),
  ];
  await timed("calibration", async () => {
    for (const kept of plans)
      await engine.call("retrain", {
        ...{ recipe, examples, queries, steps: trained.steps, start: null },
        ...{ kept, trainingSeed: recipe.seed },
      });
  });
  await engine.close();
  return {
    seconds,
    wallSeconds: (performance.now() - begun) / 1000,
    bytes: process.resourceUsage().maxRSS * 1024,
  };
}

export type Resumed = {
  /** Whether the adapter of a training that was killed and gone on with is the one of a training that was not. */
  bitExact: boolean;
  /** Killed after so many steps; gone on from so many. */
  killedAt: number;
  resumedFrom: number;
};

async function resume({ recipe: given, examples, heldOut }: JobMaterial): Promise<Resumed> {
  const recipe = recipeSchema.parse(given);
  await using scratch = scratchFolder("openledger-bench-resume-");
  const request = { recipe, examples, heldOut, start: null };
  const whole = await openTrainer();
  const trained = await whole.call("train", { ...request, progress: null });
  await whole.close();
  const killedAt = randomInt(2, trained.steps);
  const progress = { file: join(scratch.path, "one.training"), key: "bench" };
  const doomed = await openTrainer(20);
  const killed = Promise.withResolvers<void>();
  doomed
    .call(
      "train",
      { ...request, progress },
      {
        onEvent: (event: TrainEvent) => {
          if (event.kind === "step" && event.step >= killedAt) killed.resolve();
        },
      },
    )
    .catch(killed.reject);
  await killed.promise;
  await doomed.close(); // its thread ends where it stands, and writes nothing more
  const heir = await openTrainer();
  let resumedFrom = 0;
  const again = await heir.call(
    "train",
    { ...request, progress },
    {
      onEvent: (event: TrainEvent) => {
        if (event.kind === "resumed") resumedFrom = event.from;
      },
    },
  );
  await heir.close();
  const bitExact =
    resumedFrom > 0 &&
    bytesDigest(again.adapter.tensors) === bytesDigest(trained.adapter.tensors) &&
    bytesDigest(again.moments) === bytesDigest(trained.moments);
  return { bitExact, killedAt, resumedFrom };
}

const methods = { estimate, run, resume };
export type JobMethods = typeof methods;
serveChild(methods);
