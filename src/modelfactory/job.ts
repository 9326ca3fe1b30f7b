/** A fine-tuning job: what is asked for, how far it is, and what its finished steps left. */
import { z } from "zod";
import {
  addressSchema,
  type Digest,
  decimalSchema,
  digestSchema,
  exampleSchema,
  uint32Schema,
} from "../protocol/index.ts";
import type { Database, Queries, Transaction } from "../store/index.ts";
import { ModelFactoryError } from "./errors.ts";
import { type JobPayment, paymentColumn, paymentSchema } from "./payment.ts";
import { onlyFields, recipeSchema, type Warning, warningSchema } from "./recipe.ts";
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

export const jobSpecSchema = z.strictObject(
  {
    /** The name the model is asked for by. */
    model: modelNameSchema,
    datanets: z
      .array(z.strictObject({ datanetId: decimalSchema, version: uint32Schema.min(1) }))
      .min(1)
      .max(64),
    recipe: recipeSchema.prefault({}),
    /**
     * The release whose adapter training continues from, with a fresh optimiser. Null restarts from fresh adapter weights, which is the
     * default: the same data and recipe then give the same adapter.
     */
    continueFrom: digestSchema.nullable().default(null),
    /** Examples of what the model should be able to do; measured before and after, never trained on. */
    evaluation: z.array(exampleSchema).max(2_000).default([]),
    price: z
      .strictObject({ promptWeiPerToken: decimalSchema, completionWeiPerToken: decimalSchema })
      .default({ promptWeiPerToken: "1000000000000", completionWeiPerToken: "10000000000000" }),
    /** Leave these contributors' rows out: a retraining that shows what they were worth. */
    exclude: z.array(addressSchema).max(1_000).default([]),
    /** Publish a release at the end; without it the job ends with its evaluation. */
    publish: z.boolean().default(true),
  },
  onlyFields("a job", (): object => jobSpecSchema.shape),
);
export type JobSpec = z.output<typeof jobSpecSchema>;
/** Whether its release asks anything for an answer. */
export const asksPrice = ({ price }: Pick<JobSpec, "price">): boolean =>
  BigInt(price.promptWeiPerToken) + BigInt(price.completionWeiPerToken) > 0n;
export type JobSpecInput = z.input<typeof jobSpecSchema>;

export type JobState =
  /** It waits to be paid for. */
  | "unpaid"
  | "queued"
  | "paused"
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
  /** In whose name it waits for its turn: owners take turns. */
  readonly owner: string;
  readonly state: JobState;
  readonly error: string | null;
  /** What is said of its recipe before it starts. */
  readonly warnings: readonly Warning[];
  readonly trained: Trained | null;
  readonly evaluated: Evaluated | null;
  readonly indexed: Indexed | null;
  readonly calibrated: CalibratedStep | null;
  readonly releaseId: Digest | null;
  /** Null for a job that costs nothing. */
  readonly payment: JobPayment | null;
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
  owner: string;
  state: JobState;
  error: string | null;
  warnings: unknown;
  trained: unknown;
  evaluated: unknown;
  indexed: unknown;
  calibrated: unknown;
  releaseId: string | null;
  payment: unknown;
  createdAtMs: number;
  finishedAtMs: number | null;
};
const selectJobs = `select id, spec, owner, state, error, warnings, trained, evaluated, indexed, calibrated, release_id as "releaseId", ${paymentColumn} as payment, created_at_ms as "createdAtMs", finished_at_ms as "finishedAtMs" from modelfactory.jobs`;

function parseJob(row: JobRow): FineTuningJob {
  return {
    ...row,
    spec: jobSpecSchema.parse(row.spec),
    warnings: z.array(warningSchema).parse(row.warnings),
    trained: trainedSchema.nullable().parse(row.trained),
    evaluated: evaluatedSchema.nullable().parse(row.evaluated),
    indexed: indexedSchema.nullable().parse(row.indexed),
    calibrated: calibratedSchema.nullable().parse(row.calibrated),
    releaseId: row.releaseId as Digest | null,
    payment: paymentSchema.nullable().parse(row.payment),
  };
}

/** Whether nothing will happen to the job any more. */
export const isOver = ({ state }: { readonly state: JobState }): boolean =>
  state === "succeeded" || state === "failed" || state === "cancelled";

/** Whether two values that a database may have held are the same: it does not keep the order of keys. */
export const sameJson = (a: unknown, b: unknown): boolean =>
  JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));

/** With the keys of every object in order. */
const sorted = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(sorted)
    : typeof value === "object" && value !== null
      ? Object.fromEntries(
          Object.entries(value)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([key, inner]) => [key, sorted(inner)]),
        )
      : value;

/** @throws ModelFactoryError `unknown-job` */
export async function readJob(queries: Queries, id: string): Promise<FineTuningJob> {
  const [row] = await queries.query<JobRow>(`${selectJobs} where id = $1`, [id]);
  if (row === undefined) throw new ModelFactoryError("unknown-job", `There is no fine-tuning job "${id}".`);
  return parseJob(row);
}

/** A page of jobs. */
export type JobPage = {
  readonly limit: number;
  /** Only jobs older than this one. */
  readonly after?: string | undefined;
  /** Only jobs that were asked for with these, among others; null: with none. */
  readonly metadata?: Readonly<Record<string, string>> | null | undefined;
};

/** Newest first. @throws ModelFactoryError `unknown-job`: there is no job `after` */
export async function listJobs(
  queries: Queries,
  { limit, after, metadata }: JobPage,
): Promise<FineTuningJob[]> {
  const from = after === undefined ? null : await readJob(queries, after);
  const rows = await queries.query<JobRow>(
    `${selectJobs} where ($2::bigint is null or (created_at_ms, id) < ($2, $3::text))
       and ($4::jsonb is null or coalesce((select r.request -> 'metadata' from modelfactory.requests r where r.job_id = jobs.id), '{}') @> $4)
       and (not $5::boolean or coalesce((select r.request -> 'metadata' from modelfactory.requests r where r.job_id = jobs.id), '{}') = '{}')
     order by created_at_ms desc, id desc limit $1`,
    [
      limit,
      from?.createdAtMs ?? null,
      from?.id ?? null,
      metadata == null ? null : JSON.stringify(metadata),
      metadata === null,
    ],
  );
  return rows.map(parseJob);
}

/** What a job is in the middle of; a node that finds one so at its start was interrupted. */
const underWay: readonly JobState[] = ["training", "evaluating", "indexing", "calibrating", "releasing"];
/** What the run of a job finds it in, as long as nobody has stopped it. */
export const workedOn: readonly JobState[] = ["queued", ...underWay];
/** What a job can be set aside in: what is being released is released. */
export const pausable: readonly JobState[] = workedOn.filter((state) => state !== "releasing");
/** What something may still happen in. */
const going: readonly JobState[] = ["unpaid", "paused", ...workedOn];

/**
 * The job whose turn it is: one that was interrupted, else the oldest of the owner who has waited longest for a turn. An owner with a
 * thousand jobs delays another's first one by one job.
 */
export async function takeTurn(database: Database): Promise<string | undefined> {
  const [row] = await database.query<{ id: string }>(
    `update modelfactory.jobs set turn = (select coalesce(max(turn), 0) + 1 from modelfactory.jobs)
     where id = (
       select id from modelfactory.jobs j where state = 'queued' or state in (select jsonb_array_elements_text($1::jsonb))
       order by state = 'queued', (select max(turn) from modelfactory.jobs o where o.owner = j.owner), created_at_ms, id limit 1)
     returning id`,
    [JSON.stringify(underWay)],
  );
  return row?.id;
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

/**
 * When a job's release is signed, ms: settled once, so that a job that is run again makes the same manifest.
 *
 * @param nowMs the time, where it was not settled before
 */
export async function settleSigningTime(database: Database, id: string, nowMs: number): Promise<number> {
  const [row] = await database.query<{ signedAtMs: number }>(
    `update modelfactory.jobs set signed_at_ms = coalesce(signed_at_ms, $2) where id = $1 returning signed_at_ms as "signedAtMs"`,
    [id, nowMs],
  );
  if (row === undefined) throw new ModelFactoryError("unknown-job", `There is no fine-tuning job "${id}".`);
  return row.signedAtMs;
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

/**
 * A job's history: warnings, states, training steps, epochs, index stages. Whoever listens is told of each new event.
 *
 * @param onOver called in the transaction in which a job comes to its end
 */
export function createJournal(
  database: Database,
  now: () => number,
  onOver: (tx: Transaction, jobId: string) => Promise<void> = () => Promise.resolve(),
) {
  const listeners = new Set<(jobId: string) => void>();
  const tell = (jobId: string) => {
    for (const listener of listeners) listener(jobId);
  };
  const write = (queries: Queries, jobId: string, kind: string, data: Record<string, unknown>) =>
    queries.query("insert into modelfactory.events (job_id, at_ms, kind, data) values ($1, $2, $3, $4)", [
      jobId,
      now(),
      kind,
      data,
    ]);
  async function record(
    jobId: string,
    kind: string,
    data: Record<string, unknown>,
    tx?: Transaction,
  ): Promise<void> {
    await write(tx ?? database, jobId, kind, data);
    if (tx === undefined) tell(jobId);
    else tx.onCommit(() => tell(jobId));
  }
  return {
    record,
    /**
     * A job that is over stays as it is.
     *
     * @param from change only a job in one of these states
     * @returns whether it was
     */
    setState: (
      jobId: string,
      state: JobState,
      extra: { error?: string } = {},
      from: readonly JobState[] = going,
    ): Promise<boolean> =>
      database.transaction(async (tx) => {
        const finished = isOver({ state });
        const changed = await tx.query(
          `update modelfactory.jobs set state = $2, error = $3, finished_at_ms = $4
           where id = $1 and state in (select jsonb_array_elements_text($5::jsonb)) returning id`,
          [jobId, state, extra.error ?? null, finished ? now() : null, JSON.stringify(from)],
        );
        if (changed.length === 0) return false;
        await record(jobId, "state", { state, ...extra }, tx);
        if (finished) await onOver(tx, jobId);
        return true;
      }),
    /** Events after `after`, oldest first. */
    events: (id: string, after = 0, limit = eventsPerPageMax): Promise<JobEvent[]> =>
      database.query<JobEvent>(
        `select id, at_ms as "atMs", kind, data from modelfactory.events where job_id = $1 and id > $2 order by id limit $3`,
        [id, after, Math.min(limit, eventsPerPageMax)],
      ),
    /** States and steps of all jobs after an event, oldest first; null: none, and the cursor from now on. */
    async eventsOfAll(
      after: number | null,
      limit: number,
    ): Promise<{ events: (JobEvent & { readonly jobId: string })[]; cursor: number }> {
      if (after === null) {
        const [last] = await database.query<{ id: number }>(
          "select coalesce(max(id), 0) as id from modelfactory.events",
        );
        return { events: [], cursor: last?.id ?? 0 };
      }
      const events = await database.query<JobEvent & { jobId: string }>(
        `select id, job_id as "jobId", at_ms as "atMs", kind, data from modelfactory.events
         where id > $1 and kind in ('state', 'step') order by id limit $2`,
        [after, limit],
      );
      return { events, cursor: events.at(-1)?.id ?? after };
    },
    /** Events before `before`, newest first. */
    eventsBack: (id: string, before: number, limit: number): Promise<JobEvent[]> =>
      database.query<JobEvent>(
        `select id, at_ms as "atMs", kind, data from modelfactory.events where job_id = $1 and id < $2 order by id desc limit $3`,
        [id, before, Math.min(limit, eventsPerPageMax)],
      ),
    /** Calls back whenever a job has a new event. @returns how to stop that */
    onEvent(listener: (jobId: string) => void): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

export type Journal = ReturnType<typeof createJournal>;
