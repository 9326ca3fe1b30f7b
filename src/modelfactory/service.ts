/** Fine-tuning jobs: queued durably, run one at a time in the training thread, ending in a release on chain. */
import type { Account } from "viem";
import { verifyMessage } from "viem";
import { type Datanets, findLicense } from "../datanets/index.ts";
import { startWorker, type WorkerHandle, workerUrl } from "../engine/index.ts";
import type { Digest } from "../protocol/index.ts";
import type { Blobs, Database, Jobs } from "../store/index.ts";
import { ModelFactoryError } from "./errors.ts";
import {
  createJournal,
  type FineTuningJob,
  type JobSpecInput,
  jobSpecSchema,
  listJobs,
  readJob,
} from "./job.ts";
import { recipeWarnings } from "./recipe.ts";
import type { ModelRegistry } from "./registry.ts";
import type { BaseModel } from "./release.ts";
import {
  createReleaseList,
  findRelease,
  latestRelease,
  type Release,
  releaseFiles,
  releaseIndex,
  releaseOfAdapter,
} from "./releases.ts";
import { runJob } from "./run-job.ts";
import { migrateModelFactory } from "./tables.ts";
import type { TrainingMethods } from "./worker.ts";

export type ModelFactoryDependencies = {
  readonly database: Database;
  readonly blobs: Blobs;
  readonly jobs: Jobs;
  readonly datanets: Datanets;
  readonly registry: ModelRegistry;
  readonly base: BaseModel;
  /** Who releases are published by and developer fees are paid to. */
  readonly developer: Account;
  readonly now?: () => number;
  readonly log?: (message: string) => void;
  /** Called after each finished step of a job; tests stop the process here. */
  readonly afterStep?: (step: string) => Promise<void>;
  /** Called once a release can be asked; it must not throw. */
  readonly onRelease?: (id: Digest) => void;
};

export type ModelFactory = Awaited<ReturnType<typeof createModelFactory>>;

const jobKind = "fine-tune";

export async function createModelFactory(dependencies: ModelFactoryDependencies) {
  const { database, blobs, jobs, datanets, registry, base, now = Date.now, log = () => {} } = dependencies;
  const afterStep = dependencies.afterStep ?? (() => Promise.resolve());
  const onRelease = dependencies.onRelease ?? (() => {});
  await migrateModelFactory(database);
  let worker: Promise<WorkerHandle<TrainingMethods>> | undefined;
  const training = () => {
    worker ??= startWorker<TrainingMethods>(workerUrl(import.meta.url, "worker"), {
      baseFolder: base.folder,
      baseName: base.name,
    });
    return worker;
  };
  const journal = createJournal(database, now);
  const parts = { ...dependencies, now, log, afterStep, onRelease, journal, training };
  const running = new Map<string, AbortController>();

  jobs.work<{ id: string }>(
    jobKind,
    async ({ payload: { id }, signal }) => {
      const cancelled = new AbortController();
      running.set(id, cancelled);
      try {
        await runJob(parts, id, AbortSignal.any([signal, cancelled.signal]));
      } catch (error) {
        if (signal.aborted) throw error; // the node is closing: the job goes on at the next start
        if (cancelled.signal.aborted) return journal.setState(id, "cancelled");
        await journal.setState(id, "failed", { error: (error as Error).message });
        log(`Job ${id} failed: ${(error as Error).message}`);
      } finally {
        running.delete(id);
      }
    },
    { concurrency: 1 },
  );

  return {
    base,
    /**
     * Queues a job.
     *
     * @param id names the job; the same id again returns the job that has it
     * @throws ModelFactoryError `not-commercial`: a price is asked where a version's licence forbids one
     */
    async createJob(id: string, input: JobSpecInput): Promise<FineTuningJob> {
      const spec = jobSpecSchema.parse(input);
      const priced = BigInt(spec.price.promptWeiPerToken) + BigInt(spec.price.completionWeiPerToken) > 0n;
      for (const { datanetId, version } of spec.datanets) {
        const { license } = await datanets.getVersionSummary(BigInt(datanetId), version);
        if (spec.publish && priced && !findLicense(license).commercialUse)
          throw new ModelFactoryError(
            "not-commercial",
            `Version ${version} of Datanet ${datanetId} is under ${license}, which permits no commercial use; a release of it must ask 0 per token. Set both prices to 0, or choose other data.`,
          );
      }
      const parent = spec.publish && priced ? await latestRelease(database, spec.model) : undefined;
      if (parent !== undefined && !(await registry.permitsPrice(parent.id)))
        throw new ModelFactoryError(
          "not-commercial",
          `The latest release of "${spec.model}", ${parent.id}, is made of data that permits no commercial use, which binds the releases after it: they must ask 0 per token. Set both prices to 0, or choose another model name.`,
        );
      await database.transaction(async (tx) => {
        const inserted = await tx.query(
          "insert into modelfactory.jobs (id, spec, state, created_at_ms) values ($1, $2, 'queued', $3) on conflict (id) do nothing returning id",
          [id, spec, now()],
        );
        if (inserted.length === 0) return;
        for (const warning of recipeWarnings(spec.recipe)) await journal.record(id, "warning", warning, tx);
        await jobs.enqueue(tx, jobKind, id, { id });
      });
      return readJob(database, id);
    },
    getJob: (id: string) => readJob(database, id),
    listJobs: (limit = 20) => listJobs(database, limit),
    events: journal.events,
    onEvent: journal.onEvent,
    async cancel(id: string): Promise<FineTuningJob> {
      const job = await readJob(database, id);
      const run = running.get(id);
      if (run !== undefined) run.abort();
      else if (job.state === "queued") await journal.setState(id, "cancelled");
      return readJob(database, id);
    },
    /** The newest release of each model, newest first. */
    models: createReleaseList(database),
    findRelease: (name: string) => findRelease(database, name),
    releaseOfAdapter: (adapter: Digest) => releaseOfAdapter(database, adapter),
    releaseIndex: (id: Digest) => releaseIndex(database, blobs, id),
    releaseFiles: (id: Digest) => releaseFiles(database, blobs, id),
    /** Whether the developer signed this release. */
    verifySignature: (found: Release) =>
      verifyMessage({
        address: found.manifest.developer,
        message: { raw: found.id },
        signature: found.signature,
      }),
    async close(): Promise<void> {
      await (await worker)?.close();
    },
  };
}
