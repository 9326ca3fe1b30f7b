/** The training thread: trains, evaluates, builds pay indexes and retrains over one base model, one request at a time. */
import { clusterList, encodeBasis, type PayIndex } from "../attribution/index.ts";
import {
  type Adapter,
  collectGarbage,
  createEvaluator,
  type Example,
  exportPeft,
  formatSafetensors,
  initialAdapter,
  loadCheckpoint,
  loraOf,
  parseSafetensors,
  positionsFor,
  readPeft,
  type Sequence,
  serveWorker,
  type WorkerCall,
} from "../engine/index.ts";
import { exampleText } from "../protocol/index.ts";
import { writeAnswers } from "./answers.ts";
import { type Foretold, foretell, halfSubset } from "./calibration.ts";
import type { Speeds, Work } from "./estimate.ts";
import { createExplainFile } from "./explain-file.ts";
import { type MeasureRequest, measureSpeeds, type PlanRequest, planWork } from "./measure.ts";
import type { Recipe } from "./recipe.ts";
import { buildReleaseIndex, trainedMetric } from "./release-index.ts";
import {
  type EpochEvent,
  readableRows,
  retrain,
  type StepEvent,
  sequenceLength,
  type TrainedAdapter,
  trainAdapter,
} from "./training.ts";
import { trainingRows } from "./training-rows.ts";
import { readTraining, writeTraining } from "./training-state.ts";

export type TrainingWorkerData = {
  baseFolder: string;
  baseName: string;
  /** How often a training under way is written down; a default of its own without it. */
  saveEveryMs?: number | undefined;
};

export type AdapterFiles = { config: Uint8Array; tensors: Uint8Array };
export type TrainRequest = {
  recipe: Recipe;
  examples: Example[];
  heldOut: Example[];
  /** The adapter to continue from. */
  start: AdapterFiles | null;
  /** Where the training is written down while it goes on, and gone on from if it is there already; `key` says what it is of. */
  progress: { file: string; key: string } | null;
};
export type TrainEvent =
  | ({ kind: "step" } & StepEvent)
  | ({ kind: "epoch" } & EpochEvent)
  | { kind: "resumed"; from: number };
export type TrainResult = Omit<TrainedAdapter, "state"> & {
  adapter: AdapterFiles;
  /** Adam's second moments, as safetensors by tensor name. */
  moments: Uint8Array;
  /** Steps of the released adapter. */
  steps: number;
  examples: number;
  /** Rows left out because they spell a control token. */
  skipped: number;
  /** Rows left out because they repeat another's text. */
  copies: number;
};
export type EvaluateRequest = { recipe: Recipe; adapter: AdapterFiles | null; examples: Example[] };
/** Of the examples that can be read. */
export type EvaluateEvent = { done: number };
export type EvaluateResult = { loss: number; losses: number[]; exact: boolean[] };
export type AnswersResult = { answer: string; reference: string }[];
export type IndexRequest = {
  recipe: Recipe;
  adapter: AdapterFiles;
  moments: Uint8Array;
  steps: number;
  examples: Example[];
  contributorOf: number[];
  contributors: number;
  heldOut: Example[];
  /** Where the explain index is written to. */
  explainFile: string;
  /** Score these answers against the halves that retrainings will keep. */
  calibration: { retrainings: number; queries: Example[] } | null;
};
export type IndexEvent = { stage: string; done: number; of: number };
export type IndexResult = Omit<PayIndex, "basis" | "calibration"> & {
  basis: Uint8Array;
  foretold: Foretold | null;
  /** Near duplicates, as numbers of rows: the one that stands for the others first. */
  clusters: number[][];
};
export type RetrainRequest = {
  recipe: Recipe;
  examples: Example[];
  /** Of the rows trained on, and the seed of the training: the recipe's, or another. */
  kept: number[];
  trainingSeed: number;
  steps: number;
  queries: Example[];
  start: AdapterFiles | null;
};
export type RetrainEvent = { step: number; steps: number };

export type TrainingMethods = {
  /** What a job asks for, counted. */
  plan: (request: PlanRequest) => Work;
  /** How fast this thread is at parts of it. */
  measure: (request: MeasureRequest) => Promise<Speeds>;
  train: (request: TrainRequest, call: WorkerCall) => Promise<TrainResult>;
  evaluate: (request: EvaluateRequest, call: WorkerCall) => Promise<EvaluateResult>;
  answers: (request: EvaluateRequest, call: WorkerCall) => Promise<AnswersResult>;
  index: (request: IndexRequest, call: WorkerCall) => Promise<IndexResult>;
  /** @returns the losses of the queries */
  retrain: (request: RetrainRequest, call: WorkerCall) => Promise<number[]>;
};

await serveWorker<TrainingWorkerData>((data): TrainingMethods => {
  const base = loadCheckpoint(data.baseFolder);
  async function evaluated(
    adapter: Adapter,
    sequences: readonly Sequence[],
    threads: number,
    onBatch?: (done: number) => void,
  ) {
    const evaluate = await createEvaluator(base, adapter.config, positionsFor(sequences), threads);
    return evaluate(adapter, sequences, undefined, onBatch);
  }

  const openAdapter = ({ config, tensors }: AdapterFiles): Adapter =>
    readPeft(
      JSON.parse(new TextDecoder().decode(config)),
      parseSafetensors(tensors, "of this job"),
      base.config,
      "of this job",
    );

  /** An adapter that changes nothing stands for the base. */
  const openOr = (recipe: Recipe, adapter: AdapterFiles | null): Adapter =>
    adapter === null ? initialAdapter(base.config, loraOf(recipe), recipe.seed) : openAdapter(adapter);

  return {
    plan: (request) => planWork(base, request),
    measure: (request) => measureSpeeds(base, request),

    async train({ recipe, examples, heldOut, start, progress }, { emit, signal }) {
      const { sequences, unreadable, copies } = trainingRows(base, recipe, examples);
      const saved =
        progress === null
          ? undefined
          : readTraining(progress.file, progress.key, base.config, loraOf(recipe));
      if (saved !== undefined) emit({ kind: "resumed", from: saved.state.step } satisfies TrainEvent);
      const { state, ...rest } = await trainAdapter(
        base,
        recipe,
        sequences,
        readableRows(base, recipe, heldOut).sequences,
        {
          signal,
          saved,
          start: start === null ? undefined : openAdapter(start),
          saveEveryMs: data.saveEveryMs,
          save:
            progress === null ? undefined : (reached) => writeTraining(progress.file, progress.key, reached),
          onStep: (event) => emit({ kind: "step", ...event } satisfies TrainEvent),
          onEpoch: (event) => emit({ kind: "epoch", ...event } satisfies TrainEvent),
        },
      );
      const { adapter, optimizer, step: steps } = state;
      const files = exportPeft(adapter, data.baseName);
      return {
        ...rest,
        adapter: { config: files["adapter_config.json"], tensors: files["adapter_model.safetensors"] },
        moments: formatSafetensors(
          [...adapter.tensors].map(
            ([name, { shape }]) =>
              [name, { data: optimizer.moments.get(name)?.v as Float32Array, shape }] as const,
          ),
          "F32",
        ),
        steps,
        examples: sequences.length,
        skipped: unreadable,
        copies,
      };
    },

    async answers({ recipe, adapter, examples }, { emit }) {
      const opened = openOr(recipe, adapter);
      return writeAnswers(base, opened, examples, sequenceLength(base, recipe), recipe.threads, (done) =>
        emit({ done } satisfies EvaluateEvent),
      );
    },

    async evaluate({ recipe, adapter, examples }, { emit }) {
      const opened = openOr(recipe, adapter);
      return evaluated(opened, readableRows(base, recipe, examples).sequences, recipe.threads, (done) =>
        emit({ done } satisfies EvaluateEvent),
      );
    },

    async index(
      { recipe, adapter, moments, steps, examples, contributorOf, contributors, heldOut, ...request },
      { emit },
    ) {
      const { explainFile, calibration } = request;
      using explain = createExplainFile(explainFile, examples.length, recipe.seed);
      const opened = openAdapter(adapter);
      const second = parseSafetensors(moments, "of this job's optimizer");
      const sets = (trained: readonly number[]) =>
        Array.from({ length: calibration?.retrainings ?? 0 }, (_, m) =>
          halfSubset(trained.length, recipe.seed, m),
        );
      const {
        basis,
        calibration: scores,
        representatives,
        trained,
        kept,
        heldOutKept: _,
        queries: asked,
        ...index
      } = await buildReleaseIndex(
        base,
        { recipe, adapter: opened, examples, contributorOf, contributors, heldOut },
        {
          metric: trainedMetric(base.config, opened, (name) => second.get(name)?.data as Float32Array, steps),
          queries: calibration?.queries ?? [],
          more: ({ trained, kept, queries }) => ({
            explain: (row, at) => explain.add(row, kept[at] as number),
            ...(calibration && {
              calibration: {
                sets: sets(trained).map((set) => new Set([...set].map((at) => trained[at] as number))),
                queries: queries.sequences,
              },
            }),
          }),
          onProgress: (stage, done, of) => emit({ stage, done, of } satisfies IndexEvent),
        },
      );
      explain.end();
      const rows = trained.map((at) => kept[at] as number);
      const foretold =
        scores === undefined
          ? null
          : foretell({
              seed: recipe.seed,
              sets: sets(trained),
              scores,
              contributorOf: rows.map((i) => contributorOf[i] as number),
              contributorOfRow: index.contributorOfRow,
              thresholdMillionths: index.thresholdMillionths,
              texts: rows.map((i) => exampleText(examples[i] as Example)),
              queries: asked.kept.map((i) => exampleText(calibration?.queries[i] as Example)),
              tokens: asked.sequences.map(({ targets }) => targets.length),
              released: (await evaluated(opened, asked.sequences, recipe.threads)).losses,
            });
      const clusters = clusterList(representatives).map((members) => members.map((i) => kept[i] as number));
      return { ...index, basis: encodeBasis(basis), clusters, foretold };
    },

    async retrain({ recipe, examples, kept, trainingSeed, steps, queries, start }, { emit, signal }) {
      const { sequences } = trainingRows(base, recipe, examples);
      return retrain(
        base,
        { ...recipe, seed: trainingSeed },
        sequences,
        new Set(kept),
        steps,
        readableRows(base, recipe, queries).sequences,
        {
          signal,
          start: start === null ? undefined : openAdapter(start),
          onStep: (step) => emit({ step, steps } satisfies RetrainEvent),
        },
      );
    },
  };
  // Each call begins without what those before it left: else the most that is held hangs on when that is let go of.
}, collectGarbage);
