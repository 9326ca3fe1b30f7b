/** The queue of jobs: one runs at a time, owners take turns, and a job that is stopped keeps what it has reached. */
import type { Blobs, Database, Jobs, Transaction } from "../store/index.ts";
import { type FineTuningJob, isOver, type Journal, pausable, readJob, takeTurn } from "./job.ts";
import { isHeld } from "./payment.ts";
import type { ProgressFiles } from "./progress-files.ts";
import { engineVersion } from "./release.ts";
import { CancelledError } from "./training.ts";

export type Stop = "cancelled" | "paused";

export type Queue = ReturnType<typeof createQueue>;

const jobKind = "fine-tune";
/** How long a caller waits to see a job stopped. */
const stopWaitMs = 5_000;

/** Starts to work on jobs. @param parts.run does a job, from where it stands to its end */
export function createQueue(parts: {
  readonly database: Database;
  readonly blobs: Blobs;
  readonly jobs: Jobs;
  readonly journal: Journal;
  readonly progress: ProgressFiles;
  readonly log: (message: string) => void;
  readonly run: (jobId: string, signal: AbortSignal) => Promise<void>;
}) {
  const { database, jobs, journal, progress, log } = parts;
  const running = new Map<string, { controller: AbortController; stop?: Stop }>();
  /** Who waits until the running job has stopped. */
  const settling: (() => void)[] = [];

  // One entry of the queue is one turn, whoever's it is; there is at least one for every job that waits.
  jobs.work(
    jobKind,
    async ({ signal }) => {
      const id = await takeTurn(database);
      if (id === undefined) return; // the job this turn was asked for has been cancelled or paused
      const { payment } = await readJob(database, id);
      if (payment !== null && payment.state !== "open") return cancel(id); // the payer wants no more of it
      const run: { controller: AbortController; stop?: Stop } = { controller: new AbortController() };
      running.set(id, run);
      try {
        await parts.run(id, AbortSignal.any([signal, run.controller.signal]));
      } catch (error) {
        if (run.stop === undefined && signal.aborted) throw error; // the node is closing: the job goes on at the next start
        if (run.stop === undefined && !(error instanceof CancelledError)) {
          await journal.setState(id, "failed", { error: (error as Error).message });
          progress.remove(id);
          log(`Job ${id} failed: ${(error as Error).message}`);
        }
      } finally {
        if (run.stop === "cancelled") await cancel(id);
        running.delete(id);
        for (const settle of settling.splice(0)) settle();
      }
    },
    { concurrency: 1 },
  );

  async function cancel(id: string): Promise<void> {
    const job = await readJob(database, id);
    if (isOver(job)) return;
    await keepCheckpoint(job);
    await journal.setState(id, "cancelled");
    progress.remove(id);
  }

  /** What a payer who cancels pays for: as many steps as there is an adapter to show for. */
  async function keepCheckpoint(job: FineTuningJob): Promise<void> {
    if (!isHeld(job.payment)) return;
    const reached =
      job.trained === null ? progress.checkpoint(job) : { step: job.trained.steps, tensors: undefined };
    if (reached === undefined) return;
    const evidence =
      reached.tensors === undefined ? job.trained?.adapterTensors : await parts.blobs.put(reached.tensors);
    await database.query(
      "update modelfactory.payments set done_steps = least($2, (plan ->> 'steps')::bigint), evidence = $3, engine = $4 where job_id = $1",
      [job.id, reached.step, evidence, engineVersion()],
    );
  }

  return {
    isBusy: () => running.size > 0,
    /** Asks for a turn. @param key names the wish: the same again changes nothing */
    ask: (tx: Transaction, key: string, id: string) => jobs.enqueue(tx, jobKind, key, { id }),
    /**
     * Asks a running job to stop between two steps, and waits for that a while: an index is finished first. A job that is set aside is so
     * from now on, whatever its run is still at: that writes nothing over it, and a turn comes after it.
     *
     * @returns the job as it is then
     */
    async stop(id: string, state: Stop): Promise<FineTuningJob> {
      const run = running.get(id);
      if (run !== undefined) {
        run.stop = state;
        run.controller.abort();
      }
      if (state === "paused") await journal.setState(id, "paused", {}, pausable);
      else if (run === undefined) await cancel(id);
      if (run !== undefined && running.get(id) === run) {
        const late = setTimeout(() => settling.splice(0).forEach((settle) => void settle()), stopWaitMs);
        await new Promise<void>((resolve) => settling.push(resolve));
        clearTimeout(late);
      }
      return readJob(database, id);
    },
  };
}
