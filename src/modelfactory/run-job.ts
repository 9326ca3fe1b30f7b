/**
 * What a job does: train → evaluate → index → calibrate → release. Each finished step is written down, so a job that is run again, after a crash or a
 * restart, goes on after the last of them and ends in the same release.
 */
import { join } from "node:path";
import { defaultPayIndexOptions, heldOutLeast } from "../attribution/index.ts";
import type { VersionContent, VersionSummary } from "../datanets/index.ts";
import type { Example, WorkerHandle } from "../engine/index.ts";
import {
  type Address,
  canonicalJson,
  type Digest,
  encodeRow,
  indexTree,
  releaseId as releaseIdOf,
} from "../protocol/index.ts";
import { temporaryFolder } from "../store/index.ts";
import { answersMax } from "./answers.ts";
import { calibrationQueries } from "./calibration.ts";
import { ModelFactoryError } from "./errors.ts";
import { evaluationReport, rougeL } from "./evaluation.ts";
import {
  asksPrice,
  type FineTuningJob,
  isOver,
  type JobSpec,
  type JobState,
  type JobStep,
  type Journal,
  readJob,
  settleSigningTime,
  workedOn,
  writeStep,
} from "./job.ts";
import { requirePaid } from "./payment.ts";
import { progressKey } from "./progress-files.ts";
import { regressionSet } from "./regression.ts";
import {
  baseDigest,
  buildManifest,
  type CalibratedStep,
  decimalFraction,
  type Evaluated,
  type Indexed,
  indexRows,
  isOfBase,
  signRelease,
  type Trained,
} from "./release.ts";
import { findRelease, type Given, latestRelease } from "./releases.ts";
import { calibrate } from "./run-calibration.ts";
import type { ModelFactoryDependencies } from "./service.ts";
import { CancelledError } from "./training.ts";
import { removeTraining } from "./training-state.ts";
import type { AdapterFiles, TrainEvent, TrainingMethods } from "./worker.ts";

export type RunJobParts = Required<
  Omit<ModelFactoryDependencies, "trainingFolder" | "saveEveryMs" | "payment">
> & {
  /** Where a job's training is written down while it goes on; nowhere if the node keeps no folder for it. */
  readonly progressFile: (jobId: string) => string | undefined;
  readonly journal: Journal;
  /** The training thread, started when it is first needed. */
  readonly training: () => Promise<WorkerHandle<TrainingMethods>>;
};

/** Between two recorded training steps; an epoch's last one always is. */
const eventEveryMs = 250;

const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

export type Rows = ReturnType<typeof rowsOf<VersionSummary & VersionContent>>;

/** Rows to train on, whose they are, and rows never to train on, in the order of the versions. @throws ModelFactoryError `nothing-to-train` */
export async function readRows<V extends Pick<VersionContent, "rows" | "heldout">>(
  { datanets }: { datanets: { getVersion(datanetId: bigint, version: number): Promise<V> } },
  spec: Pick<JobSpec, "datanets" | "exclude">,
) {
  return rowsOf(
    await Promise.all(
      spec.datanets.map(({ datanetId, version }) => datanets.getVersion(BigInt(datanetId), version)),
    ),
    spec.exclude,
  );
}

/** The same from versions at hand. @throws ModelFactoryError `nothing-to-train` */
export function rowsOf<V extends Pick<VersionContent, "rows" | "heldout">>(
  versions: readonly V[],
  exclude: readonly Address[],
) {
  const excluded = new Set(exclude);
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
    heldOut: versions.flatMap((version) =>
      version.heldout.filter((row) => !excluded.has(row.contributor)).map((row) => row.example as Example),
    ),
  };
}

/** Whose the rows are, and how many of each; most first. */
export function givenBy({
  contributors,
  contributorOf,
}: Pick<Rows, "contributors" | "contributorOf">): Given[] {
  const examples = contributors.map(() => 0);
  for (const c of contributorOf) examples[c] = (examples[c] as number) + 1;
  return contributors
    .map((contributor, c) => ({ contributor, examples: examples[c] as number }))
    .sort((a, b) => b.examples - a.examples);
}

/** @param count how many examples the base can read @throws ModelFactoryError `nothing-to-train` */
export function requireExamples(count: number): void {
  if (count === 0)
    throw new ModelFactoryError("nothing-to-train", "None of the examples can be read by the base model.");
}

/** Before anything is trained, what its index would stumble over. @throws ModelFactoryError `too-few-held-out` */
export function requireHeldOut({ publish }: Pick<JobSpec, "publish">, count: number): void {
  if (publish && count < heldOutLeast)
    throw new ModelFactoryError(
      "too-few-held-out",
      `A pay index needs at least ${heldOutLeast} held-out examples to tell influence from chance; there are ${count}. Contribute more with --heldout and publish a version, or ask for no release (publish: false).`,
    );
}

/**
 * What binds a model's next release: asked when it is ordered, and again before it is trained and before it is released, because another may have been
 * released meanwhile.
 *
 * @throws ModelFactoryError `not-commercial`
 */
export async function requirePrice(
  { database, registry }: Pick<RunJobParts, "database" | "registry">,
  spec: Pick<JobSpec, "model" | "price" | "publish">,
): Promise<void> {
  const parent = spec.publish && asksPrice(spec) ? await latestRelease(database, spec.model) : undefined;
  if (parent === undefined || (await registry.permitsPrice(parent.id))) return;
  throw new ModelFactoryError(
    "not-commercial",
    `The latest release of "${spec.model}", ${parent.id}, is made of data that permits no commercial use, which binds the releases after it: they must ask 0 per token. Set both prices to 0, or choose another model name.`,
  );
}

/** What a job is evaluated on. @throws ModelFactoryError `nothing-to-evaluate` */
export function evaluationRows({ evaluation }: Pick<JobSpec, "evaluation">, rows: Pick<Rows, "heldOut">) {
  const examples = (evaluation.length > 0 ? evaluation : rows.heldOut) as Example[];
  if (examples.length === 0)
    throw new ModelFactoryError(
      "nothing-to-evaluate",
      "There is nothing to evaluate on: give the job evaluation examples, or the Datanet held-out rows.",
    );
  return examples;
}

/** One step after the other. */
export async function runJob(parts: RunJobParts, jobId: string, signal: AbortSignal): Promise<void> {
  const { database, journal, afterStep, log } = parts;
  const job = await readJob(database, jobId);
  if (isOver(job) || job.state === "paused" || job.state === "unpaid") return;
  const rows = await readRows(parts, job.spec);
  evaluationRows(job.spec, rows);
  requireHeldOut(job.spec, rows.heldOut.length);
  await requirePrice(parts, job.spec);

  /** Goes on to what comes next, unless somebody has stopped the job: that is read where it is written, and nothing is written over it. */
  async function enter(state: JobState): Promise<void> {
    if (signal.aborted || !(await journal.setState(jobId, state, {}, workedOn)))
      throw new CancelledError(`Job ${jobId} was stopped before it was ${state}.`);
  }

  /** What the step left behind last time, or what it leaves now. */
  async function once<T extends object>(step: JobStep, state: JobState, run: () => Promise<T>): Promise<T> {
    const before = job[step] as T | null;
    if (before !== null) return before;
    requirePaid(job, parts.now());
    await enter(state);
    const result = await run();
    await writeStep(database, jobId, step, result);
    await afterStep(step);
    return result;
  }

  const start = await startOf(parts, job.spec);
  const trained = await once("trained", "training", () => train(parts, job, rows, start, signal));
  const file = parts.progressFile(jobId);
  if (file !== undefined) removeTraining(file);
  const evaluated = await once("evaluated", "evaluating", () => evaluate(parts, job, rows, trained));
  if (!job.spec.publish) return enter("succeeded");
  const indexed = await once("indexed", "indexing", () => index(parts, job, rows, trained));
  const calibrated = await once("calibrated", "calibrating", () =>
    calibrate(parts, job, rows, start, trained, indexed, signal),
  );
  requirePaid(job, parts.now());
  await requirePrice(parts, job.spec);
  await enter("releasing");
  const id = await release(parts, job, rows, trained, evaluated, indexed, calibrated);
  await afterStep("released");
  await database.query("update modelfactory.jobs set release_id = $2 where id = $1", [jobId, id]);
  await journal.setState(jobId, "succeeded");
  parts.onRelease(id);
  log(`Job ${jobId}: "${job.spec.model}" is released as ${id}.`);
}

/**
 * The adapter that a job continues from. The data it was made of must be trained on again: whoever taught it what it knows has to be in
 * the index that pays for what it says.
 *
 * @throws ModelFactoryError `unknown-release`, `other-adapter`, `other-data`
 */
export async function startOf(
  { database, blobs, base }: Pick<RunJobParts, "database" | "blobs" | "base">,
  { continueFrom, recipe, datanets }: JobSpec,
): Promise<AdapterFiles | null> {
  if (continueFrom === null) return null;
  const from = await findRelease(database, continueFrom);
  if (from === undefined)
    throw new ModelFactoryError(
      "unknown-release",
      `There is no release ${continueFrom} here to continue from.`,
    );
  const { adapter } = from.manifest;
  const shape = (of: { rank: number; alpha: number | string; modules: readonly string[] }) =>
    `rank ${of.rank}, alpha ${Number(of.alpha)}, modules ${[...of.modules].sort().join(" ")}`;
  if (!isOfBase(from.manifest, base) || shape(adapter) !== shape(recipe))
    throw new ModelFactoryError(
      "other-adapter",
      `Release ${continueFrom} has an adapter of ${from.manifest.base.name} with ${shape(adapter)}; this job trains one of ${base.name} with ${shape(recipe)}. Ask for the same, or leave continueFrom out to restart from weights.`,
    );
  for (const { datanetId, version } of from.manifest.datanets)
    if (!datanets.some((one) => one.datanetId === datanetId && one.version >= version))
      throw new ModelFactoryError(
        "other-data",
        `Release ${continueFrom} was trained on version ${version} of Datanet ${datanetId}; who continues it trains on that version or a later one, too, so that its contributors stay in the index that pays them. Add it, or leave continueFrom out to restart from weights.`,
      );
  return { config: await blobs.get(from.adapterConfig), tensors: await blobs.get(adapter.digest) };
}

async function train(
  { blobs, journal, training, progressFile, base, now, log }: RunJobParts,
  { id, spec }: FineTuningJob,
  rows: Rows,
  start: AdapterFiles | null,
  signal: AbortSignal,
): Promise<Trained> {
  let lastEventAt = 0;
  const file = progressFile(id);
  const result = await (await training()).call(
    "train",
    {
      recipe: spec.recipe,
      examples: rows.examples,
      heldOut: rows.heldOut,
      start,
      progress: file === undefined ? null : { file, key: progressKey(id, base) },
    },
    {
      signal,
      onEvent: ({ kind, ...event }: TrainEvent) => {
        if ("epochEnds" in event) {
          if (now() - lastEventAt < eventEveryMs && !event.epochEnds) return;
          lastEventAt = now();
        }
        journal
          .record(id, kind, event)
          .catch((error: Error) => log(`Job ${id}: an event was not recorded: ${error.message}`));
      },
    },
  );
  const { steps, releasedEpoch, heldOutLosses, heldOutRows, lossFirst, examples, skipped, copies } = result;
  const { stepLosses, seconds, tokens } = result;
  return {
    adapterConfig: await blobs.put(result.adapter.config),
    adapterTensors: await blobs.put(result.adapter.tensors),
    moments: await blobs.put(result.moments),
    lossCurve: await blobs.put(bytes(stepLosses.map((loss, at) => [at + 1, Math.round(loss * 1e6)]))),
    epochs: result.epochLosses.length,
    lossLast: result.epochLosses[releasedEpoch - 1] ?? lossFirst,
    ...{
      steps,
      releasedEpoch,
      heldOutLosses,
      heldOutRows,
      lossFirst,
      examples,
      skipped,
      copies,
      seconds,
      tokens,
    },
  };
}

const adapterOf = async ({ blobs }: RunJobParts, trained: Trained) => ({
  config: await blobs.get(trained.adapterConfig),
  tensors: await blobs.get(trained.adapterTensors),
});

async function evaluate(
  parts: RunJobParts,
  { spec }: FineTuningJob,
  rows: Rows,
  trained: Trained,
): Promise<Evaluated> {
  const examples = evaluationRows(spec, rows);
  const engine = await parts.training();
  const { recipe } = spec;
  const adapter = await adapterOf(parts, trained);
  const measure = async (which: AdapterFiles | null) => ({
    heldOut: await engine.call("evaluate", { recipe, adapter: which, examples }),
    regression: await engine.call("evaluate", { recipe, adapter: which, examples: [...regressionSet] }),
    answers: await engine.call("answers", {
      recipe,
      adapter: which,
      examples: examples.slice(0, answersMax),
    }),
  });
  const [before, after] = [await measure(null), await measure(adapter)];
  type Side = typeof before;
  const both = (of: (side: Side) => readonly number[]) => ({ base: of(before), tuned: of(after) });
  const report = evaluationReport(trained.adapterTensors, {
    losses: both(({ heldOut }) => heldOut.losses),
    exact: both(({ heldOut }) => heldOut.exact.map(Number)),
    rougeL: both(({ answers }) => answers.map(({ answer, reference }) => rougeL(answer, reference))),
    regression: both(({ regression }) => regression.losses),
  });
  return {
    examples: examples.length,
    base: { loss: before.heldOut.loss, exact: before.heldOut.exact },
    tuned: { loss: after.heldOut.loss, exact: after.heldOut.exact },
    report: await parts.blobs.put(new TextEncoder().encode(canonicalJson(report))),
  };
}

async function index(
  parts: RunJobParts,
  { id, spec }: FineTuningJob,
  rows: Rows,
  trained: Trained,
): Promise<Indexed> {
  const { blobs, journal, log } = parts;
  await using folder = await temporaryFolder("explain");
  const explainFile = join(folder.path, "explain");
  const result = await (await parts.training()).call(
    "index",
    {
      recipe: spec.recipe,
      adapter: await adapterOf(parts, trained),
      moments: await blobs.get(trained.moments),
      steps: trained.steps,
      examples: rows.examples,
      contributorOf: rows.contributorOf,
      contributors: rows.contributors.length,
      heldOut: rows.heldOut,
      explainFile,
      calibration:
        spec.recipe.calibration.retrainings === 0
          ? null
          : {
              retrainings: spec.recipe.calibration.retrainings,
              queries: calibrationQueries(spec, rows.heldOut),
            },
    },
    {
      onEvent: (event: Record<string, unknown>) =>
        void journal
          .record(id, "index", event)
          .catch((error: Error) => log(`Job ${id}: an event was not recorded: ${error.message}`)),
    },
  );
  return {
    basis: await blobs.put(result.basis),
    rows: await blobs.put(Buffer.concat(result.rows.map((row) => encodeRow(row)))),
    contributors: result.contributorOfRow.map((c) => rows.contributors[c] as Address),
    examplesPerRow: result.examplesPerRow,
    nullRows: result.rows.length - result.contributorOfRow.length,
    k: result.k,
    scale: decimalFraction(result.scale),
    thresholdMillionths: result.thresholdMillionths,
    falseDiscovery: result.report.falseDiscovery,
    // JSON has no infinity: where no null row ever scores, chance reaches nowhere, and a hundred times as far says as much.
    chance: Math.min(result.report.chance, 100),
    heldOut: result.report.heldOut,
    fisherRows: result.report.fisherRows,
    bytes: result.report.bytes,
    seconds: result.report.seconds,
    foretold: result.foretold === null ? null : await blobs.put(bytes(result.foretold)),
    clusters: await blobs.put(new TextEncoder().encode(canonicalJson({ clusters: result.clusters }))),
    explain: await blobs.putFile(explainFile),
  };
}

/** Manifest, chain, signature, and the row that makes it askable; safe to run again after any of them. */
async function release(
  parts: RunJobParts,
  job: FineTuningJob,
  rows: Rows,
  trained: Trained,
  evaluated: Evaluated,
  indexed: Indexed,
  calibrated: CalibratedStep,
): Promise<Digest> {
  const { database, blobs, registry, developer, base, afterStep, now } = parts;
  const { spec } = job;
  const tree = indexTree(indexRows(await blobs.get(indexed.rows), indexed.k, indexed.contributors));
  const price = {
    promptWeiPerToken: BigInt(spec.price.promptWeiPerToken),
    completionWeiPerToken: BigInt(spec.price.completionWeiPerToken),
  };
  const signedAtMs = await settleSigningTime(database, job.id, now());
  const parent =
    (await latestRelease(database, spec.model, signedAtMs)) ??
    (spec.continueFrom === null ? undefined : await findRelease(database, spec.continueFrom));
  const manifest = buildManifest({
    base,
    versions: rows.versions,
    acceptedExamples: rows.acceptedExamples,
    recipe: spec.recipe,
    exclude: spec.exclude as Address[],
    continueFrom: spec.continueFrom,
    trained,
    evaluated,
    indexed,
    calibrated,
    indexRoot: tree.root,
    alpha: decimalFraction(spec.recipe.alpha),
    price,
    developer: developer.address.toLowerCase() as Address,
    parentRelease: parent?.id ?? null,
    createdAtMs: signedAtMs,
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
    `insert into modelfactory.releases (id, model, manifest, adapter_config, rows_digest, contributors, signature, transaction_hash, job_id, created_at_ms, given)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict (id) do nothing`,
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
      signedAtMs,
      JSON.stringify(givenBy(rows)),
    ],
  );
  return id;
}
