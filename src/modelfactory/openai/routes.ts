/** OpenAI's `/v1/files` and `/v1/fine_tuning/jobs`: their client works unchanged, with the operator's token as its key. */
import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { etag } from "hono/etag";
import { HTTPException } from "hono/http-exception";
import { asItWas, DatanetError } from "../../datanets/index.ts";
import { whatIsWrong } from "../../protocol/index.ts";
import { ModelFactoryError } from "../errors.ts";
import { paymentRequired } from "../job-routes.ts";
import type { ModelFactory } from "../service.ts";
import { OpenAIError, openaiErrorBody } from "./errors.ts";
import { nameOf, type StoredFile } from "./files.ts";
import {
  createJobSchema,
  eventNumber,
  metadataFilter,
  openaiCheckpoints,
  openaiEvent,
  openaiJob,
} from "./jobs.ts";
import { FormError, formBoundary } from "./multipart.ts";

const tags = ["OpenAI fine-tuning"];
const out = (description: string) => ({
  content: { "application/json": { schema: z.unknown() } },
  description,
});
const failures = {
  400: out("The request is not right; the message says why"),
  404: out("There is no such thing here"),
};
const limit = (most: number, usual: number) => z.coerce.number().int().min(1).max(most).default(usual);
const cursor = z.string().min(1).max(128).optional();
const fileParams = z.object({ id: z.string().min(1).max(64) });
const jobParams = z.object({ id: z.string().min(1).max(64) });
const eventsPage = z.object({ after: cursor, limit: limit(100, 20) });
const formBody = {
  description: "A form: `file` (JSON Lines), `purpose` (`fine-tune`), maybe `expires_after`",
  required: true,
  // Described without Zod: the framework would read it whole, and here it is read as it arrives.
  content: {
    "multipart/form-data": {
      schema: {
        type: "object" as const,
        properties: {
          file: { type: "string" as const, format: "binary" },
          purpose: { type: "string" as const, enum: ["fine-tune"] },
        },
        required: ["file", "purpose"],
      },
    },
  },
};
const jobAction = (action: "cancel" | "pause" | "resume", summary: string) =>
  createRoute({
    method: "post",
    path: `/v1/fine_tuning/jobs/{id}/${action}`,
    tags,
    summary,
    request: { params: jobParams },
    responses: { 200: out("The job"), ...failures },
  });

const routes = {
  upload: createRoute({
    method: "post",
    path: "/v1/files",
    tags,
    summary: "Bring a file to train on",
    request: { body: formBody },
    responses: { 200: out("The file"), ...failures },
  }),
  files: createRoute({
    method: "get",
    path: "/v1/files",
    tags,
    summary: "Files, newest first",
    request: {
      query: z.object({
        after: cursor,
        limit: limit(10_000, 10_000),
        order: z.enum(["asc", "desc"]).default("desc"),
        purpose: z.string().max(64).optional(),
      }),
    },
    responses: { 200: out("A page"), ...failures },
  }),
  file: createRoute({
    method: "get",
    path: "/v1/files/{id}",
    tags,
    summary: "A file",
    request: { params: fileParams },
    responses: { 200: out("The file"), ...failures },
  }),
  content: createRoute({
    method: "get",
    path: "/v1/files/{id}/content",
    tags,
    summary: "A file's bytes",
    request: { params: fileParams },
    responses: { 200: { description: "The bytes" }, ...failures },
  }),
  remove: createRoute({
    method: "delete",
    path: "/v1/files/{id}",
    tags,
    summary: "Delete a file; what was trained on it stays in its Datanet",
    request: { params: fileParams },
    responses: { 200: out("It is gone"), ...failures },
  }),
  create: createRoute({
    method: "post",
    path: "/v1/fine_tuning/jobs",
    tags,
    summary: "Fine-tune a model on a file or a Datanet version, and release it",
    request: {
      body: {
        required: true,
        content: { "application/json": { schema: createJobSchema.openapi("NewFineTuningJob") } },
      },
    },
    responses: { 200: out("The job"), 409: out("The key was used for something else"), ...failures },
  }),
  jobs: createRoute({
    method: "get",
    path: "/v1/fine_tuning/jobs",
    tags,
    summary: "Jobs, newest first",
    request: { query: z.object({ after: cursor, limit: limit(100, 20) }) },
    responses: { 200: out("A page"), ...failures },
  }),
  job: createRoute({
    method: "get",
    path: "/v1/fine_tuning/jobs/{id}",
    tags,
    summary: "A job",
    request: { params: jobParams },
    responses: { 200: out("The job"), ...failures },
  }),
  events: createRoute({
    method: "get",
    path: "/v1/fine_tuning/jobs/{id}/events",
    tags,
    summary: "A job's events, newest first",
    request: { params: jobParams, query: eventsPage },
    responses: { 200: out("A page"), ...failures },
  }),
  checkpoints: createRoute({
    method: "get",
    path: "/v1/fine_tuning/jobs/{id}/checkpoints",
    tags,
    summary: "The checkpoint that a job released: its fine_tuned_model_checkpoint can be asked",
    request: { params: jobParams, query: z.object({ after: cursor, limit: limit(100, 10) }) },
    responses: { 200: out("A page"), ...failures },
  }),
  cancel: jobAction("cancel", "Cancel a job"),
  pause: jobAction("pause", "Set a job aside; what it has trained is kept"),
  resume: jobAction("resume", "Queue a paused job again; it goes on where it stood"),
};

const fileJson = (file: StoredFile) => ({
  object: "file" as const,
  id: file.id,
  bytes: file.bytes,
  created_at: Math.floor(file.createdAtMs / 1000),
  filename: file.filename,
  purpose: file.purpose,
  status: "processed" as const,
  ...(file.expiresAtMs === null ? {} : { expires_at: Math.floor(file.expiresAtMs / 1000) }),
});

/** A page with one more item than asked for tells that there are more. */
const page = <T extends { id: string }>(items: readonly T[], limit: number) => {
  const data = items.slice(0, limit);
  return {
    object: "list" as const,
    data,
    has_more: items.length > limit,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
  };
};

/** @param guard lets only the operator through */
export function openaiRoutes(service: ModelFactory, guard: MiddlewareHandler): OpenAPIHono {
  const { openai } = service;
  const app = new OpenAPIHono({
    defaultHook: (result) => {
      if (!result.success) throw result.error;
    },
  });
  const refuse = (context: Context, error: Error) => {
    if (error instanceof OpenAIError)
      return context.json(openaiErrorBody(error.code, error.message, error.param), error.status);
    if (error instanceof FormError) return context.json(openaiErrorBody("invalid_form", error.message), 400);
    if (error instanceof ModelFactoryError || error instanceof DatanetError) {
      const status = error.code.startsWith("unknown-") ? 404 : error.code.startsWith("job-") ? 409 : 400;
      return context.json(openaiErrorBody(error.code.replaceAll("-", "_"), error.message), status);
    }
    if (error instanceof z.ZodError) {
      const param = error.issues[0]?.path.map(String).join(".") || null;
      return context.json(openaiErrorBody("invalid_value", whatIsWrong(error), param), 400);
    }
    // A body that is no JSON.
    if (error instanceof HTTPException && error.status === 400)
      return context.json(openaiErrorBody("invalid_json", error.message), 400);
    throw error;
  };
  app.onError((error, context) => refuse(context, error));

  /** What never changes is not sent twice. */
  const unchanged = (context: Context, tag: string) => {
    context.header("cache-control", "private, no-cache");
    return asItWas(context, tag) as never;
  };
  const tagged = etag();
  const keyOf = (context: Context) => context.req.header("idempotency-key")?.slice(0, 255);

  app.openapi({ ...routes.upload, middleware: [guard] }, async (context) => {
    const { body } = context.req.raw;
    const boundary = formBoundary(context.req.header("content-type"));
    if (body === null) throw new FormError("The request has no body.");
    const chunks = Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]);
    return context.json(fileJson(await openai.files.create(chunks, boundary, keyOf(context))), 200);
  });
  app.openapi({ ...routes.files, middleware: [guard, tagged] }, async (context) => {
    const query = context.req.valid("query");
    const files = await openai.files.list({ ...query, limit: query.limit + 1 });
    return context.json(page(files.map(fileJson), query.limit), 200);
  });
  app.openapi({ ...routes.file, middleware: [guard] }, async (context) => {
    const file = await openai.files.get(context.req.valid("param").id);
    return unchanged(context, file.id) ?? context.json(fileJson(file), 200);
  });
  app.openapi({ ...routes.content, middleware: [guard] }, async (context) => {
    const file = await openai.files.get(context.req.valid("param").id);
    const known = unchanged(context, file.digest);
    if (known !== undefined) return known;
    const bytes = Readable.toWeb(createReadStream(await openai.files.path(file.id))) as ReadableStream;
    return context.body(bytes, 200, {
      "content-type": "application/octet-stream",
      "content-length": String(file.bytes),
    });
  });
  app.openapi({ ...routes.remove, middleware: [guard] }, async (context) => {
    const { id } = context.req.valid("param");
    await openai.files.remove(id);
    return context.json({ object: "file" as const, id, deleted: true }, 200);
  });

  const jobOut = async (id: string) => {
    const job = await service.getJob(id);
    return openaiJob(job, await openai.requestOf(id), service.base);
  };
  app.openapi({ ...routes.create, middleware: [guard] }, async (context) => {
    const id = nameOf("ftjob-", keyOf(context));
    const due = paymentRequired(service, [await openai.createJob(id, context.req.valid("json"))]);
    if (due === undefined) return context.json(await jobOut(id), 200);
    const { code, message } = due.error;
    const refusal = openaiErrorBody(code.replaceAll("-", "_"), message);
    return context.json({ ...refusal, payments: due.payments } as never, 402 as never);
  });
  app.openapi({ ...routes.jobs, middleware: [guard, tagged] }, async (context) => {
    const { limit, after } = context.req.valid("query");
    const metadata = metadataFilter(new URL(context.req.url).searchParams);
    const jobs = await service.listJobs({ limit: limit + 1, after, metadata });
    const data = await Promise.all(
      jobs.map(async (job) => openaiJob(job, await openai.requestOf(job.id), service.base)),
    );
    return context.json(page(data, limit), 200);
  });
  app.openapi({ ...routes.job, middleware: [guard, tagged] }, async (context) =>
    context.json(await jobOut(context.req.valid("param").id), 200),
  );
  app.openapi({ ...routes.events, middleware: [guard, tagged] }, async (context) => {
    const { id } = context.req.valid("param");
    const { limit, after } = context.req.valid("query");
    await service.getJob(id);
    const before = after === undefined ? Number.MAX_SAFE_INTEGER : eventNumber(after);
    const events = await service.eventsBack(id, before, limit + 1);
    return context.json(page(events.map(openaiEvent), limit), 200);
  });
  app.openapi({ ...routes.checkpoints, middleware: [guard, tagged] }, async (context) => {
    const { limit, after } = context.req.valid("query");
    const all = openaiCheckpoints(await service.getJob(context.req.valid("param").id));
    const from = after === undefined ? 0 : all.findIndex(({ id }) => id === after) + 1;
    if (after !== undefined && from === 0)
      throw new OpenAIError(400, "invalid_value", `There is no checkpoint "${after}" of this job.`, "after");
    return context.json(page(all.slice(from), limit), 200);
  });
  for (const action of ["cancel", "pause", "resume"] as const)
    app.openapi({ ...routes[action], middleware: [guard] }, async (context) => {
      const { id } = context.req.valid("param");
      await service[action](id);
      return context.json(await jobOut(id), 200);
    });
  return app;
}
