import type { Database, Transaction } from "./database.ts";
import { StoreError } from "./errors.ts";
import type { Job, JobRecord, JobState, Jobs, WorkOptions } from "./jobs.ts";

const migrations = [
  `create table jobs.queue (
     id bigint generated always as identity primary key,
     kind text not null,
     key text not null,
     payload jsonb not null,
     state text not null check (state in ('waiting', 'running', 'done', 'failed')),
     attempts int not null default 0,
     error text,
     run_at_ms bigint not null,
     enqueued_at_ms bigint not null,
     finished_at_ms bigint,
     unique (kind, key)
   );
   create index queue_due on jobs.queue (kind, run_at_ms, id) where state = 'waiting';`,
];

const payloadBytesMax = 256 * 1024;
const backoffMsMax = 5 * 60 * 1000;
/** No job waits longer than that: one that is due later was written down by a clock that has been set back since, and is due now. */
const due = `(run_at_ms <= $2 or run_at_ms > $2 + ${backoffMsMax})`;
const errorLengthMax = 2000;
/** Jobs that are done are forgotten once so many were asked for after them; looked for whenever so many more are done. */
const rememberedMax = 10_000;
const forgetEvery = 1_024;

type Worker = {
  kind: string;
  handler: (job: Job) => Promise<void>;
  concurrency: number;
  maxAttempts: number;
  backoffMs: number;
  running: Set<Promise<void>>;
  claiming: Promise<void> | undefined;
  again: boolean;
  timer: NodeJS.Timeout | undefined;
};

type Claimed = { id: number; key: string; payload: unknown; attempts: number };

/**
 * Opens the queue on a database of which this process is the only user: a job that was running when the last process ended is
 * waiting again, or failed if that was its last attempt.
 *
 * @param options.remembered jobs that are done and still known; 10,000 unless given. Every 1,024 done jobs, and here, older ones are forgotten
 * @param options.onFailure told of every failed attempt, `final` once attempts are used up; with an empty key when the queue itself could not be read.
 */
export async function openJobs(
  database: Database,
  options: {
    onFailure?: (job: { kind: string; key: string }, error: unknown, final: boolean) => void;
    remembered?: number;
  } = {},
): Promise<Jobs> {
  const { remembered = rememberedMax } = options;
  await database.migrate("jobs", migrations);
  await database.query(
    "update jobs.queue set state = 'waiting', error = 'The process ended while the job ran.' where state = 'running'",
  );
  await forgetOld(database, remembered);
  let finished = 0;
  const workers = new Map<string, Worker>();
  const abort = new AbortController();
  const idleWaiters = new Set<() => void>();

  const enqueue: Jobs["enqueue"] = async (tx, kind, key, payload) => {
    const text = JSON.stringify(payload ?? null);
    const bytes = Buffer.byteLength(text);
    if (!kind || !key || bytes > payloadBytesMax) {
      throw new StoreError(
        "job-invalid",
        `A job needs a kind, a key and a payload of at most ${payloadBytesMax} bytes; got kind "${kind}", key "${key}", ${bytes} bytes. ` +
          "Store large content as a blob and pass its digest.",
      );
    }
    const now = Date.now();
    const added = await tx.query(
      "insert into jobs.queue (kind, key, payload, state, run_at_ms, enqueued_at_ms) values ($1, $2, $3, 'waiting', $4, $4) on conflict (kind, key) do nothing returning id",
      [kind, key, text, now],
    );
    tx.onCommit(() => wake(kind));
    return added.length > 0;
  };

  const wake = (kind: string) => {
    const worker = workers.get(kind);
    if (worker) claimAll(worker);
  };

  /** Fills the worker's free places. A call while one is under way makes that one look again. */
  const claimAll = (worker: Worker) => {
    worker.again = true;
    if (worker.claiming || abort.signal.aborted) return;
    worker.claiming = claimWhileFree(worker)
      .catch((error: unknown) => {
        options.onFailure?.({ kind: worker.kind, key: "" }, error, false);
        schedule(worker, Date.now() + worker.backoffMs);
      })
      .then(() => {
        worker.claiming = undefined;
        if (worker.again) claimAll(worker);
        settled();
      });
  };

  const claimWhileFree = async (worker: Worker) => {
    worker.again = false;
    while (worker.running.size < worker.concurrency && !abort.signal.aborted) {
      const job = await claimOne(database, worker);
      if (!job) {
        const next = await nextDueMs(database, worker.kind);
        if (next !== undefined) schedule(worker, next);
        return;
      }
      start(worker, job);
    }
  };

  const start = (worker: Worker, claimed: Claimed) => {
    const run = attempt(database, worker, claimed, abort.signal, options.onFailure)
      .then(() => (++finished % forgetEvery === 0 ? forgetOld(database, remembered) : undefined))
      .catch((error: unknown) => options.onFailure?.({ kind: worker.kind, key: claimed.key }, error, false))
      .then(() => {
        worker.running.delete(run);
        claimAll(worker);
        settled();
      });
    worker.running.add(run);
  };

  const schedule = (worker: Worker, atMs: number) => {
    clearTimeout(worker.timer);
    if (abort.signal.aborted) return;
    worker.timer = setTimeout(() => claimAll(worker), Math.max(1, Math.min(atMs - Date.now(), backoffMsMax)));
  };

  const settled = () => {
    for (const resolve of [...idleWaiters]) resolve();
  };

  const drain: Jobs["drain"] = async () => {
    while (!abort.signal.aborted) {
      const changed = new Promise<void>((resolve) => {
        const once = () => {
          idleWaiters.delete(once);
          resolve();
        };
        idleWaiters.add(once);
      });
      const open = await database.query(
        "select 1 from jobs.queue where state in ('waiting', 'running') and kind = any($1) limit 1",
        [[...workers.keys()]],
      );
      const busy = [...workers.values()].some(({ running, claiming }) => running.size > 0 || claiming);
      if (open.length === 0 && !busy) return settled();
      await changed;
    }
  };

  const close = async () => {
    abort.abort();
    for (const worker of workers.values()) clearTimeout(worker.timer);
    await Promise.all([...workers.values()].flatMap(({ running, claiming }) => [...running, claiming]));
    settled();
  };

  return {
    enqueue,
    work: (kind, handler, given: WorkOptions = {}) => {
      if (abort.signal.aborted) {
        throw new StoreError("jobs-closed", `The queue is closed: work on "${kind}" was refused.`);
      }
      if (workers.has(kind)) {
        throw new StoreError("job-invalid", `"${kind}" is worked on already: call work() once a kind.`);
      }
      const worker: Worker = {
        kind,
        handler: handler as (job: Job) => Promise<void>,
        concurrency: given.concurrency ?? 1,
        maxAttempts: given.maxAttempts ?? 8,
        backoffMs: given.backoffMs ?? 1000,
        running: new Set(),
        claiming: undefined,
        again: false,
        timer: undefined,
      };
      workers.set(kind, worker);
      claimAll(worker);
    },
    list: (filter) => listJobs(database, filter),
    retry: (kind, key) =>
      database.transaction(async (tx) => {
        tx.onCommit(() => wake(kind));
        return retryJob(tx, kind, key);
      }),
    drain,
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function claimOne(database: Database, worker: Worker): Promise<Claimed | undefined> {
  const [job] = await database.query<Claimed>(
    `update jobs.queue set state = 'running', attempts = attempts + 1
     where id = (select id from jobs.queue where kind = $1 and state = 'waiting' and ${due}
                 order by run_at_ms, id limit 1 for update skip locked)
     returning id, key, payload, attempts`,
    [worker.kind, Date.now()],
  );
  return job;
}

async function forgetOld(database: Database, remembered: number): Promise<void> {
  await database.query(
    "delete from jobs.queue where state = 'done' and id <= (select max(id) from jobs.queue) - $1::bigint",
    [remembered],
  );
}

async function nextDueMs(database: Database, kind: string): Promise<number | undefined> {
  const [row] = await database.query<{ due: number | null }>(
    "select min(run_at_ms) as due from jobs.queue where kind = $1 and state = 'waiting'",
    [kind],
  );
  return row?.due ?? undefined;
}

async function attempt(
  database: Database,
  worker: Worker,
  claimed: Claimed,
  signal: AbortSignal,
  onFailure: ((job: { kind: string; key: string }, error: unknown, final: boolean) => void) | undefined,
): Promise<void> {
  const { id, key, payload, attempts } = claimed;
  try {
    if (attempts > worker.maxAttempts) {
      throw new Error(`The process ended during each of ${worker.maxAttempts} attempts.`);
    }
    await worker.handler({ kind: worker.kind, key, payload, attempt: attempts, signal });
  } catch (error) {
    const final = attempts >= worker.maxAttempts && !signal.aborted;
    onFailure?.({ kind: worker.kind, key }, error, final);
    const message = (error instanceof Error ? error.message : String(error)).slice(0, errorLengthMax);
    const wait = Math.min(worker.backoffMs * 2 ** (attempts - 1), backoffMsMax);
    await database.query(
      "update jobs.queue set state = $2, error = $3, run_at_ms = $4, finished_at_ms = $5, attempts = $6 where id = $1",
      [
        id,
        final ? "failed" : "waiting",
        message,
        signal.aborted ? Date.now() : Date.now() + wait,
        final ? Date.now() : null,
        // An attempt that was cut short by closing the queue does not count.
        signal.aborted ? attempts - 1 : attempts,
      ],
    );
    return;
  }
  await database.query(
    "update jobs.queue set state = 'done', error = null, finished_at_ms = $2 where id = $1",
    [id, Date.now()],
  );
}

async function listJobs(
  database: Database,
  filter: { kind?: string; state?: JobState; limit?: number } = {},
): Promise<JobRecord[]> {
  return database.query<JobRecord>(
    `select kind, key, payload, state, attempts, error, run_at_ms as "runAtMs", enqueued_at_ms as "enqueuedAtMs"
     from jobs.queue where ($1::text is null or kind = $1) and ($2::text is null or state = $2)
     order by id desc limit $3`,
    [filter.kind ?? null, filter.state ?? null, Math.min(filter.limit ?? 100, 1000)],
  );
}

async function retryJob(tx: Transaction, kind: string, key: string): Promise<boolean> {
  const rows = await tx.query(
    "update jobs.queue set state = 'waiting', attempts = 0, run_at_ms = $3, finished_at_ms = null where kind = $1 and key = $2 and state = 'failed' returning id",
    [kind, key, Date.now()],
  );
  return rows.length > 0;
}
