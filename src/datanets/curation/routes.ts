/** Curation over HTTP: the owner sets it up, curators work with the pass that their signature opens, anyone sees where it stands. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import type { Account } from "viem";
import { exampleSchema } from "../../protocol/index.ts";
import { passOf } from "../access/routes.ts";
import type { Access } from "../access/service.ts";
import { failures, json, jsonBody } from "../answers.ts";
import { addressText, countText, exampleOut, idText, splitText } from "../schemas.ts";
import { decisionsMax, queueMax } from "./review.ts";
import type { Curation } from "./service.ts";

const tags = ["Curation"];
const params = z.object({ datanetId: idText });
const setting = z
  .strictObject({
    /** Null: what passes the checks counts at once. */
    overlap: z.int().min(1).max(9).nullable(),
  })
  .openapi("Review");
const queuedOut = z
  .object({
    row: z.number(),
    digest: z.string(),
    split: splitText,
    example: exampleOut,
    reasons: z.array(z.unknown()),
    source: z.unknown(),
    judged: z.number(),
  })
  .openapi("QueuedRow");
const decisionSchema = z
  .strictObject({
    row: z.int().min(1),
    decision: z.enum(["accept", "reject"]),
    reason: z.string().trim().max(2_000).default(""),
    /** As the curator would have it: the contributor sees it in the report, and may give it. */
    proposal: exampleSchema.optional().openapi({ type: "object" }),
  })
  .refine(({ decision, reason }) => decision === "accept" || reason !== "", {
    error: "a rejection needs a reason, which the row's contributor sees; say what is wrong with it",
    path: ["reason"],
  })
  .openapi("ReviewDecision");
const reviewedOut = z
  .object({ recorded: z.number(), accepted: z.number(), rejected: z.number() })
  .openapi("Reviewed");
const standingOut = z
  .object({
    overlap: z.number().nullable(),
    pending: z.number(),
    accepted: z.number(),
    rejected: z.number(),
    agreement: z.number().nullable(),
    curators: z.array(
      z.object({ curator: z.string(), reviews: z.number(), withOutcome: z.number().nullable() }),
    ),
    contributors: z.array(
      z.object({
        contributor: z.string(),
        accepted: z.number(),
        rejected: z.number(),
        judged: z.number(),
        reputation: z.number(),
      }),
    ),
  })
  .openapi("CurationStanding");

const routes = {
  standing: createRoute({
    method: "get",
    path: "/v1/datanets/{datanetId}/review",
    tags,
    summary:
      "How many judge each row, what waits, how far curators agree, and what contributors are known for",
    request: { params },
    responses: { 200: json(standingOut, "Where curation stands"), ...failures },
  }),
  set: createRoute({
    method: "put",
    path: "/v1/datanets/{datanetId}/review",
    tags,
    summary: "Set how many curators judge each row, as this node's operator",
    request: { params, body: jsonBody(setting) },
    responses: { 200: json(setting, "The setting"), ...failures },
  }),
  curator: createRoute({
    method: "put",
    path: "/v1/datanets/{datanetId}/curators/{curator}",
    tags,
    summary: "Name a curator on chain, or take the name away, as the Datanet's owner: this node's operator",
    request: {
      params: params.extend({ curator: addressText }),
      body: jsonBody(z.strictObject({ allowed: z.boolean() }).openapi("CuratorNaming")),
    },
    responses: {
      200: json(z.object({ curator: z.string(), allowed: z.boolean() }), "Whether it curates now"),
      ...failures,
    },
  }),
  queue: createRoute({
    method: "post",
    path: "/v1/datanets/{datanetId}/review/queue",
    tags,
    summary: "Rows for a curator to judge, theirs for half an hour; with a curator's pass",
    request: { params, query: z.object({ limit: countText(1, queueMax, "20").default(20) }) },
    responses: { 200: json(z.object({ rows: z.array(queuedOut) }), "The rows"), ...failures },
  }),
  decide: createRoute({
    method: "post",
    path: "/v1/datanets/{datanetId}/review/decisions",
    tags,
    summary: "Accept or reject rows, all of these or none; with a curator's pass",
    request: {
      params,
      body: jsonBody(z.strictObject({ decisions: z.array(decisionSchema).min(1).max(decisionsMax) })),
    },
    responses: { 200: json(reviewedOut, "What came of them"), ...failures },
  }),
};

export function mountCuration(
  app: OpenAPIHono,
  { curation, access }: { readonly curation: Curation; readonly access: Access },
  operator: { readonly account: Account; readonly guard: MiddlewareHandler } | undefined,
): void {
  const curatorOf = (context: Context, datanetId: bigint) => access.readerOf(datanetId, passOf(context));
  app.openapi(routes.standing, async (context) => {
    const { datanetId } = context.req.valid("param");
    const [overlap, standing] = await Promise.all([
      curation.overlap(datanetId),
      curation.standing(datanetId),
    ]);
    return context.json(
      { overlap, ...standing, curators: [...standing.curators], contributors: [...standing.contributors] },
      200,
    );
  });
  app.openapi(routes.queue, async (context) => {
    const { datanetId } = context.req.valid("param");
    const curator = await curatorOf(context, datanetId);
    const rows = await curation.queue(datanetId, curator, context.req.valid("query").limit);
    return context.json({ rows: rows as z.input<typeof queuedOut>[] }, 200);
  });
  app.openapi(routes.decide, async (context) => {
    const { datanetId } = context.req.valid("param");
    const curator = await curatorOf(context, datanetId);
    const { decisions } = context.req.valid("json");
    return context.json(await curation.review(datanetId, curator, decisions), 200);
  });
  if (operator === undefined) return;
  const { account, guard } = operator;
  app.openapi({ ...routes.curator, middleware: [guard] }, async (context) => {
    const { datanetId, curator } = context.req.valid("param");
    const { allowed } = context.req.valid("json");
    await curation.setCurator(account, datanetId, curator, allowed);
    return context.json({ curator, allowed }, 200);
  });
  app.openapi({ ...routes.set, middleware: [guard] }, async (context) => {
    const { datanetId } = context.req.valid("param");
    const { overlap } = context.req.valid("json");
    await curation.setOverlap(datanetId, overlap);
    return context.json({ overlap }, 200);
  });
}
