/** Fine-tuning jobs as OpenAI's clients ask for them and read them: a request becomes a job's wishes, a job becomes their object. */
import { z } from "zod";
import { type Datanets, findLicense } from "../../datanets/index.ts";
import { addressSchema, type Digest, decimalSchema, uint32Schema } from "../../protocol/index.ts";
import type { FineTuningJob, JobEvent, JobSpecInput } from "../job.ts";
import { presetNames, withPreset } from "../presets.ts";
import { type RecipeInput, recipeSchema } from "../recipe.ts";
import type { BaseModel } from "../release.ts";
import type { Release } from "../releases.ts";
import { OpenAIError } from "./errors.ts";

const auto = <T extends z.ZodType>(schema: T) => z.union([z.literal("auto"), schema]).optional();
const hyperparametersSchema = z.strictObject({
  n_epochs: auto(z.int().min(1).max(1_000)),
  batch_size: auto(z.int().min(1).max(256)),
  learning_rate_multiplier: auto(z.number().positive().max(100)),
});

/** What `POST /v1/fine_tuning/jobs` takes: OpenAI's parameters; those that would be ignored are refused by name. */
export const createJobSchema = z.strictObject({
  /** The base's name, or a model or release of this node, whose training is continued. */
  model: z.string().min(1).max(128),
  /** A file's id, or a published Datanet version as `datanet-1@2`. */
  training_file: z.string().min(1).max(128),
  validation_file: z.string().min(1).max(128).nullish(),
  /** The name that the model is asked for by; one of its own without. */
  suffix: z
    .string()
    .regex(
      /^[a-z0-9][a-z0-9._-]{0,63}$/,
      "1 to 64 of a–z, 0–9, dot, dash and underscore, starting with a letter or digit: the model is asked for by it",
    )
    .nullish(),
  seed: z.int().min(0).max(0xffff_ffff).nullish(),
  hyperparameters: hyperparametersSchema.optional(),
  method: z
    .strictObject({
      type: z.literal("supervised", "only supervised fine-tuning is done here"),
      supervised: z.strictObject({ hyperparameters: hyperparametersSchema.optional() }).optional(),
    })
    .nullish(),
  /** Besides what its sender likes: `openledger.license`, `openledger.preset`, `openledger.owner`, `openledger.payer`. */
  metadata: z
    .record(z.string().max(64), z.string().max(512))
    .refine((map) => Object.keys(map).length <= 16, "at most 16 pairs")
    .nullish(),
  integrations: z.array(z.unknown()).max(0, "no integrations are built in").nullish(),
});
export type CreateJob = z.output<typeof createJobSchema>;

const settingsSchema = z.object({
  /**
   * SPDX identifier of the Datanet made of the file. Unless said otherwise, the Computational Use of Data Agreement: models may be made
   * and sold, and the data itself is given to nobody.
   */
  "openledger.license": z.string().min(1).max(64).default("C-UDA-1.0"),
  "openledger.preset": z.enum(presetNames).default("balanced"),
  "openledger.owner": z.string().min(1).max(64).optional(),
  /** Whose payment the job waits for, where jobs cost something; anyone's without it. */
  "openledger.payer": z.string().toLowerCase().pipe(addressSchema).optional(),
});
export const settingsOf = ({ metadata }: CreateJob) => settingsSchema.parse(metadata ?? {});

/** The version that `datanet-1@2` names, if it names one. */
export function namedVersion(name: string): { datanetId: string; version: number } | undefined {
  const [, datanetId, version] = /^datanet-([0-9]{1,78})@([0-9]{1,10})$/.exec(name) ?? [];
  const id = decimalSchema.safeParse(datanetId);
  const number = uint32Schema.min(1).safeParse(Number(version));
  return id.success && number.success ? { datanetId: id.data, version: number.data } : undefined;
}

const given = <T>(value: "auto" | T | undefined): T | undefined => (value === "auto" ? undefined : value);

/** The recipe that a request asks for; what it leaves open is its preset's. */
export function recipeFor(request: CreateJob, from: Release | undefined): RecipeInput {
  const wishes = request.method?.supervised?.hyperparameters ?? request.hyperparameters ?? {};
  const preset = recipeSchema.parse(withPreset(settingsOf(request)["openledger.preset"]));
  const epochs = given(wishes.n_epochs);
  const batch = given(wishes.batch_size);
  const multiplier = given(wishes.learning_rate_multiplier);
  return {
    ...preset,
    ...(epochs === undefined ? {} : { epochs }),
    ...(batch === undefined ? {} : { batch }),
    ...(multiplier === undefined ? {} : { learningRate: Math.min(1, preset.learningRate * multiplier) }),
    ...(request.seed == null ? {} : { seed: request.seed }),
    // What is continued keeps the shape of its adapter.
    ...(from === undefined
      ? {}
      : {
          rank: from.manifest.adapter.rank,
          alpha: Number(from.manifest.adapter.alpha),
          modules: from.manifest.adapter.modules as NonNullable<RecipeInput["modules"]>,
        }),
  };
}

/** The job that a request asks for, once its files are Datanet versions. */
export async function specFor(
  request: CreateJob,
  id: string,
  version: { datanetId: string; version: number },
  from: Release | undefined,
  datanets: Pick<Datanets, "getVersionSummary">,
): Promise<JobSpecInput> {
  const before = (from?.manifest.datanets ?? []).map(({ datanetId, version }) => ({ datanetId, version }));
  const all = [...before.filter(({ datanetId }) => datanetId !== version.datanetId), version];
  const licenses = await Promise.all(
    all.map(async (one) => (await datanets.getVersionSummary(BigInt(one.datanetId), one.version)).license),
  );
  const sellable = licenses.every((license) => findLicense(license).commercialUse);
  return {
    model: request.suffix ?? id,
    datanets: all,
    recipe: recipeFor(request, from),
    ...(from === undefined ? {} : { continueFrom: from.id as Digest }),
    ...(sellable ? {} : { price: { promptWeiPerToken: "0", completionWeiPerToken: "0" } }),
  };
}

/** What is kept of a request beside the job. */
export const keptRequestSchema = z.object({
  model: z.string(),
  training_file: z.string(),
  validation_file: z.string().nullable(),
  metadata: z.record(z.string(), z.string()),
});
export type KeptRequest = z.infer<typeof keptRequestSchema>;

/** A job that waits to be paid for waits: their clients know no other word for it. */
const statusOf = (state: FineTuningJob["state"]) =>
  state === "unpaid"
    ? ("queued" as const)
    : state === "queued" ||
        state === "paused" ||
        state === "succeeded" ||
        state === "failed" ||
        state === "cancelled"
      ? state
      : ("running" as const);

const seconds = (ms: number) => Math.floor(ms / 1000);

/** A job as OpenAI's `fine_tuning.job`. */
export function openaiJob(job: FineTuningJob, request: KeptRequest | undefined, base: BaseModel) {
  const { recipe, datanets } = job.spec;
  const hyperparameters = {
    n_epochs: recipe.epochs,
    batch_size: recipe.batch,
    learning_rate_multiplier: recipe.learningRate / recipeSchema.parse({}).learningRate,
  };
  return {
    object: "fine_tuning.job" as const,
    id: job.id,
    model: request?.model ?? job.spec.continueFrom ?? base.name,
    created_at: seconds(job.createdAtMs),
    finished_at: job.finishedAtMs === null ? null : seconds(job.finishedAtMs),
    fine_tuned_model: job.releaseId === null ? null : job.spec.model,
    organization_id: job.owner,
    result_files: [],
    status: statusOf(job.state),
    validation_file: request?.validation_file ?? null,
    training_file:
      request?.training_file ?? datanets.map((d) => `datanet-${d.datanetId}@${d.version}`).join(","),
    hyperparameters,
    method: { type: "supervised" as const, supervised: { hyperparameters } },
    trained_tokens: job.state === "succeeded" ? (job.trained?.tokens ?? null) : null,
    error: job.error === null ? null : { code: "job_failed", message: job.error, param: null },
    seed: recipe.seed,
    estimated_finish: null,
    integrations: [],
    metadata: request?.metadata ?? {},
    /** What OpenAI's object has no place for. */
    openledger: { release: job.releaseId, datanets, state: job.state, payment: job.payment },
  };
}

/** An event as OpenAI's `fine_tuning.job.event`. */
export function openaiEvent({ id, atMs, kind, data }: JobEvent) {
  const fixed = (value: unknown) => Number(value).toFixed(4);
  const metrics = kind === "step" || kind === "epoch";
  const messages: Record<string, () => string> = {
    state: () => `The job is ${data.state}.${data.error === undefined ? "" : ` ${data.error}`}`,
    warning: () => String(data.message),
    step: () => `Step ${data.step}/${data.steps}: training loss=${fixed(data.loss)}`,
    epoch: () => `Epoch ${data.epoch}: validation loss=${fixed(data.heldOutLoss)}`,
    resumed: () => `The training goes on after step ${data.from}.`,
    index: () => `Index, ${data.stage}: ${data.done}/${data.of}`,
    calibration: () => `Calibration: ${Number(data.done).toFixed(1)} of ${data.of} retrainings`,
  };
  return {
    object: "fine_tuning.job.event" as const,
    id: `ftevent-${id}`,
    created_at: seconds(atMs),
    level:
      kind === "warning"
        ? ("warn" as const)
        : data.state === "failed"
          ? ("error" as const)
          : ("info" as const),
    message: messages[kind]?.() ?? kind,
    type: metrics ? ("metrics" as const) : ("message" as const),
    data:
      kind === "step"
        ? { step: data.step, total_steps: data.steps, train_loss: data.loss }
        : kind === "epoch"
          ? { epoch: data.epoch, full_valid_loss: data.heldOutLoss }
          : data,
  };
}

/** The number of the event that a cursor names. @throws OpenAIError */
export function eventNumber(cursor: string): number {
  const [, number] = /^ftevent-(\d{1,15})$/.exec(cursor) ?? [];
  if (number === undefined)
    throw new OpenAIError(
      400,
      "invalid_value",
      `Expected an event's id, such as ftevent-12; got "${cursor}".`,
      "after",
    );
  return Number(number);
}

/**
 * The jobs that a list asks for by `metadata[key]=value`, or by `metadata=null` for those without any.
 *
 * @returns undefined where it asks for all of them
 * @throws OpenAIError
 */
export function metadataFilter(query: URLSearchParams): Record<string, string> | null | undefined {
  const pairs = [...query].flatMap(([name, value]) => {
    const [, key] = /^metadata\[(.{1,64})\]$/.exec(name) ?? [];
    return key === undefined ? [] : [[key, value] as const];
  });
  const whole = query.get("metadata");
  if (pairs.length > 16 || (whole !== null && (whole !== "null" || pairs.length > 0)))
    throw new OpenAIError(
      400,
      "invalid_value",
      "Expected metadata[key]=value, at most 16 of them, or metadata=null.",
      "metadata",
    );
  return whole === "null" ? null : pairs.length === 0 ? undefined : Object.fromEntries(pairs);
}

/**
 * The checkpoints that a job leaves: one, the epoch that was evaluated and released. It is asked for by the release's id, whatever the
 * model's name serves later.
 */
export function openaiCheckpoints({ id, trained, releaseId, finishedAtMs, createdAtMs }: FineTuningJob) {
  if (trained === null || releaseId === null) return [];
  const { steps, releasedEpoch = trained.epochs, heldOutLosses, lossLast } = trained;
  const validLoss = heldOutLosses[releasedEpoch];
  return [
    {
      object: "fine_tuning.job.checkpoint" as const,
      id: `ftckpt-${releaseId.slice(2, 26)}`,
      created_at: seconds(finishedAtMs ?? createdAtMs),
      fine_tuned_model_checkpoint: releaseId,
      fine_tuning_job_id: id,
      metrics: {
        step: steps,
        train_loss: lossLast,
        ...(validLoss === undefined ? {} : { full_valid_loss: validLoss }),
      },
      step_number: steps,
    },
  ];
}
