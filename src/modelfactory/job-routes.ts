/** Fine-tuning jobs over HTTP. Reading is open; starting and cancelling jobs is the operator's. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { etag } from "hono/etag";
import { streamSSE } from "hono/streaming";
import { addressOf, createShares } from "../chain/index.ts";
import { type Address, addressSchema } from "../protocol/index.ts";
import { ModelFactoryError } from "./errors.ts";
import { type FineTuningJob, isOver, type JobSpecInput, jobSpecSchema } from "./job.ts";
import { nameOf } from "./openai/files.ts";
import { errorOut, failures, json, roomApp, tags } from "./route-parts.ts";
import { estimateOut, eventsOut, jobOut, jobsOut, reportOut, sweepOut } from "./schemas.ts";
import type { ModelFactory } from "./service.ts";
import { type Grid, gridSchema } from "./sweep.ts";

const jobParams = z.object({ id: z.string().min(1).max(64) });

const newJobFields = {
  /** The same again with the same wishes, owner and payer is the same job; an `Idempotency-Key` does without it. */
  id: z
    .string()
    .regex(/^[\w-]{1,64}$/)
    .optional(),
  owner: z.string().min(1).max(64).optional(),
  payer: z
    .string()
    .toLowerCase()
    .pipe(addressSchema)
    .optional()
    .openapi({ description: "Whose payment it waits for, where it costs something; anyone's without it" }),
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

const paymentOut = z
  .object({
    job: z.string(),
    chainId: z.int(),
    contract: z.string(),
    operator: z.string(),
    jobDigest: z.string(),
    deliverable: z.string(),
    steps: z.int(),
    deadline: z.int().openapi({ description: "Seconds" }),
    amountWei: z.string(),
    payByMs: z.int(),
    payer: addressSchema.nullable().openapi({ description: "Who has to; null: anyone" }),
  })
  .openapi("JobToPay");
const unpaid = json(
  z.object({
    error: z.object({
      code: z.literal("payment-required"),
      message: z.string(),
      details: z.object({ job: z.string(), amountWei: z.string(), sweep: z.string().optional() }),
    }),
    payments: z.array(paymentOut),
    sweep: z.string().optional(),
  }),
  "The jobs wait to be paid for: call `open` of the contract for each, with its amount as the value; they begin when that is on chain",
);

const routes = {
  create: createRoute({
    method: "post",
    path: "/v1/fine-tunes",
    tags,
    summary:
      "Start a fine-tuning job, as this node's developer; `warnings` say what its recipe does to attribution",
    request: { body: newJobBody },
    responses: { 201: json(jobOut, "The job"), 402: unpaid, ...failures },
  }),
  estimate: createRoute({
    method: "post",
    path: "/v1/fine-tunes/estimate",
    tags,
    summary: "How long a job would take here, what memory it needs, and what it costs; starts nothing",
    request: { body: newJobBody },
    responses: { 200: json(estimateOut, "The estimate"), ...failures },
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
    responses: { 201: json(sweepOut, "The jobs"), 402: unpaid, ...failures },
  }),
  compare: createRoute({
    method: "get",
    path: "/v1/fine-tunes/sweeps/{id}",
    tags,
    summary: "A sweep's jobs side by side, the lowest held-out loss first",
    request: { params: jobParams },
    responses: { 200: json(sweepOut, "The jobs"), ...failures },
  }),
  list: createRoute({
    method: "get",
    path: "/v1/fine-tunes",
    tags,
    summary: "Jobs, newest first",
    request: {
      query: z.object({
        after: z.string().min(1).max(64).optional(),
        limit: z.coerce.number().int().min(1).max(100).default(20),
      }),
    },
    responses: { 200: json(jobsOut, "A page; `next` is its `after`, null at the end"), ...failures },
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
    responses: {
      200: json(eventsOut, "Events after the one given"),
      503: json(errorOut, "Too many live streams"),
      ...failures,
    },
  }),
  evaluation: createRoute({
    method: "get",
    path: "/v1/fine-tunes/{id}/evaluation",
    tags,
    summary:
      "Base against tuned: loss, perplexity, exact match, ROUGE-L and general prompts, with 95 % intervals",
    request: { params: jobParams },
    responses: { 200: json(reportOut, "The report, in millionths"), ...failures },
  }),
  checkpoint: createRoute({
    method: "get",
    path: "/v1/fine-tunes/{id}/checkpoint",
    tags,
    summary:
      "The adapter that a job had reached when its payer cancelled: what the part that was paid for is",
    request: { params: jobParams },
    responses: {
      200: {
        content: { "application/octet-stream": { schema: z.string().openapi({ format: "binary" }) } },
        description: "Its tensors, as safetensors; their digest is the payment's evidence",
      },
      ...failures,
    },
  }),
  cancel: createRoute({
    method: "post",
    path: "/v1/fine-tunes/{id}/cancel",
    tags,
    summary: "Cancel a job; one that is paid for is cancelled by its payer, on chain",
    request: { params: jobParams },
    responses: { 200: json(jobOut, "The job"), ...failures },
  }),
  giveBack: createRoute({
    method: "post",
    path: "/v1/fine-tunes/{id}/give-back",
    tags,
    summary:
      "End a job that somebody has paid for, at the operator's expense: the payer gets everything back",
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
    responses: { 201: json(jobOut, "The new job"), 402: unpaid, ...failures },
  }),
};

type NewJob = { id?: string; owner?: string; payer?: Address };

/** The name of what is asked for: its own, or one that the same `Idempotency-Key` always gives, or a new one. */
const named = (context: Context, prefix: string, id: string | undefined): string =>
  id ?? nameOf(prefix, context.req.header("idempotency-key")?.slice(0, 255));

/** Live streams of jobs' events, and those of one subscriber among them: each reads the database at every step of training. */
const streams = { all: 128, ofOne: 16 } as const;

/** The answer to who asked for jobs: a refusal as long as one of them is unpaid. @returns undefined where all are paid or free */
export function paymentRequired(service: ModelFactory, jobs: readonly FineTuningJob[], sweep?: string) {
  const payments = jobs.flatMap((job) => {
    const toPay = service.toPay(job);
    return toPay === undefined ? [] : [{ job: job.id, ...toPay }];
  });
  const [first] = payments;
  if (first === undefined) return undefined;
  const what = payments.length === 1 ? `Job ${first.job} waits` : `${payments.length} jobs wait`;
  const command =
    sweep === undefined
      ? `./openledger finetune pay ${first.job} <most>`
      : `./openledger finetune sweep … --id ${sweep} --pay <most for all>`;
  const amountWei = payments.reduce((sum, one) => sum + BigInt(one.amountWei), 0n);
  return {
    error: {
      code: "payment-required" as const,
      message: `${what} for ${amountWei} wei in escrow, until ${new Date(first.payByMs).toISOString()}: call open of ${first.contract}, or ${command}. The same request with this id then answers with the job${sweep === undefined ? "" : "s"}.`,
      details: {
        job: first.job,
        amountWei: amountWei.toString(),
        ...(sweep === undefined ? {} : { sweep }),
      },
    },
    payments,
    ...(sweep === undefined ? {} : { sweep }),
  };
}

/**
 * @param guard lets through who may order jobs here
 * @param operator lets through who may give payments back
 */
export function jobRoutes(
  service: ModelFactory,
  guard: MiddlewareHandler,
  operator: MiddlewareHandler,
): OpenAPIHono {
  const app = roomApp();
  const tagged = etag();
  const places = createShares(streams);
  const jobJson = async (job: FineTuningJob) => {
    const { evaluation, ...spec } = job.spec;
    return {
      ...job,
      object: "fine_tuning.job" as const,
      heldOutLoss: await service.heldOutLoss(job),
      spec: { ...spec, evaluationExamples: evaluation.length },
    };
  };

  app.openapi({ ...routes.create, middleware: [guard] }, async (context) => {
    const { id, owner, payer, ...spec } = context.req.valid("json") as NewJob;
    const name = named(context, "ft-", id);
    const job = await service.createJob(name, jobSpecSchema.parse(spec) as JobSpecInput, owner, payer);
    const due = paymentRequired(service, [job]);
    return due === undefined ? context.json(await jobJson(job), 201) : context.json(due, 402);
  });
  app.openapi({ ...routes.estimate, middleware: [guard] }, async (context) => {
    const { id: _, owner: __, payer: ___, ...spec } = context.req.valid("json") as NewJob;
    const { costWei, priceWei, ...estimate } = await service.estimate(
      jobSpecSchema.parse(spec) as JobSpecInput,
    );
    return context.json(
      {
        object: "fine_tune.estimate" as const,
        ...estimate,
        costWei: costWei.toString(),
        priceWei: priceWei.toString(),
      },
      200,
    );
  });
  app.openapi({ ...routes.sweep, middleware: [guard] }, async (context) => {
    const asked = context.req.valid("json") as NewJob & { grid: Grid };
    const { id: given, owner, payer, grid, ...spec } = asked;
    const id = named(context, "sweep-", given);
    const wishes = jobSpecSchema.parse({ ...spec, publish: false }) as JobSpecInput;
    const data = await service.sweep(id, wishes, grid, owner, payer);
    const jobs = await Promise.all(data.map(({ job }) => service.getJob(job)));
    const due = paymentRequired(service, jobs, id);
    return due === undefined
      ? context.json({ object: "sweep" as const, id, data }, 201)
      : context.json(due, 402);
  });
  app.openapi({ ...routes.compare, middleware: [tagged] }, async (context) => {
    const { id } = context.req.valid("param");
    return context.json({ object: "sweep" as const, id, data: await service.compare(id) }, 200);
  });
  app.openapi({ ...routes.duplicate, middleware: [guard] }, async (context) => {
    const { id, owner: _, payer, ...changes } = context.req.valid("json") as NewJob;
    const { id: of } = context.req.valid("param");
    const job = await service.duplicate(
      of,
      named(context, "ft-", id),
      changes as Partial<JobSpecInput>,
      payer,
    );
    const due = paymentRequired(service, [job]);
    return due === undefined ? context.json(await jobJson(job), 201) : context.json(due, 402);
  });
  app.openapi({ ...routes.pause, middleware: [guard] }, async (context) =>
    context.json(await jobJson(await service.pause(context.req.valid("param").id)), 200),
  );
  app.openapi({ ...routes.resume, middleware: [guard] }, async (context) =>
    context.json(await jobJson(await service.resume(context.req.valid("param").id)), 200),
  );
  app.openapi({ ...routes.list, middleware: [tagged] }, async (context) => {
    const { limit, after } = context.req.valid("query");
    const found = await service.listJobs({ limit: limit + 1, after });
    const data = await Promise.all(found.slice(0, limit).map(jobJson));
    const next = found.length > limit ? (data.at(-1)?.id ?? null) : null;
    return context.json({ object: "list" as const, data, next }, 200);
  });
  app.openapi({ ...routes.get, middleware: [tagged] }, async (context) =>
    context.json(await jobJson(await service.getJob(context.req.valid("param").id)), 200),
  );
  app.openapi({ ...routes.evaluation, middleware: [tagged] }, async (context) => {
    const { id } = context.req.valid("param");
    const report = await service.report(id);
    if (report !== undefined) return context.json(report, 200);
    throw new ModelFactoryError(
      "unknown-report",
      `Job ${id} has not been evaluated yet, or keeps no report.`,
    );
  });
  app.openapi({ ...routes.checkpoint, middleware: [guard] }, async (context) =>
    context.body(Buffer.from(await service.checkpoint(context.req.valid("param").id)), 200, {
      "content-type": "application/octet-stream",
    }),
  );
  app.openapi({ ...routes.cancel, middleware: [guard] }, async (context) =>
    context.json(await jobJson(await service.cancel(context.req.valid("param").id)), 200),
  );
  app.openapi({ ...routes.giveBack, middleware: [operator] }, async (context) =>
    context.json(await jobJson(await service.giveBack(context.req.valid("param").id)), 200),
  );
  app.openapi(routes.events, async (context) => {
    const { id } = context.req.valid("param");
    // A browser that reconnects says where it was in a header (HTML, server-sent events, section 9.2.4).
    const last = Number(context.req.header("last-event-id") ?? "");
    let after = Math.max(context.req.valid("query").after, Number.isSafeInteger(last) ? last : 0);
    await service.getJob(id);
    if (!(context.req.header("accept") ?? "").includes("text/event-stream"))
      return context.json({ data: await service.events(id, after) }, 200);
    const address = addressOf(context.env);
    if (places.take(address) !== "taken")
      throw new ModelFactoryError(
        "too-many-streams",
        `At most ${streams.all} live streams of jobs are open at a time, ${streams.ofOne} of one address. Close some, or follow /v1/events.`,
      );
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
        places.give(address);
      }
    }) as never;
  });
  return app;
}
