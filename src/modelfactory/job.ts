/** A fine-tuning job: what is asked for, how far it is, and what its finished steps left. */
import { z } from "zod";
import { addressSchema, type Digest, decimalSchema, exampleSchema, uint32Schema } from "../protocol/index.ts";
import type { Database, Queries } from "../store/index.ts";
import { ModelFactoryError } from "./errors.ts";
import { recipeSchema } from "./recipe.ts";
import {
  type CalibratedStep,
  calibratedSchema,
  type Evaluated,
  evaluatedSchema,
  type Indexed,
  indexedSchema,
  type Trained,
  trainedSchema,
} from "./release.ts";

const modelNameSchema = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9._-]{0,63}$/,
    "1 to 64 of a–z, 0–9, dot, dash and underscore, starting with a letter or digit",
  );

export const jobSpecSchema = z.strictObject({
  /** The name the model is asked for by. */
  model: modelNameSchema,
  datanets: z
    .array(z.strictObject({ datanetId: decimalSchema, version: uint32Schema.min(1) }))
    .min(1)
    .max(64),
  recipe: recipeSchema.prefault({}),
  /** Examples of what the model should be able to do; measured before and after, never trained on. */
  evaluation: z.array(exampleSchema).max(2_000).default([]),
  price: z
    .strictObject({ promptWeiPerToken: decimalSchema, completionWeiPerToken: decimalSchema })
    .default({ promptWeiPerToken: "1000000000000", completionWeiPerToken: "10000000000000" }),
  /** Leave these contributors' rows out: a retraining that shows what they were worth. */
  exclude: z.array(addressSchema).max(1_000).default([]),
  /** Publish a release at the end; without it the job ends with its evaluation. */
  publish: z.boolean().default(true),
});
export type JobSpec = z.output<typeof jobSpecSchema>;
export type JobSpecInput = z.input<typeof jobSpecSchema>;

export type JobState =
  | "queued"
  | "training"
  | "evaluating"
  | "indexing"
  | "calibrating"
  | "releasing"
  | "succeeded"
  | "failed"
  | "cancelled";

/** A step whose result is written down. */
export type JobStep = "trained" | "evaluated" | "indexed" | "calibrated";

export type FineTuningJob = {
  readonly id: string;
  readonly spec: JobSpec;
  readonly state: JobState;
  readonly error: string | null;
  readonly trained: Trained | null;
  readonly evaluated: Evaluated | null;
  readonly indexed: Indexed | null;
  readonly calibrated: CalibratedStep | null;
  readonly releaseId: Digest | null;
  readonly createdAtMs: number;
  readonly finishedAtMs: number | null;
};

export type JobEvent = {
  readonly id: number;
  readonly atMs: number;
  readonly kind: string;
  readonly data: Record<string, unknown>;
};

type JobRow = {
  id: string;
  spec: unknown;
  state: JobState;
  error: string | null;
  trained: unknown;
  evaluated: unknown;
  indexed: unknown;
  calibrated: unknown;
  releaseId: string | null;
  createdAtMs: number;
  finishedAtMs: number | null;
};
const selectJobs = `select id, spec, state, error, trained, evaluated, indexed, calibrated, release_id as "releaseId", created_at_ms as "createdAtMs", finished_at_ms as "finishedAtMs" from modelfactory.jobs`;

function parseJob(row: JobRow): FineTuningJob {
  return {
    ...row,
    spec: jobSpecSchema.parse(row.spec),
    trained: trainedSchema.nullable().parse(row.trained),
    evaluated: evaluatedSchema.nullable().parse(row.evaluated),
    indexed: indexedSchema.nullable().parse(row.indexed),
    calibrated: calibratedSchema.nullable().parse(row.calibrated),
    releaseId: row.releaseId as Digest | null,
  };
}

/** @throws ModelFactoryError `unknown-job` */
export async function readJob(queries: Queries, id: string): Promise<FineTuningJob> {
  const [row] = await queries.query<JobRow>(`${selectJobs} where id = $1`, [id]);
  if (row === undefined) throw new ModelFactoryError("unknown-job", `There is no fine-tuning job "${id}".`);
  return parseJob(row);
}

/** Newest first. */
export async function listJobs(queries: Queries, limit: number): Promise<FineTuningJob[]> {
  return (await queries.query<JobRow>(`${selectJobs} order by created_at_ms desc limit $1`, [limit])).map(
    parseJob,
  );
}

/** What a finished step leaves, written down so that a restarted job goes on after it. */
export async function writeStep(
  database: Database,
  id: string,
  step: JobStep,
  result: object,
): Promise<void> {
  await database.query(`update modelfactory.jobs set ${step} = $2 where id = $1`, [id, result]);
}

/** What one retraining of a job's calibration found. */
export type Retraining = {
  readonly number: number;
  readonly losses: readonly number[];
  readonly seconds: number;
};

/** In order. */
export const listRetrainings = (queries: Queries, jobId: string): Promise<Retraining[]> =>
  queries.query<Retraining>(
    "select number, losses, seconds from modelfactory.retrainings where job_id = $1 order by number",
    [jobId],
  );

export async function writeRetraining(
  database: Database,
  jobId: string,
  { number, losses, seconds }: Retraining,
): Promise<void> {
  await database.query(
    "insert into modelfactory.retrainings (job_id, number, losses, seconds) values ($1, $2, $3, $4) on conflict do nothing",
    [jobId, number, JSON.stringify(losses), seconds],
  );
}

const eventsPerPageMax = 1_000;

/** A job's history: warnings, states, training steps, epochs, index stages. Whoever listens is told of each new event. */
export function createJournal(database: Database, now: () => number) {
  const listeners = new Set<(jobId: string) => void>();
  async function record(
    jobId: string,
    kind: string,
    data: Record<string, unknown>,
    queries: Queries = database,
  ): Promise<void> {
    await queries.query(
      "insert into modelfactory.events (job_id, at_ms, kind, data) values ($1, $2, $3, $4)",
      [jobId, now(), kind, data],
    );
    for (const listener of listeners) listener(jobId);
  }
  return {
    record,
    async setState(jobId: string, state: JobState, extra: { error?: string } = {}): Promise<void> {
      const finished = state === "succeeded" || state === "failed" || state === "cancelled";
      await database.query(
        "update modelfactory.jobs set state = $2, error = $3, finished_at_ms = $4 where id = $1",
        [jobId, state, extra.error ?? null, finished ? now() : null],
      );
      await record(jobId, "state", { state, ...extra });
    },
    /** Events after `after`, oldest first. */
    events: (id: string, after = 0, limit = eventsPerPageMax): Promise<JobEvent[]> =>
      database.query<JobEvent>(
        `select id, at_ms as "atMs", kind, data from modelfactory.events where job_id = $1 and id > $2 order by id limit $3`,
        [id, after, Math.min(limit, eventsPerPageMax)],
      ),
    /** Calls back whenever a job has a new event. @returns how to stop that */
    onEvent(listener: (jobId: string) => void): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

export type Journal = ReturnType<typeof createJournal>;
