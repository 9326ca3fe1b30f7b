/** Fine-tuning jobs and releases over HTTP. Reading is open; starting and cancelling jobs is the operator's. */
import { randomUUID } from "node:crypto";
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { streamSSE } from "hono/streaming";
import { DatanetError } from "../datanets/index.ts";
import {
  type Digest,
  describeCalibration,
  digestSchema,
  releaseStanding,
  toHex,
  whatIsWrong,
} from "../protocol/index.ts";
import { ModelFactoryError, type ModelFactoryErrorCode } from "./errors.ts";
import { reportSchema } from "./evaluation.ts";
import { type FineTuningJob, isOver, type JobSpecInput, jobSpecSchema } from "./job.ts";
import { recipeWarnings } from "./recipe.ts";
import { diffReleases } from "./release-diff.ts";
import type { Release } from "./releases.ts";
import type { ModelFactory } from "./service.ts";
import { type Grid, gridSchema } from "./sweep.ts";

const statusOf: Record<ModelFactoryErrorCode, 400 | 403 | 404 | 409> = {
  "bad-name": 400,
  "bad-recipe": 400,
  busy: 409,
  "job-exists": 409,
  "job-over": 409,
  "license-conflict": 400,
  "other-adapter": 400,
  "no-parent": 409,
  "nothing-to-train": 400,
  "nothing-to-evaluate": 400,
  "other-data": 400,
  "not-owner": 403,
  "not-commercial": 400,
  "unknown-job": 404,
  "unknown-report": 404,
  "unknown-release": 404,
};

const errorOut = z.object({ error: z.object({ code: z.string(), message: z.string() }) });
const json = (schema: z.ZodType, description: string) => ({
  content: { "application/json": { schema } },
  description,
});
const failures = {
  400: json(errorOut, "The request is not right; the message says why"),
  403: json(errorOut, "Not allowed"),
  404: json(errorOut, "There is no such thing here"),
  409: json(errorOut, "It contradicts what is already here"),
};
const tags = ["ModelFactory"];
const jobParams = z.object({ id: z.string().min(1).max(64) });
const releaseParams = z.object({ release: z.string().min(1).max(128) });
const jobOut = z.unknown();

const newJobFields = {
  id: z
    .string()
    .regex(/^[\w-]{1,64}$/)
    .optional(),
  owner: z.string().min(1).max(64).optional(),
};
/** A job's wishes, checked in full by {@link jobSpecSchema}, and its name. */
const newJobBody = {
  required: true,
  content: {
    "application/json": {
      schema: z.looseObject(newJobFields).openapi("NewFineTune"),
    },
  },
};

const routes = {
  create: createRoute({
    method: "post",
    path: "/v1/fine-tunes",
    tags,
    summary:
      "Start a fine-tuning job, as this node's developer; `warnings` say what its recipe does to attribution",
    request: { body: newJobBody },
    responses: { 201: json(jobOut, "The job"), ...failures },
  }),
  estimate: createRoute({
    method: "post",
    path: "/v1/fine-tunes/estimate",
    tags,
    summary: "How long a job would take here, what memory it needs, and what it costs; starts nothing",
    request: { body: newJobBody },
    responses: { 200: json(z.unknown(), "The estimate"), ...failures },
  }),
  sweep: createRoute({
    method: "post",
    path: "/v1/fine-tunes/sweeps",
    tags,
    summary: "A job for each point of a grid over the recipe; none is released",
    request: {
      body: {
        required: true,
        content: {
          "application/json": {
            schema: z.looseObject({ ...newJobFields, grid: gridSchema }).openapi("NewSweep"),
          },
        },
      },
    },
    responses: { 201: json(z.unknown(), "The jobs"), ...failures },
  }),
  compare: createRoute({
    method: "get",
    path: "/v1/fine-tunes/sweeps/{id}",
    tags,
    summary: "A sweep's jobs side by side, the lowest held-out loss first",
    request: { params: jobParams },
    responses: { 200: json(z.unknown(), "The jobs"), ...failures },
  }),
  list: createRoute({
    method: "get",
    path: "/v1/fine-tunes",
    tags,
    summary: "Jobs, newest first",
    responses: { 200: json(z.unknown(), "The jobs") },
  }),
  get: createRoute({
    method: "get",
    path: "/v1/fine-tunes/{id}",
    tags,
    summary: "A job",
    request: { params: jobParams },
    responses: { 200: json(jobOut, "The job"), ...failures },
  }),
  events: createRoute({
    method: "get",
    path: "/v1/fine-tunes/{id}/events",
    tags,
    summary: "A job's events: live loss; as server-sent events when they are accepted",
    request: { params: jobParams, query: z.object({ after: z.coerce.number().int().min(0).default(0) }) },
    responses: { 200: json(z.unknown(), "Events after the one given"), ...failures },
  }),
  evaluation: createRoute({
    method: "get",
    path: "/v1/fine-tunes/{id}/evaluation",
    tags,
    summary:
      "Base against tuned: loss, perplexity, exact match, ROUGE-L and general prompts, with 95 % intervals",
    request: { params: jobParams },
    responses: { 200: json(reportSchema, "The report, in millionths"), ...failures },
  }),
  cancel: createRoute({
    method: "post",
    path: "/v1/fine-tunes/{id}/cancel",
    tags,
    summary: "Cancel a job",
    request: { params: jobParams },
    responses: { 200: json(jobOut, "The job"), ...failures },
  }),
  pause: createRoute({
    method: "post",
    path: "/v1/fine-tunes/{id}/pause",
    tags,
    summary: "Set a job aside; what it has trained is kept",
    request: { params: jobParams },
    responses: { 200: json(jobOut, "The job"), ...failures },
  }),
  resume: createRoute({
    method: "post",
    path: "/v1/fine-tunes/{id}/resume",
    tags,
    summary: "Queue a paused job again; it goes on where it stood",
    request: { params: jobParams },
    responses: { 200: json(jobOut, "The job"), ...failures },
  }),
  duplicate: createRoute({
    method: "post",
    path: "/v1/fine-tunes/{id}/duplicate",
    tags,
    summary: "A new job with the wishes of another, and its own where given",
    request: { params: jobParams, body: newJobBody },
    responses: { 201: json(jobOut, "The new job"), ...failures },
  }),
  release: createRoute({
    method: "get",
    path: "/v1/releases/{release}",
    tags,
    summary: "A release by id, or a model's newest",
    request: { params: releaseParams },
    responses: { 200: json(z.unknown(), "Manifest, signature and file digests"), ...failures },
  }),
  versions: createRoute({
    method: "get",
    path: "/v1/releases/{release}/versions",
    tags,
    summary: "A model's releases, newest first: parent, successor, and which one its name serves",
    request: { params: releaseParams },
    responses: { 200: json(z.unknown(), "The releases"), ...failures },
  }),
  diff: createRoute({
    method: "get",
    path: "/v1/releases/{release}/diff/{other}",
    tags,
    summary: "What two releases say differently, place by place of their manifests",
    request: { params: releaseParams.extend({ other: z.string().min(1).max(128) }) },
    responses: { 200: json(z.unknown(), "The differences"), ...failures },
  }),
  serve: createRoute({
    method: "post",
    path: "/v1/releases/{release}/serve",
    tags,
    summary:
      "Have a model's name serve one of its releases: the one before unless named, until its next release",
    request: {
      params: releaseParams,
      body: {
        required: true,
        content: { "application/json": { schema: z.strictObject({ releaseId: digestSchema.optional() }) } },
      },
    },
    responses: { 200: json(z.unknown(), "What it serves now, and what it served"), ...failures },
  }),
  index: createRoute({
    method: "get",
    path: "/v1/releases/{release}/index",
    tags,
    summary: "A release's pay index: every row, to recompute scores with",
    request: { params: releaseParams },
    responses: { 200: json(z.unknown(), "Contributors, then null rows, as hex"), ...failures },
  }),
};

type NewJob = { id?: string; owner?: string };

const jobJson = (job: FineTuningJob) => {
  const { evaluation, ...spec } = job.spec;
  return {
    ...job,
    object: "fine_tuning.job" as const,
    warnings: recipeWarnings(job.spec.recipe),
    spec: { ...spec, evaluationExamples: evaluation.length },
  };
};
type Withdrawn = Awaited<ReturnType<ModelFactory["withdrawnSince"]>>;
const releaseJson = (release: Release, attested: boolean | undefined, withdrawn: Withdrawn) => ({
  ...release,
  /** Rows of its versions that their contributors have taken back since. */
  withdrawn,
  object: "release" as const,
  calibration: describeCalibration(release.manifest),
  standing: releaseStanding(attested),
});

/**
 * @param guard lets only the operator through
 * @param attestedOf whether validators have attested a release's index
 */
export function modelFactoryRoutes(
  service: ModelFactory,
  guard: MiddlewareHandler,
  attestedOf?: (releaseId: Digest) => Promise<boolean>,
): OpenAPIHono {
  const app = new OpenAPIHono();
  const failure = (context: Context, status: 400 | 403 | 404 | 409, code: string, message: string) =>
    context.json({ error: { code, message } }, status);
  app.onError((error, context) => {
    if (error instanceof ModelFactoryError)
      return failure(context, statusOf[error.code], error.code, error.message);
    if (error instanceof DatanetError)
      return failure(
        context,
        error.code.startsWith("unknown-") ? 404 : 400,
        error.code,
        `${error.message} Publish it first: openledger datanet publish.`,
      );
    if (error instanceof z.ZodError) return failure(context, 400, "invalid-request", whatIsWrong(error));
    throw error;
  });
  const found = async (name: string): Promise<Release> => {
    const release = await service.findRelease(name);
    if (release === undefined)
      throw new ModelFactoryError(
        "unknown-release",
        `There is no model or release "${name}" here. GET /v1/models lists them.`,
      );
    return release;
  };

  app.openapi({ ...routes.create, middleware: [guard] }, async (context) => {
    const { id = `ft-${randomUUID()}`, owner, ...spec } = context.req.valid("json") as NewJob;
    const job = await service.createJob(id, jobSpecSchema.parse(spec) as JobSpecInput, owner);
    return context.json(jobJson(job), 201);
  });
  app.openapi({ ...routes.estimate, middleware: [guard] }, async (context) => {
    const { id: _, owner: __, ...spec } = context.req.valid("json") as NewJob;
    const { costWei, ...estimate } = await service.estimate(jobSpecSchema.parse(spec) as JobSpecInput);
    return context.json({ object: "fine_tune.estimate", ...estimate, costWei: costWei.toString() }, 200);
  });
  app.openapi({ ...routes.sweep, middleware: [guard] }, async (context) => {
    const {
      id = `sweep-${randomUUID()}`,
      owner,
      grid,
      ...spec
    } = context.req.valid("json") as NewJob & {
      grid: Grid;
    };
    const wishes = jobSpecSchema.parse({ ...spec, publish: false }) as JobSpecInput;
    return context.json({ object: "sweep", id, data: await service.sweep(id, wishes, grid, owner) }, 201);
  });
  app.openapi(routes.compare, async (context) => {
    const { id } = context.req.valid("param");
    return context.json({ object: "sweep", id, data: await service.compare(id) }, 200);
  });
  app.openapi({ ...routes.duplicate, middleware: [guard] }, async (context) => {
    const { id = `ft-${randomUUID()}`, owner: _, ...changes } = context.req.valid("json") as NewJob;
    const { id: of } = context.req.valid("param");
    return context.json(jobJson(await service.duplicate(of, id, changes as Partial<JobSpecInput>)), 201);
  });
  app.openapi({ ...routes.pause, middleware: [guard] }, async (context) =>
    context.json(jobJson(await service.pause(context.req.valid("param").id)), 200),
  );
  app.openapi({ ...routes.resume, middleware: [guard] }, async (context) =>
    context.json(jobJson(await service.resume(context.req.valid("param").id)), 200),
  );
  app.openapi(routes.list, async (context) =>
    context.json({ object: "list", data: (await service.listJobs()).map(jobJson) }, 200),
  );
  app.openapi(routes.get, async (context) =>
    context.json(jobJson(await service.getJob(context.req.valid("param").id)), 200),
  );
  app.openapi(routes.evaluation, async (context) => {
    const { id } = context.req.valid("param");
    const report = await service.report(id);
    if (report !== undefined) return context.json(report, 200);
    throw new ModelFactoryError(
      "unknown-report",
      `Job ${id} has not been evaluated yet, or keeps no report.`,
    );
  });
  app.openapi({ ...routes.cancel, middleware: [guard] }, async (context) =>
    context.json(jobJson(await service.cancel(context.req.valid("param").id)), 200),
  );
  app.openapi(routes.events, async (context) => {
    const { id } = context.req.valid("param");
    // A browser that reconnects says where it was in a header (HTML, server-sent events, section 9.2.4).
    const last = Number(context.req.header("last-event-id") ?? "");
    let after = Math.max(context.req.valid("query").after, Number.isSafeInteger(last) ? last : 0);
    await service.getJob(id);
    if (!(context.req.header("accept") ?? "").includes("text/event-stream"))
      return context.json({ data: await service.events(id, after) }, 200);
    return streamSSE(context, async (stream) => {
      let wake: () => void = () => {};
      const stop = service.onEvent((jobId) => {
        if (jobId === id) wake();
      });
      stream.onAbort(() => wake());
      try {
        while (!stream.aborted) {
          const woken = new Promise<void>((resolve) => {
            wake = resolve;
          });
          const events = await service.events(id, after);
          for (const event of events) {
            await stream.writeSSE({
              id: String(event.id),
              event: event.kind,
              data: JSON.stringify({ atMs: event.atMs, ...event.data }),
            });
            after = event.id;
          }
          const { state } = await service.getJob(id);
          if (events.length === 0 && isOver({ state })) break;
          if (events.length === 0) await woken;
        }
      } finally {
        stop();
      }
    }) as never;
  });
  app.openapi(routes.release, async (context) => {
    const release = await found(context.req.valid("param").release);
    const withdrawn = await service.withdrawnSince(release);
    return context.json(releaseJson(release, await attestedOf?.(release.id), withdrawn), 200);
  });
  app.openapi(routes.versions, async (context) =>
    context.json({ object: "list", data: await service.versions(context.req.valid("param").release) }, 200),
  );
  app.openapi(routes.diff, async (context) => {
    const names = context.req.valid("param");
    const [before, after] = [await found(names.release), await found(names.other)];
    const differences = diffReleases(before.manifest, after.manifest);
    return context.json({ before: before.id, after: after.id, differences }, 200);
  });
  app.openapi({ ...routes.serve, middleware: [guard] }, async (context) => {
    const { releaseId } = context.req.valid("json");
    const { release: model } = context.req.valid("param");
    const { serves, served } = await service.serve(model, releaseId as Digest | undefined);
    return context.json({ model, serves: serves.id, served: served.id }, 200);
  });
  app.openapi(routes.index, async (context) => {
    const { id, manifest } = await found(context.req.valid("param").release);
    const { rows, release } = await service.releaseIndex(digestSchema.parse(id) as Digest);
    return context.json(
      {
        release: id,
        k: manifest.index.k,
        contributors: release.contributors,
        rows: rows.map((row) => toHex(row)),
      },
      200,
    );
  });
  return app;
}
