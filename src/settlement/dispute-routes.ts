import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { HTTPException } from "hono/http-exception";
import { CallRevertedError, limitBody } from "../chain/index.ts";
import { bytesSchema, receiptSchema } from "../protocol/index.ts";
import { contentFrom } from "./content.ts";
import { demandKinds } from "./demand.ts";
import type { Disputes } from "./disputes.ts";
import { SettlementError } from "./errors.ts";
import { addressText, countText, errorOut, hexOut, wei } from "./schemas.ts";
import type { Settlement } from "./service.ts";

const json = <T extends z.ZodType>(schema: T, description: string) => ({
  content: { "application/json": { schema } },
  description,
});
const failures = {
  400: json(errorOut, "The request is not right; the message says why"),
  404: json(errorOut, "There is no such thing here"),
  409: json(errorOut, "The chain refused it, in its own words"),
};
const tags = ["Disputes"];
const bodyBytesMax = 16_384;
const listedMax = 100;

const watchedOut = z
  .object({
    attester: hexOut,
    number: z.number(),
    receiptsRoot: hexOut,
    state: z.enum(["unchecked", "unreadable", "withheld", "honest", "lying", "undone", "final"]),
    detail: z.string().nullable().openapi({ description: "What was found, in words" }),
    settledAtSec: z.number(),
    finalAtSec: z.number().openapi({ description: "At the settlement; a demand puts it off" }),
    checkedAtMs: z.number().nullable(),
    proofHash: hexOut.nullable(),
  })
  .openapi("WatchedBatch");
const demandOut = z
  .object({
    itemId: hexOut,
    attester: hexOut,
    number: z.number(),
    kind: z.enum(demandKinds),
    index: z.number(),
    releaseId: hexOut,
    demander: hexOut,
    priceWei: wei,
    deadlineSec: z.number(),
    state: z.enum(["open", "answered", "enforced", "returned"]),
    error: z.string().nullable().openapi({ description: "Why the last attempt at an answer failed" }),
  })
  .openapi("Demand");
const sentOut = z.object({ transactionHash: hexOut });

/** Which batch, and where its content is if this node does not know. */
const batchIn = {
  attester: addressText,
  number: z.int().min(0).max(0xffff_ffff),
  url: z
    .url({ protocol: /^https?$/ })
    .optional()
    .openapi({ description: "A node that publishes the batch" }),
};
const body = <T extends z.ZodType>(schema: T) => ({
  body: { required: true, content: { "application/json": { schema } } },
});
const post = <T extends z.ZodType, O extends z.ZodType>(path: string, summary: string, input: T, out: O) =>
  createRoute({
    method: "post",
    path: `/v1/disputes/${path}`,
    tags,
    summary,
    request: body(input),
    responses: { 200: json(out, "Done"), ...failures },
  });

const signedReceipt = { receipt: receiptSchema, signature: bytesSchema(65, 65) };
const routes = {
  list: createRoute({
    method: "get",
    path: "/v1/disputes",
    tags,
    summary: "What was found of others' batches, and what is demanded of anybody's",
    request: { query: z.object({ limit: countText(1, listedMax, 20).optional() }) },
    responses: {
      200: json(
        z.object({ batches: z.array(watchedOut), demands: z.array(demandOut) }),
        "Newest batches, most urgent demands",
      ),
      ...failures,
    },
  }),
  check: post(
    "check",
    "Check a batch that can be challenged, and prove what is wrong with it",
    z.strictObject(batchIn),
    z.object({ state: z.string(), detail: z.string().nullable(), lie: z.string().nullable() }),
  ),
  demand: post(
    "demands",
    "Demand an item that was withheld; locks the minimum bond and costs the demand's price",
    z.strictObject({
      ...batchIn,
      kind: z.enum(demandKinds),
      index: z.int().min(0).max(0xffff_ffff),
      receipt: z
        .int()
        .min(0)
        .optional()
        .openapi({ description: "For a row: a receipt that names its release" }),
    }),
    sentOut,
  ),
  enforce: createRoute({
    method: "post",
    path: "/v1/disputes/enforce",
    tags,
    summary: "End this operator's demands that were not answered in time, and take out what it is credited",
    responses: { 200: json(z.object({ ended: z.number(), withdrawnWei: wei }), "Done"), ...failures },
  }),
  equivocation: post(
    "equivocations",
    "Prove that an attester signed this receipt too, for money that another one of its batch spends",
    z.strictObject({ ...batchIn, ...signedReceipt }),
    sentOut,
  ),
  resettle: post(
    "resettlements",
    "Take over what is true of a batch that fell, to settle it with this operator's next batch",
    z.strictObject({ attester: batchIn.attester, number: batchIn.number }),
    z.object({
      receipts: z.number(),
      wei,
      skipped: z.array(z.object({ channelId: hexOut, reason: z.string() })),
    }),
  ),
  late: post(
    "late-receipts",
    "Report a receipt that its operator signed and did not settle by its deadline",
    z.strictObject(signedReceipt),
    sentOut,
  ),
};

/** Reading is open to everyone; what is sent is sent by this node's operator, and only on its word. */
export function disputeRoutes(
  service: Disputes,
  guard: MiddlewareHandler,
  settlement: Pick<Settlement, "adopt">,
): OpenAPIHono {
  const app = new OpenAPIHono({
    defaultHook: (result, context) => {
      if (result.success) return;
      const [issue] = result.error.issues;
      const message = `${issue?.path.join(".") || "request"}: ${issue?.message ?? "is not right"}`;
      return failure(context, 400, "invalid-request", message);
    },
  });
  app.use("/v1/disputes/*", limitBody(bodyBytesMax));
  app.onError((error, context) => {
    if (error instanceof SettlementError)
      return failure(context, error.code.startsWith("unknown") ? 404 : 400, error.code, error.message);
    if (error instanceof CallRevertedError) return failure(context, 409, "chain-refused", error.message);
    if (error instanceof HTTPException) return failure(context, 400, "invalid-request", error.message);
    throw error;
  });
  const sourceOf = async ({
    url,
    attester,
    number,
  }: {
    url?: string | undefined;
    attester: string;
    number: number;
  }) => (url === undefined ? undefined : await contentFrom(url, attester, number));

  app.openapi(routes.list, async (context) => {
    const { limit = 20 } = context.req.valid("query");
    const [batches, demands] = await Promise.all([service.watched(limit), service.demands(limit)]);
    return context.json(
      {
        batches: batches.map(({ settledIn: _, contentDigest: __, ...batch }) => batch),
        demands: demands.map(({ priceWei, generation: _, ...demand }) => ({
          ...demand,
          priceWei: priceWei.toString(),
        })),
      },
      200,
    );
  });
  app.openapi({ ...routes.check, middleware: [guard] }, async (context) => {
    const asked = context.req.valid("json");
    const { state, detail, lie } = await service.check(asked.attester, asked.number, await sourceOf(asked));
    return context.json({ state, detail, lie: lie?.kind ?? null }, 200);
  });
  app.openapi({ ...routes.demand, middleware: [guard] }, async (context) => {
    const { attester, number, kind, index, receipt, url } = context.req.valid("json");
    const wanted = receipt === undefined ? { kind, index } : { kind, index, receipt };
    const source = await sourceOf({ url, attester, number });
    return context.json({ transactionHash: await service.demand(attester, number, wanted, source) }, 200);
  });
  app.openapi({ ...routes.enforce, middleware: [guard] }, async (context) => {
    const ended = await service.enforce();
    return context.json({ ended, withdrawnWei: (await service.withdrawCredit()).toString() }, 200);
  });
  app.openapi({ ...routes.equivocation, middleware: [guard] }, async (context) => {
    const { receipt, signature, ...asked } = context.req.valid("json");
    const source = await sourceOf(asked);
    const transactionHash = await service.proveEquivocation(
      asked.attester,
      asked.number,
      receipt,
      signature,
      source,
    );
    return context.json({ transactionHash }, 200);
  });
  app.openapi({ ...routes.late, middleware: [guard] }, async (context) => {
    const { receipt, signature } = context.req.valid("json");
    return context.json({ transactionHash: await service.reportLate(receipt, signature) }, 200);
  });
  app.openapi({ ...routes.resettle, middleware: [guard] }, async (context) => {
    const { attester, number } = context.req.valid("json");
    const { receipts, wei, skipped } = await settlement.adopt(await service.fallen(attester, number));
    return context.json({ receipts, wei: wei.toString(), skipped: skipped.map((one) => ({ ...one })) }, 200);
  });
  return app;
}

function failure(context: Context, status: 400 | 404 | 409, code: string, message: string) {
  return context.json({ error: { code, message } }, status);
}
