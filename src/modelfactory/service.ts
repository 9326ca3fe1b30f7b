/** Fine-tuning jobs: queued durably, run one at a time in the training thread, ending in a release on chain. */
import type { Account } from "viem";
import { verifyMessage } from "viem";
import { z } from "zod";
import { defaultPayIndexOptions } from "../attribution/index.ts";
import type { Datanets } from "../datanets/index.ts";
import { type Example, startWorker, type WorkerHandle, workerUrl } from "../engine/index.ts";
import {
  type Address,
  addressSchema,
  type Digest,
  decimalSchema,
  digestSchema,
  encodeRow,
  exampleSchema,
  indexTree,
  type Manifest,
  manifestSchema,
  releaseId as releaseIdOf,
  uint32Schema,
} from "../protocol/index.ts";
import type { Blobs, Database, Jobs, Queries } from "../store/index.ts";
import { ModelFactoryError } from "./errors.ts";
import { recipeSchema } from "./recipe.ts";
import type { ModelRegistry } from "./registry.ts";
import {
  type BaseModel,
  baseDigest,
  buildManifest,
  decimalFraction,
  type Evaluated,
  evaluatedSchema,
  type Indexed,
  indexedSchema,
  indexRows,
  signRelease,
  type Trained,
  trainedSchema,
} from "./release.ts";
import { migrateModelFactory } from "./tables.ts";
import type { TrainingMethods } from "./worker.ts";

export const modelNameSchema = z
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
  | "releasing"
  | "succeeded"
  | "failed"
  | "cancelled";

export type FineTuningJob = {
  readonly id: string;
  readonly spec: JobSpec;
  readonly state: JobState;
  readonly error: string | null;
  readonly trained: Trained | null;
  readonly evaluated: Evaluated | null;
  readonly indexed: Indexed | null;
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

export type Release = {
  readonly id: Digest;
  readonly model: string;
  readonly manifest: Manifest;
  readonly adapterConfig: Digest;
  readonly rowsDigest: Digest;
  readonly contributors: readonly Address[];
  readonly signature: `0x${string}`;
  readonly transactionHash: Digest | null;
  readonly createdAtMs: number;
};

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
};

export type ModelFactory = Awaited<ReturnType<typeof createModelFactory>>;

const jobKind = "fine-tune";
const eventsPerPageMax = 1_000;

export async function createModelFactory(dependencies: ModelFactoryDependencies) {
  const {
    database,
    blobs,
    jobs,
    datanets,
    registry,
    base,
    developer,
    now = Date.now,
    log = () => {},
  } = dependencies;
  const afterStep = dependencies.afterStep ?? (() => Promise.resolve());
  await migrateModelFactory(database);
  let worker: Promise<WorkerHandle<TrainingMethods>> | undefined;
  const training = () => {
    worker ??= startWorker<TrainingMethods>(workerUrl(import.meta.url, "worker"), {
      baseFolder: base.folder,
      baseName: base.name,
    });
    return worker;
  };
  const cancelling = new Map<string, AbortController>();
  const listeners = new Set<(jobId: string) => void>();

  async function record(jobId: string, kind: string, data: Record<string, unknown>): Promise<void> {
    await database.query(
      "insert into modelfactory.events (job_id, at_ms, kind, data) values ($1, $2, $3, $4)",
      [jobId, now(), kind, data],
    );
    for (const listener of listeners) listener(jobId);
  }
  async function setState(jobId: string, state: JobState, extra: { error?: string } = {}): Promise<void> {
    const finished = state === "succeeded" || state === "failed" || state === "cancelled";
    await database.query(
      "update modelfactory.jobs set state = $2, error = $3, finished_at_ms = $4 where id = $1",
      [jobId, state, extra.error ?? null, finished ? now() : null],
    );
    await record(jobId, "state", { state, ...extra });
  }

  const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const readJson = async (digest: Digest): Promise<unknown> =>
    JSON.parse(new TextDecoder().decode(await blobs.get(digest)));

  /** Rows to train on, whose they are, and rows never to train on, in the order of the versions. */
  async function readRows(spec: JobSpec) {
    const versions = await Promise.all(
      spec.datanets.map(({ datanetId, version }) => datanets.getVersion(BigInt(datanetId), version)),
    );
    const excluded = new Set(spec.exclude);
    const kept = versions.map((version) => version.rows.filter((row) => !excluded.has(row.contributor)));
    const rows = kept.flat();
    if (rows.length === 0)
      throw new ModelFactoryError(
        "nothing-to-train",
        "No examples are left to train on: every contributor is excluded.",
      );
    const contributors = [...new Set(rows.map((row) => row.contributor))].sort();
    const number = new Map(contributors.map((address, i) => [address, i]));
    return {
      versions,
      acceptedExamples: kept.map((part) => part.length),
      examples: rows.map((row) => row.example as Example),
      contributorOf: rows.map((row) => number.get(row.contributor) as number),
      contributors,
      heldOut: versions.flatMap((version) => version.heldout.map((row) => row.example as Example)),
    };
  }

  /** One step after the other; each finished one is written down, so a restarted job goes on after it. */
  async function runJob(jobId: string, signal: AbortSignal): Promise<void> {
    const job = await getJob(jobId);
    if (job.state === "succeeded" || job.state === "cancelled" || job.state === "failed") return;
    const { spec } = job;
    const rows = await readRows(spec);
    const { recipe } = spec;
    const engine = await training();

    let { trained } = job;
    if (trained === null) {
      await setState(jobId, "training");
      const curve: { step: number; loss: number }[] = [];
      let lastEventAt = 0;
      const result = await engine.call(
        "train",
        { recipe, examples: rows.examples },
        {
          signal,
          onEvent: (event: { step: number; steps: number; loss: number }) => {
            curve.push({ step: event.step, loss: event.loss });
            if (now() - lastEventAt < 250 && event.step < event.steps) return;
            lastEventAt = now();
            record(jobId, "step", event).catch((error: Error) =>
              log(`Job ${jobId}: an event was not recorded: ${error.message}`),
            );
          },
        },
      );
      trained = {
        adapterConfig: await blobs.put(result.adapter.config),
        adapterTensors: await blobs.put(result.adapter.tensors),
        moments: await blobs.put(result.moments),
        lossCurve: await blobs.put(bytes(curve.map(({ step, loss }) => [step, Math.round(loss * 1e6)]))),
        steps: result.steps,
        epochs: result.epochLosses.length,
        lossFirst: result.lossFirst,
        lossLast: result.epochLosses.at(-1) ?? result.lossLast,
        examples: result.examples,
        seconds: result.seconds,
      };
      await database.query("update modelfactory.jobs set trained = $2 where id = $1", [jobId, trained]);
      await afterStep("trained");
    }
    const adapter = {
      config: await blobs.get(trained.adapterConfig),
      tensors: await blobs.get(trained.adapterTensors),
    };

    let { evaluated } = job;
    if (evaluated === null) {
      await setState(jobId, "evaluating");
      const examples = (spec.evaluation.length > 0 ? spec.evaluation : rows.heldOut) as Example[];
      if (examples.length === 0)
        throw new ModelFactoryError(
          "nothing-to-evaluate",
          "There is nothing to evaluate on: give the job evaluation examples, or the Datanet held-out rows.",
        );
      const before = await engine.call("evaluate", { recipe, adapter: null, examples });
      const after = await engine.call("evaluate", { recipe, adapter, examples });
      evaluated = {
        examples: examples.length,
        base: { loss: before.loss, exact: before.exact },
        tuned: { loss: after.loss, exact: after.exact },
      };
      await database.query("update modelfactory.jobs set evaluated = $2 where id = $1", [jobId, evaluated]);
      await afterStep("evaluated");
    }
    if (!spec.publish) return setState(jobId, "succeeded");

    let { indexed } = job;
    if (indexed === null) {
      await setState(jobId, "indexing");
      const result = await engine.call(
        "index",
        {
          recipe,
          adapter,
          moments: await blobs.get(trained.moments),
          steps: trained.steps,
          examples: rows.examples,
          contributorOf: rows.contributorOf,
          contributors: rows.contributors.length,
          heldOut: rows.heldOut,
          seed: recipe.seed,
        },
        {
          onEvent: (event: Record<string, unknown>) =>
            void record(jobId, "index", event).catch((error: Error) => log(error.message)),
        },
      );
      indexed = {
        basis: await blobs.put(result.basis),
        rows: await blobs.put(Buffer.concat(result.rows.map((row) => encodeRow(row)))),
        contributors: rows.contributors,
        nullRows: result.rows.length - rows.contributors.length,
        k: result.k,
        scale: decimalFraction(result.scale),
        thresholdMillionths: result.thresholdMillionths,
        falseDiscovery: result.report.falseDiscovery,
        heldOut: result.report.heldOut,
        fisherRows: result.report.fisherRows,
        bytes: result.report.bytes,
        seconds: result.report.seconds,
      };
      await database.query("update modelfactory.jobs set indexed = $2 where id = $1", [jobId, indexed]);
      await afterStep("indexed");
    }

    await setState(jobId, "releasing");
    const id = await release(job, rows, trained, evaluated, indexed);
    await afterStep("released");
    await database.query("update modelfactory.jobs set release_id = $2 where id = $1", [jobId, id]);
    await setState(jobId, "succeeded");
    log(`Job ${jobId}: "${spec.model}" is released as ${id}.`);
  }

  async function release(
    job: FineTuningJob,
    rows: Awaited<ReturnType<typeof readRows>>,
    trained: Trained,
    evaluated: Evaluated,
    indexed: Indexed,
  ): Promise<Digest> {
    const { spec } = job;
    const tree = indexTree(indexRows(await blobs.get(indexed.rows), indexed.k, indexed.contributors));
    const price = {
      promptWeiPerToken: BigInt(spec.price.promptWeiPerToken),
      completionWeiPerToken: BigInt(spec.price.completionWeiPerToken),
    };
    const parent = await latestRelease(spec.model, job.createdAtMs);
    const manifest = buildManifest({
      base,
      versions: rows.versions,
      acceptedExamples: rows.acceptedExamples,
      recipe: spec.recipe,
      trained,
      evaluated,
      indexed,
      indexRoot: tree.root,
      alpha: decimalFraction(spec.recipe.alpha),
      price,
      developer: developer.address.toLowerCase() as Address,
      parentRelease: parent?.id ?? null,
      createdAtMs: job.createdAtMs, // the job's, so that a restart makes the same manifest
      damping: decimalFraction(defaultPayIndexOptions.damping),
      samples: defaultPayIndexOptions.samples,
    });
    const id = releaseIdOf(manifest);
    const modelId = await registry.ensureModel(developer, spec.model);
    const owner = await registry.ownerOf(modelId);
    if (owner.toLowerCase() !== developer.address.toLowerCase())
      throw new ModelFactoryError(
        "not-owner",
        `The model name "${spec.model}" belongs to ${owner}, not to ${developer.address}. Choose another name.`,
      );
    const transactionHash = (await registry.releaseExists(id))
      ? null
      : await registry.publish(developer, modelId, {
          releaseId: id,
          baseDigest: baseDigest(base),
          adapterDigest: trained.adapterTensors,
          indexRoot: tree.root,
          indexRows: indexed.contributors.length + indexed.nullRows,
          contributorRows: indexed.contributors.length,
          k: indexed.k,
          thresholdMillionths: indexed.thresholdMillionths,
          parentRelease: manifest.parentRelease ?? `0x${"0".repeat(64)}`,
          ...price,
          versions: spec.datanets.map(({ datanetId, version }) => ({
            datanetId: BigInt(datanetId),
            version: BigInt(version),
          })),
        });
    await afterStep("published");
    const signature = await signRelease(developer, id);
    await database.query(
      `insert into modelfactory.releases (id, model, manifest, adapter_config, rows_digest, contributors, signature, transaction_hash, job_id, created_at_ms)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (id) do nothing`,
      [
        id,
        spec.model,
        manifest,
        trained.adapterConfig,
        indexed.rows,
        JSON.stringify(indexed.contributors),
        signature,
        transactionHash,
        job.id,
        job.createdAtMs,
      ],
    );
    return id;
  }

  async function getJob(id: string): Promise<FineTuningJob> {
    const [row] = await database.query<JobRow>(`${selectJobs} where id = $1`, [id]);
    if (row === undefined) throw new ModelFactoryError("unknown-job", `There is no fine-tuning job "${id}".`);
    return parseJob(row);
  }

  async function latestRelease(
    model: string,
    beforeMs?: number,
    queries: Queries = database,
  ): Promise<Release | undefined> {
    const [row] = await queries.query<ReleaseRow>(
      `${selectReleases} where model = $1 and ($2::bigint is null or created_at_ms < $2) order by created_at_ms desc, id limit 1`,
      [model, beforeMs ?? null],
    );
    return row === undefined ? undefined : parseRelease(row);
  }

  jobs.work<{ id: string }>(
    jobKind,
    async ({ payload: { id }, signal }) => {
      const controller = new AbortController();
      cancelling.set(id, controller);
      try {
        await runJob(id, AbortSignal.any([signal, controller.signal]));
      } catch (error) {
        if (signal.aborted) throw error; // the node is closing: the job goes on at the next start
        if (controller.signal.aborted) return setState(id, "cancelled");
        await setState(id, "failed", { error: (error as Error).message });
        log(`Job ${id} failed: ${(error as Error).message}`);
      } finally {
        cancelling.delete(id);
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
     */
    async createJob(id: string, input: JobSpecInput): Promise<FineTuningJob> {
      const spec = jobSpecSchema.parse(input);
      for (const { datanetId, version } of spec.datanets)
        await datanets.getVersionSummary(BigInt(datanetId), version);
      await database.transaction(async (tx) => {
        const inserted = await tx.query(
          "insert into modelfactory.jobs (id, spec, state, created_at_ms) values ($1, $2, 'queued', $3) on conflict (id) do nothing returning id",
          [id, spec, now()],
        );
        if (inserted.length > 0) await jobs.enqueue(tx, jobKind, id, { id });
      });
      return getJob(id);
    },
    getJob,
    async listJobs(limit = 20): Promise<FineTuningJob[]> {
      return (
        await database.query<JobRow>(`${selectJobs} order by created_at_ms desc limit $1`, [limit])
      ).map(parseJob);
    },
    /** Events after `after`, oldest first. */
    async events(id: string, after = 0, limit = eventsPerPageMax): Promise<JobEvent[]> {
      return database.query<JobEvent>(
        `select id, at_ms as "atMs", kind, data from modelfactory.events where job_id = $1 and id > $2 order by id limit $3`,
        [id, after, Math.min(limit, eventsPerPageMax)],
      );
    },
    /** Calls back whenever a job has a new event. @returns how to stop that */
    onEvent(listener: (jobId: string) => void): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async cancel(id: string): Promise<FineTuningJob> {
      const job = await getJob(id);
      const running = cancelling.get(id);
      if (running !== undefined) running.abort();
      else if (job.state === "queued") await setState(id, "cancelled");
      return getJob(id);
    },
    /** The newest release of each model, newest first. */
    async models(): Promise<Release[]> {
      const rows = await database.query<ReleaseRow>(
        `select distinct on (model) * from (${selectReleases}) as r order by model, "createdAtMs" desc, id`,
      );
      return rows.map(parseRelease).sort((a, b) => b.createdAtMs - a.createdAtMs);
    },
    /** By model name (its newest release) or release id. */
    async findRelease(name: string): Promise<Release | undefined> {
      if (!digestSchema.safeParse(name).success) return latestRelease(name);
      const [row] = await database.query<ReleaseRow>(`${selectReleases} where id = $1`, [name]);
      return row === undefined ? undefined : parseRelease(row);
    },
    /** The newest release that serves this adapter. */
    async releaseOfAdapter(adapter: Digest): Promise<Release | undefined> {
      const [row] = await database.query<ReleaseRow>(
        `${selectReleases} where manifest -> 'adapter' ->> 'digest' = $1 order by created_at_ms desc, id limit 1`,
        [adapter],
      );
      return row === undefined ? undefined : parseRelease(row);
    },
    /** Every file of a release, checked against the manifest's digests. */
    async releaseFiles(id: Digest) {
      const [row] = await database.query<ReleaseRow>(`${selectReleases} where id = $1`, [id]);
      if (row === undefined)
        throw new ModelFactoryError("unknown-release", `There is no release ${id} here.`);
      const found = parseRelease(row);
      const [adapterConfig, adapterTensors, basis, rowBytes] = await Promise.all([
        blobs.get(found.adapterConfig),
        blobs.get(found.manifest.adapter.digest),
        blobs.get(found.manifest.index.basisDigest),
        blobs.get(found.rowsDigest),
      ]);
      return {
        release: found,
        adapterConfig,
        adapterTensors,
        basis,
        rows: indexRows(rowBytes, found.manifest.index.k, found.contributors).map((row) => row.bytes),
        contributors: found.contributors.length,
      };
    },
    /** Whether the developer signed this release. */
    verifySignature: (found: Release) =>
      verifyMessage({
        address: found.manifest.developer,
        message: { raw: found.id },
        signature: found.signature,
      }),
    readJson,
    async close(): Promise<void> {
      await (await worker)?.close();
    },
  };
}

type JobRow = {
  id: string;
  spec: unknown;
  state: JobState;
  error: string | null;
  trained: unknown;
  evaluated: unknown;
  indexed: unknown;
  releaseId: string | null;
  createdAtMs: number;
  finishedAtMs: number | null;
};
const selectJobs = `select id, spec, state, error, trained, evaluated, indexed, release_id as "releaseId", created_at_ms as "createdAtMs", finished_at_ms as "finishedAtMs" from modelfactory.jobs`;

function parseJob(row: JobRow): FineTuningJob {
  return {
    ...row,
    spec: jobSpecSchema.parse(row.spec),
    trained: trainedSchema.nullable().parse(row.trained),
    evaluated: evaluatedSchema.nullable().parse(row.evaluated),
    indexed: indexedSchema.nullable().parse(row.indexed),
    releaseId: row.releaseId as Digest | null,
  };
}

type ReleaseRow = {
  id: Digest;
  model: string;
  manifest: unknown;
  adapterConfig: Digest;
  rowsDigest: Digest;
  contributors: unknown;
  signature: `0x${string}`;
  transactionHash: Digest | null;
  createdAtMs: number;
};
const selectReleases = `select id, model, manifest, adapter_config as "adapterConfig", rows_digest as "rowsDigest", contributors, signature, transaction_hash as "transactionHash", created_at_ms as "createdAtMs" from modelfactory.releases`;

function parseRelease(row: ReleaseRow): Release {
  return {
    ...row,
    manifest: manifestSchema.parse(row.manifest),
    contributors: z.array(addressSchema).parse(row.contributors),
  };
}
