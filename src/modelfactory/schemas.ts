/** What jobs and releases look like over HTTP, as Zod schemas: the OpenAPI document and the pages' types come from them. */
import { z } from "@hono/zod-openapi";
import { addressSchema, digestSchema, jobPlanSchema, manifestSchema } from "../protocol/index.ts";
import { reportSchema } from "./evaluation.ts";
import { jobSpecSchema } from "./job.ts";
import { paymentSchema } from "./payment.ts";
import { recipeSchema, warningSchema } from "./recipe.ts";
import { evaluatedSchema, indexedSchema, trainedSchema } from "./release.ts";

const wei = z.string().openapi({ description: "wei", example: "1000000000000" });
/** Fractions in what is hashed are text; lists and objects stand inside. */
const facts = z.record(z.string(), z.unknown());

const stateOut = z
  .enum([
    ...([
      "unpaid",
      "queued",
      "paused",
      "training",
      "evaluating",
      "indexing",
      "calibrating",
      "releasing",
    ] as const),
    ...(["succeeded", "failed", "cancelled"] as const),
  ])
  .openapi("FineTuneState");

const heldOutLossOut = z.object({ mean: z.number(), lo: z.number(), hi: z.number() }).nullable().openapi({
  description:
    "The mean of the rows' losses after training, nats per token, with its 95 % interval; null before it is evaluated",
});

/** A whole recipe, as a job has it. */
export const recipeOut = z.object(recipeSchema.shape).openapi("Recipe");

export const jobOut = z
  .object({
    object: z.literal("fine_tuning.job"),
    id: z.string(),
    owner: z.string(),
    state: stateOut,
    error: z.string().nullable(),
    warnings: z.array(warningSchema).readonly(),
    spec: jobSpecSchema.omit({ evaluation: true }).extend({ recipe: recipeOut, evaluationExamples: z.int() }),
    trained: trainedSchema.nullable(),
    evaluated: evaluatedSchema.nullable(),
    heldOutLoss: heldOutLossOut,
    indexed: indexedSchema.nullable(),
    calibrated: z
      .object({ facts: facts.nullable(), table: digestSchema.nullable(), seconds: z.number() })
      .nullable(),
    releaseId: digestSchema.nullable(),
    payment: z
      .object({ ...paymentSchema.shape, plan: jobPlanSchema.extend({ recipe: facts }) })
      .nullable()
      .openapi({
        description: "What it costs and what has become of that; null for a job that costs nothing",
      }),
    createdAtMs: z.number(),
    finishedAtMs: z.number().nullable(),
  })
  .openapi("FineTune");

export const jobsOut = z.object({
  object: z.literal("list"),
  data: z.array(jobOut),
  next: z.string().nullable(),
});

export const eventsOut = z.object({
  data: z.array(
    z
      .object({
        id: z.int(),
        atMs: z.number(),
        kind: z
          .string()
          .openapi({ description: "warning, state, epoch, step, evaluation, index or calibration" }),
        data: z.record(z.string(), z.unknown()),
      })
      .openapi("FineTuneEvent"),
  ),
});

export const estimateOut = z
  .object({
    object: z.literal("fine_tune.estimate"),
    seconds: z.object({
      reading: z.number(),
      training: z.number(),
      evaluation: z.number(),
      index: z.number(),
      calibration: z.number(),
      total: z.number(),
    }),
    trainingSecondsLeast: z.number().openapi({
      description: "The least training takes where it stops at the held-out optimum",
    }),
    steps: z.number(),
    memoryBytes: z.number(),
    scratchBytes: z.number(),
    costWei: wei,
    priceWei: z.string().openapi({ description: "What the operator asks for the job, wei" }),
    measuredAtMs: z.number().openapi({ description: "When this machine was measured" }),
    problems: z.array(z.string()).readonly().openapi({ description: "What stands in the way here, now" }),
    warnings: z.array(warningSchema).readonly().openapi({ description: "What is said of the recipe" }),
  })
  .openapi("FineTuneEstimate");

const shareOut = z.number().nullable();
export const sweepOut = z
  .object({
    object: z.literal("sweep"),
    id: z.string(),
    data: z.array(
      z.object({
        job: z.string(),
        state: stateOut,
        varied: z.record(z.string(), z.unknown()),
        heldOutLoss: heldOutLossOut,
        exact: shareOut,
        rougeL: shareOut,
        forgotten: shareOut,
        trainingLoss: z.number().nullable(),
        seconds: z.number().nullable(),
      }),
    ),
  })
  .openapi("Sweep");

/** A release's manifest. What developers state freely stands in `recipe`, `evaluation` and `calibration`. */
export const manifestOut = manifestSchema
  .extend({ recipe: facts, evaluation: facts, calibration: facts })
  .openapi("ReleaseManifest");

export const releaseOut = z
  .object({
    object: z.literal("release"),
    id: digestSchema,
    model: z.string(),
    manifest: manifestOut,
    adapterConfig: digestSchema,
    rowsDigest: digestSchema,
    contributors: z
      .array(addressSchema)
      .readonly()
      .openapi({ description: "The payee of each row of the pay index, by row" }),
    signature: z.string(),
    transactionHash: digestSchema.nullable(),
    createdAtMs: z.number(),
    withdrawn: z.array(z.object({ datanetId: z.string(), version: z.int(), rows: z.int() })).openapi({
      description: "Rows of its versions that their contributors have taken back since",
    }),
    calibration: z.looseObject({
      status: z.enum(["separates", "not-separated", "unmeasured"]),
      label: z.string(),
      shareErrorMillionths: z.int().nullable(),
    }),
    standing: z.array(
      z.object({ by: z.enum(["proven", "attested", "neither"]), fact: z.string(), check: z.string() }),
    ),
  })
  .openapi("Release");

export const givenOut = z
  .object({
    release: digestSchema,
    contributors: z.array(z.object({ contributor: addressSchema, examples: z.int() })),
  })
  .openapi("ReleaseContributors");

export const versionsOut = z.object({
  object: z.literal("list"),
  data: z.array(
    z
      .object({
        id: digestSchema,
        parentRelease: digestSchema.nullable(),
        createdAtMs: z.number(),
        served: z.boolean(),
        supersededBy: digestSchema.nullable(),
      })
      .openapi("ReleaseVersion"),
  ),
});

export const diffOut = z.object({
  before: digestSchema,
  after: digestSchema,
  differences: z.array(
    z.object({ path: z.string(), before: z.unknown(), after: z.unknown() }).openapi("ReleaseDifference"),
  ),
});

export const servedOut = z.object({ model: z.string(), serves: digestSchema, served: digestSchema });

export const indexOut = z
  .object({
    release: digestSchema,
    k: z.int(),
    contributors: z.array(addressSchema).readonly(),
    rows: z.array(z.string()).openapi({ description: "Hex, contributors' rows first, then null rows" }),
  })
  .openapi("PayIndex");

/** Base against tuned, with 95 % intervals. */
export const reportOut = z.object(reportSchema.shape).openapi("EvaluationReport");
