/** Fine-tuning jobs: queued durably, run one at a time in the training thread, ending in a release on chain. */
import { randomUUID } from "node:crypto";
import { verifyMessage } from "viem";
import { findLicense, mixLicenses } from "../datanets/index.ts";
import { startWorker, type WorkerHandle, workerUrl } from "../engine/index.ts";
import { type Address, type Digest, digestSchema, sameHex } from "../protocol/index.ts";
import { ModelFactoryError } from "./errors.ts";
import { type EvaluationReport, type HeldOutLoss, heldOutLossOf, reportSchema } from "./evaluation.ts";
import {
  asksPrice,
  createJournal,
  type FineTuningJob,
  isOver,
  type JobPage,
  type JobSpecInput,
  jobSpecSchema,
  listJobs,
  readJob,
  sameJson,
} from "./job.ts";
import { openJobPayments, paymentIsDue } from "./job-payments.ts";
import {
  givenBy,
  readRows,
  requireEvaluation,
  requireHeldOut,
  requireName,
  requirePrice,
} from "./job-rows.ts";
import { createOpenAIFineTuning } from "./openai/service.ts";
import type { ModelFactoryDependencies } from "./parts.ts";
import { isHeld, payByOf, writePlan } from "./payment.ts";
import { openProgressFiles } from "./progress-files.ts";
import { createQueue } from "./queue.ts";
import { recipeWarnings, type Warning } from "./recipe.ts";
import {
  createReleaseList,
  findRelease,
  type Given,
  givenTo,
  type Release,
  releaseFiles,
  releaseIndex,
  releaseOfAdapter,
  releasesUsing,
} from "./releases.ts";
import { type JobEstimate, runEstimate } from "./run-estimate.ts";
import { runJob } from "./run-job.ts";
import { releaseVersions, serveRelease } from "./served.ts";
import { startOf } from "./steps/train.ts";
import { compareJobs, expandGrid, type Grid, readSweep, type SweepRow, writeSweep } from "./sweep.ts";
import { migrateModelFactory } from "./tables.ts";
import type { TrainingMethods } from "./worker.ts";

export type ModelFactory = Awaited<ReturnType<typeof createModelFactory>>;

const jobIdPattern = /^[\w-]{1,64}$/;
/** Jobs whose held-out loss is remembered. */
const lossesMax = 10_000;
/** Who queues jobs without another name. */
export const operatorName = "operator";

function requireGoing(job: FineTuningJob, what: string): void {
  if (job.state === "unpaid")
    throw new ModelFactoryError(
      "job-unpaid",
      `Job ${job.id} has not been paid for: it cannot be ${what} yet. GET /v1/fine-tunes/${job.id} says what to pay.`,
    );
  if (isOver(job))
    throw new ModelFactoryError(
      "job-over",
      `Job ${job.id} has ${job.state === "cancelled" ? "been cancelled" : job.state}: it cannot be ${what}. Duplicate it to run it again.`,
    );
}

export async function createModelFactory(dependencies: ModelFactoryDependencies) {
  const { database, blobs, jobs, datanets, registry, base, now = Date.now, log = () => {} } = dependencies;
  const afterStep = dependencies.afterStep ?? (() => Promise.resolve());
  const onRelease = dependencies.onRelease ?? (() => {});
  const takenBy = dependencies.takenBy ?? (() => Promise.resolve(undefined));
  await migrateModelFactory(database);
  let worker: Promise<WorkerHandle<TrainingMethods>> | undefined;
  const training = () => {
    worker ??= startWorker<TrainingMethods>(workerUrl(import.meta.url, "worker"), {
      baseFolder: base.folder,
      baseName: base.name,
      saveEveryMs: dependencies.saveEveryMs,
    });
    return worker;
  };
  const journal = createJournal(database, now, (tx, id) => paymentIsDue(jobs, tx, id));
  const progress = openProgressFiles(dependencies.trainingFolder, base);
  const parts = {
    ...dependencies,
    now,
    log,
    afterStep,
    takenBy,
    onRelease,
    journal,
    training,
    progressFile: progress.file,
  };
  await progress.sweep(database);
  const queue = createQueue({
    ...{ database, blobs, jobs, journal, progress, log },
    run: (id, signal) => runJob(parts, id, signal),
  });
  const payments =
    dependencies.payment === undefined
      ? undefined
      : await openJobPayments(
          { database, jobs, journal, queue, base, now, log, afterStep },
          dependencies.payment,
        );
  await payments?.expire();

  /** One estimate at a time: two machines measured side by side are both slow. */
  let estimating: Promise<unknown> = Promise.resolve();
  /** An evaluation's report, by its digest. */
  async function readReport(digest: unknown): Promise<EvaluationReport | undefined> {
    const known = digestSchema.safeParse(digest);
    if (!known.success) return undefined;
    return reportSchema.parse(JSON.parse(new TextDecoder().decode(await blobs.get(known.data))));
  }
  /** By the report's digest: what it says never changes. */
  const losses = new Map<string, HeldOutLoss>();
  async function heldOutLoss({ evaluated }: Pick<FineTuningJob, "evaluated">): Promise<HeldOutLoss | null> {
    const digest = evaluated?.report;
    if (digest == null) return null;
    const known = losses.get(digest);
    if (known !== undefined) return known;
    const report = await readReport(digest);
    if (report === undefined) return null;
    const loss = heldOutLossOf(report);
    losses.set(digest, loss);
    const [oldest] = losses.keys();
    if (losses.size > lossesMax && oldest !== undefined) losses.delete(oldest);
    return loss;
  }
  const service = {
    base,
    /** Of a job that has been evaluated; null before. */
    heldOutLoss,
    /**
     * Queues a job.
     *
     * @param id names the job; the same id again with the same wishes of the same owner and payer returns the job that has it
     * @param owner in whose name it waits: owners take turns
     * @param payer whose payment it waits for if it costs something; anyone's without it. A payer may cancel what it has paid for
     * @throws ModelFactoryError `not-commercial`: a price is asked where a version's licence forbids one; `model-taken`; `nothing-to-evaluate`,
     *   `too-few-held-out`: the versions have too few held-out rows, whoever gave them; `job-exists`: the id is another
     *   job's; what {@link startOf} throws
     */
    async createJob(
      id: string,
      input: JobSpecInput,
      owner = operatorName,
      payer: Address | null = null,
    ): Promise<FineTuningJob> {
      if (!jobIdPattern.test(id))
        throw new ModelFactoryError(
          "bad-name",
          `A job is named by 1 to 64 letters, digits, "_" and "-"; got "${id}".`,
        );
      const spec = jobSpecSchema.parse(input);
      const priced = asksPrice(spec);
      const licenses: string[] = [];
      let rowCount = 0;
      let heldOut = 0;
      for (const { datanetId, version } of spec.datanets) {
        const { license, count, heldoutCount } = await datanets.getVersionSummary(BigInt(datanetId), version);
        if (spec.publish && priced && !findLicense(license).commercialUse)
          throw new ModelFactoryError(
            "not-commercial",
            `Version ${version} of Datanet ${datanetId} is under ${license}, which permits no commercial use; a release of it must ask 0 per token. Set both prices to 0, or choose other data.`,
          );
        licenses.push(license);
        rowCount += count;
        heldOut += heldoutCount;
      }
      const { conflicts } = mixLicenses(licenses);
      if (spec.publish && conflicts.length > 0)
        throw new ModelFactoryError(
          "license-conflict",
          `No release can be made of these Datanets together: ${conflicts.map(({ message }) => message).join(" ")}`,
        );
      requireEvaluation(spec, heldOut);
      requireHeldOut(spec, heldOut);
      await startOf(parts, spec);
      await requireName(parts, spec);
      await requirePrice(parts, spec);
      await payments?.expire();
      const isNew =
        (await database.query("select 1 from modelfactory.jobs where id = $1", [id])).length === 0;
      const plan =
        isNew && payments?.priced ? await payments.plan(id, spec, await readRows(parts, spec)) : undefined;
      const { batch, epochs } = spec.recipe;
      const warnings = recipeWarnings(spec.recipe, plan?.steps ?? Math.ceil(rowCount / batch) * epochs);
      const orderedAtMs = now();
      await database.transaction(async (tx) => {
        const inserted = await tx.query(
          "insert into modelfactory.jobs (id, spec, owner, state, created_at_ms, warnings) values ($1, $2, $3, $4, $5, $6) on conflict (id) do nothing returning id",
          [id, spec, owner, plan === undefined ? "queued" : "unpaid", orderedAtMs, JSON.stringify(warnings)],
        );
        if (inserted.length === 0) return;
        for (const warning of warnings) await journal.record(id, "warning", warning, tx);
        if (plan === undefined) await queue.ask(tx, id, id);
        else await writePlan(tx, id, plan, payByOf(plan, orderedAtMs), payer);
      });
      const job = await service.getJob(id);
      const forPayer = job.payment?.forPayer ?? null;
      const other = !sameJson(job.spec, spec)
        ? "it asks for something else"
        : job.owner !== owner
          ? `it is queued in another name than "${owner}"`
          : forPayer !== null && (payer === null || !sameHex(forPayer, payer))
            ? `it waits for the payment of ${forPayer}, this order for ${payer ?? "anyone"}'s`
            : undefined;
      if (other === undefined) return job;
      throw new ModelFactoryError(
        "job-exists",
        `There is a job "${id}" already, and ${other}. Choose another id, or leave it out.`,
      );
    },
    /**
     * What a job would take on this machine, which is measured the first time (seconds to a minute); starts nothing.
     *
     * @returns also what OPEN it would cost, wei: `costWei` the model's name where it is new, on top of which comes gas, both of them the node's;
     *   `priceWei` what the node asks for the job
     * @throws ModelFactoryError `busy`, and what {@link createJob} throws of its data
     */
    async estimate(
      input: JobSpecInput,
    ): Promise<JobEstimate & { costWei: bigint; priceWei: bigint; warnings: Warning[] }> {
      const spec = jobSpecSchema.parse(input);
      await requireName(parts, spec);
      const rows = await readRows(parts, spec);
      const next = estimating.then(() =>
        runEstimate({ database, base, now, isBusy: queue.isBusy }, spec, rows),
      );
      estimating = next.catch(() => {});
      const costWei = spec.publish ? await registry.registrationWei(spec.model) : 0n;
      const estimate = await next;
      const priceWei = payments?.priced
        ? BigInt((await payments.plan("estimate", spec, rows)).amountWei)
        : 0n;
      return { ...estimate, costWei, priceWei, warnings: recipeWarnings(spec.recipe, estimate.steps) };
    },
    /** A new job with the wishes of another, and its own where given. */
    async duplicate(
      id: string,
      newId: string,
      changes: Partial<JobSpecInput> = {},
      payer?: Address,
    ): Promise<FineTuningJob> {
      const { spec, owner } = await readJob(database, id);
      return service.createJob(newId, { ...spec, ...changes } as JobSpecInput, owner, payer);
    },
    /** @throws ModelFactoryError `unknown-job` */
    async getJob(id: string): Promise<FineTuningJob> {
      const job = await readJob(database, id);
      if (payments === undefined || (job.state !== "unpaid" && !isHeld(job.payment))) return job;
      await payments.sync(); // who has paid, or what was settled, just now is told
      await payments.expire(); // and nobody pays any more for what has waited too long
      return readJob(database, id);
    },
    /** How an unpaid job is paid for; undefined for any other. */
    toPay: (job: FineTuningJob) => payments?.toPay(job),
    listJobs: (page: Partial<JobPage> = {}) => listJobs(database, { limit: 20, ...page }),
    events: journal.events,
    eventsBack: journal.eventsBack,
    eventsOfAll: journal.eventsOfAll,
    onEvent: journal.onEvent,
    /**
     * A job for each point of a grid, none of them released; the same id again is the same sweep.
     *
     * @throws ModelFactoryError as {@link createJob}; `bad-recipe`: a point is no recipe, or there are too many
     */
    async sweep(
      id: string,
      input: JobSpecInput,
      grid: Grid,
      owner?: string,
      payer?: Address,
    ): Promise<SweepRow[]> {
      const points = expandGrid(input.recipe ?? {}, grid);
      const jobIds = points.map((_, at) => `${id}-${at + 1}`);
      const rows = points.map(({ varied }, at) => ({ job: jobIds[at] as string, varied }));
      await writeSweep(database, id, rows, now());
      for (const [at, { recipe }] of points.entries())
        await service.createJob(jobIds[at] as string, { ...input, recipe, publish: false }, owner, payer);
      return service.compare(id);
    },
    /** A sweep's jobs side by side, the lowest held-out loss first. @throws ModelFactoryError `unknown-job` */
    async compare(id: string): Promise<SweepRow[]> {
      const points = await readSweep(database, id);
      return compareJobs(
        await Promise.all(
          points.map(async ({ job, varied }) => ({
            job: await readJob(database, job),
            varied,
            report: await service.report(job),
          })),
        ),
      );
    },
    /** Which rows of a release's versions have been taken back since they were published: later versions leave them out. */
    async withdrawnSince({
      manifest,
    }: Release): Promise<{ datanetId: string; version: number; rows: number }[]> {
      const counted = await Promise.all(
        manifest.datanets.map(async ({ datanetId, version }) => ({
          ...{ datanetId, version },
          rows: await datanets.withdrawnCount(BigInt(datanetId), version),
        })),
      );
      return counted.filter(({ rows }) => rows > 0);
    },
    /** Whose examples a release was trained on, and how many of each; most first. */
    givenTo: ({ id, manifest }: Release): Promise<Given[]> =>
      givenTo(database, id, async (jobId) => {
        const exclude = jobId === null ? [] : (await readJob(database, jobId)).spec.exclude;
        return givenBy(await readRows(parts, { datanets: [...manifest.datanets], exclude }));
      }),
    /** What a job's evaluation found, with intervals; nothing before it has been evaluated. */
    report: async (id: string) => readReport((await readJob(database, id)).evaluated?.report),
    /** What was found before a release was made, as its manifest names it; nothing of one that was made before there were reports. */
    releaseReport: ({ manifest }: Release) => readReport(manifest.evaluation.reportDigest),
    /** Ends a job that is not over. @throws ModelFactoryError `payment-held`: only its payer cancels it, or the operator gives everything back */
    async cancel(id: string): Promise<FineTuningJob> {
      const { payment, ...job } = await readJob(database, id);
      if (!isOver(job) && isHeld(payment))
        throw new ModelFactoryError(
          "payment-held",
          `Job ${id} is paid for: its payer ends it with the escrow (./openledger finetune cancel ${id}), and pays for what was done; the operator may end it and give everything back (./openledger finetune give-back ${id}).`,
        );
      return queue.stop(id, "cancelled");
    },
    /** Ends a job that somebody has paid for; its payer gets everything back. */
    giveBack: (id: string) => queue.stop(id, "cancelled"),
    /**
     * The adapter that a cancelled job had reached, for which its payer paid: tensors as a release's, in safetensors.
     *
     * @throws ModelFactoryError `unknown-job`, `unknown-checkpoint`
     */
    async checkpoint(id: string): Promise<Uint8Array> {
      const { payment } = await readJob(database, id);
      if (payment?.state === "stopped" && payment.evidence !== null) return blobs.get(payment.evidence);
      throw new ModelFactoryError(
        "unknown-checkpoint",
        `Job ${id} was not cancelled by a payer after its first checkpoint: there is none to show.`,
      );
    },
    /** Sets a job aside: its place in the training is kept, and the engine is free for others. @throws ModelFactoryError `job-over` */
    async pause(id: string): Promise<FineTuningJob> {
      requireGoing(await readJob(database, id), "paused");
      return queue.stop(id, "paused");
    },
    /** Queues a paused job again; it goes on where it stood. @throws ModelFactoryError `job-over` */
    async resume(id: string): Promise<FineTuningJob> {
      requireGoing(await readJob(database, id), "resumed");
      await database.transaction(async (tx) => {
        const resumed = await tx.query(
          "update modelfactory.jobs set state = 'queued' where id = $1 and state = 'paused' returning id",
          [id],
        );
        if (resumed.length === 0) return; // it is not paused: there is nothing to resume
        await journal.record(id, "state", { state: "queued" }, tx);
        await queue.ask(tx, `${id} ${randomUUID()}`, id);
      });
      return readJob(database, id);
    },
    /** The release that each model's name serves, newest first. */
    models: createReleaseList(database),
    /** A model's releases, newest first. @throws ModelFactoryError `unknown-release` */
    versions: (model: string) => releaseVersions(database, model),
    /** Has a model's name serve an earlier release, the one before unless named, or its newest again; until its next release. */
    async serve(model: string, releaseId?: Digest) {
      const changed = await serveRelease(database, model, releaseId, now());
      log(`"${model}" serves ${changed.serves.id}; before, ${changed.served.id}.`);
      return changed;
    },
    findRelease: (name: string) => findRelease(database, name),
    /** Releases trained on versions of a Datanet, newest first. */
    releasesUsing: (datanetId: bigint, limit: number) => releasesUsing(database, datanetId, limit),
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
      await payments?.close();
      await (await worker)?.close();
    },
  };
  /** Files and jobs as OpenAI's clients know them. */
  const openai = createOpenAIFineTuning({
    ...{ database, blobs, datanets, base, now, developer: dependencies.developer },
    findRelease: service.findRelease,
    createJob: service.createJob,
  });
  return { ...service, openai };
}
