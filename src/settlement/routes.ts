import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { HTTPException } from "hono/http-exception";
import { CallRevertedError, limitBody } from "../chain/index.ts";
import { type Address, type DescribedCalibration, type Digest, sameHex } from "../protocol/index.ts";
import type { ClaimResult } from "./claim.ts";
import { SettlementError, type SettlementErrorCode } from "./errors.ts";
import { RelayLimitError } from "./relay.ts";
import { limitReached } from "./relay-routes.ts";
import {
  addressText,
  balanceJson,
  balanceOut,
  batchDetailOut,
  batchJson,
  batchOut,
  claimJson,
  claimOut,
  countText,
  digestText,
  earnersJson,
  earnersOut,
  errorOut,
  listedJson,
  listedReceiptOut,
  receiptJson,
  receiptOut,
  settleJson,
  settleOut,
  stateText,
  statusOut,
} from "./schemas.ts";
import type { Settlement } from "./service.ts";

export type SettlementRoutesOptions = {
  /** Who may make the operator settle now. Without it that route does not exist. */
  readonly guard?: MiddlewareHandler;
  /** Sends claims within an allowance: `relays.claim`. Without it every claim is sent. */
  readonly claim?: (payee: Address) => Promise<ClaimResult>;
  /** How right a release's scores are; shown with every receipt of it. */
  readonly calibration?: (releaseId: Digest) => Promise<DescribedCalibration | undefined>;
  /** Whether validators have attested a release's index; shown with every receipt of it. */
  readonly attested?: (releaseId: Digest) => Promise<boolean>;
};

const statusOf: Record<SettlementErrorCode, 400 | 404 | 409 | 503> = {
  "unsigned-receipt": 400,
  "bad-receipt": 400,
  "receipt-conflict": 409,
  gap: 409,
  "unknown-receipt": 404,
  "unknown-batch": 404,
  "bad-content": 400,
  "unsigned-request": 400,
  "bond-unaffordable": 503,
  "chain-conflict": 503,
  "database-behind": 503,
};

const json = <T extends z.ZodType>(schema: T, description: string) => ({
  content: { "application/json": { schema } },
  description,
});
const failures = {
  400: json(errorOut, "The request is not right; the message says why"),
  404: json(errorOut, "There is no such thing here"),
  409: json(errorOut, "It contradicts what is already here, or the chain refused it"),
  503: json(errorOut, "Cannot be done until the operator acts"),
};
const tags = ["Settlement"];
const bodyBytesMax = 4_096;
const receiptsPerPageMax = 100;
const batchesPerPageMax = 100;
const safe = Number.MAX_SAFE_INTEGER;

const routes = {
  status: createRoute({
    method: "get",
    path: "/v1/settlement",
    tags,
    summary: "Where settlement stands",
    responses: { 200: json(statusOut, "The status"), ...failures },
  }),
  batches: createRoute({
    method: "get",
    path: "/v1/batches",
    tags,
    summary: "List batches, newest first",
    request: {
      query: z.object({
        before: countText(1, safe, 7).optional(),
        limit: countText(1, batchesPerPageMax, 20).optional(),
      }),
    },
    responses: { 200: json(z.object({ batches: z.array(batchOut) }), "A page"), ...failures },
  }),
  batch: createRoute({
    method: "get",
    path: "/v1/batches/{batchId}",
    tags,
    summary: "A batch with the channels it settles",
    request: { params: z.object({ batchId: countText(1, safe, 1) }) },
    responses: { 200: json(batchDetailOut, "The batch"), ...failures },
  }),
  content: createRoute({
    method: "get",
    path: "/v1/batches/{attester}/{number}/content",
    tags,
    summary:
      "Everything a batch commits to, to check it: a header, receipts opened, journal, balances, balances before",
    request: { params: z.object({ attester: addressText, number: countText(0, 0xffff_ffff, 0) }) },
    responses: {
      200: {
        content: { "application/x-ndjson": { schema: z.string() } },
        description: "One JSON value a line",
      },
      ...failures,
    },
  }),
  receipts: createRoute({
    method: "get",
    path: "/v1/receipts",
    tags,
    summary: "List receipts, newest first",
    request: {
      query: z.object({
        channelId: digestText.optional(),
        releaseId: digestText.optional(),
        payee: addressText.optional(),
        state: stateText.optional(),
        before: countText(1, safe, 100).optional(),
        limit: countText(1, receiptsPerPageMax, 20).optional(),
      }),
    },
    responses: { 200: json(z.object({ receipts: z.array(listedReceiptOut) }), "A page"), ...failures },
  }),
  receipt: createRoute({
    method: "get",
    path: "/v1/receipts/{receiptId}",
    tags,
    summary: "A receipt with everything to check it, and its place on chain",
    request: { params: z.object({ receiptId: digestText }) },
    responses: { 200: json(receiptOut, "The receipt"), ...failures },
  }),
  balance: createRoute({
    method: "get",
    path: "/v1/balances/{address}",
    tags,
    summary: "What an address has earned, and how far it has come",
    request: { params: z.object({ address: addressText }) },
    responses: {
      200: json(balanceOut, "The balance; zeros for an address nothing was paid to"),
      ...failures,
    },
  }),
  earners: createRoute({
    method: "get",
    path: "/v1/earners",
    tags,
    summary: "Whom this node's receipts pay, who is paid most first",
    request: {
      query: z.object({ releaseId: digestText.optional(), limit: countText(1, 200, 50).optional() }),
    },
    responses: { 200: json(earnersOut, "Payees, with what their receipts pay them"), ...failures },
  }),
  claim: createRoute({
    method: "post",
    path: "/v1/claims",
    tags,
    summary: "Pay a payee what it can claim; the operator pays the gas, the money goes to the payee",
    request: {
      body: {
        required: true,
        content: {
          "application/json": { schema: z.strictObject({ payee: addressText }).openapi("ClaimRequest") },
        },
      },
    },
    responses: {
      200: json(claimOut, "Paid, or nothing to claim"),
      429: json(
        errorOut,
        "The day's allowance is used up; send the claim yourself, or ask again when `freeAtMs` says",
      ),
      ...failures,
    },
  }),
  settle: createRoute({
    method: "post",
    path: "/v1/settle",
    tags,
    summary: "Settle what waits now, as this node's operator",
    responses: { 200: json(settleOut, "What was settled"), ...failures },
  }),
};

/** The room's routes. Reads and claims are open to everyone: a claim pays only the payee. */
export function settlementRoutes(service: Settlement, options: SettlementRoutesOptions = {}): OpenAPIHono {
  const app = new OpenAPIHono({
    defaultHook: (result, context) => {
      if (result.success) return;
      const [issue] = result.error.issues;
      const message = `${issue?.path.join(".") || "request"}: ${issue?.message ?? "is not right"}`;
      return failure(context, 400, "invalid-request", message);
    },
  });
  // By path: a bare `use` would hold for every room mounted after this one.
  for (const path of ["/v1/claims", "/v1/settle"]) app.use(path, limitBody(bodyBytesMax));
  app.onError((error, context) => {
    if (error instanceof SettlementError)
      return failure(context, statusOf[error.code], error.code, error.message);
    if (error instanceof RelayLimitError) return limitReached(context, error);
    if (error instanceof CallRevertedError) return failure(context, 409, "chain-refused", error.message);
    if (error instanceof HTTPException) return failure(context, 400, "invalid-request", error.message);
    throw error;
  });

  app.openapi(routes.status, async (context) => {
    const { waitingWei, bondWei, unfinalWei, ...status } = await service.status();
    const amounts = {
      waitingWei: waitingWei.toString(),
      bondWei: bondWei.toString(),
      unfinalWei: unfinalWei.toString(),
    };
    return context.json({ ...status, ...amounts }, 200);
  });
  app.openapi(routes.batches, async (context) => {
    const { before, limit = 20 } = context.req.valid("query");
    const batches = await service.batches(before === undefined ? { limit } : { before, limit });
    return context.json({ batches: batches.map(batchJson) }, 200);
  });
  app.openapi(routes.batch, async (context) => {
    const batch = await service.batch(context.req.valid("param").batchId);
    const intervals = batch.intervals.map(({ channelId, from, to }) => ({
      channelId,
      fromWei: from.toString(),
      toWei: to.toString(),
    }));
    const { operator, domain } = service;
    return context.json(
      { ...batchJson(batch), intervals, attester: operator, ledger: domain.verifyingContract },
      200,
    );
  });
  app.openapi(routes.content, async (context) => {
    const { attester, number } = context.req.valid("param");
    if (!sameHex(attester, service.operator))
      throw new SettlementError(
        "unknown-batch",
        `The batches here are those of ${service.operator}; got ${attester}.`,
      );
    const stream = ReadableStream.from(await service.content(number)) as ReadableStream<Uint8Array>;
    // A stream has no type that the OpenAPI description could check.
    return new Response(stream, { headers: { "content-type": "application/x-ndjson" } }) as never;
  });
  app.openapi(routes.receipts, async (context) => {
    const { limit = 20, ...filter } = context.req.valid("query");
    const receipts = await service.receipts({ ...filter, limit });
    return context.json({ receipts: receipts.map(listedJson) }, 200);
  });
  app.openapi(routes.receipt, async (context) => {
    const view = await service.receipt(context.req.valid("param").receiptId);
    const [calibration, attested] = await Promise.all([
      options.calibration?.(view.releaseId),
      options.attested?.(view.releaseId),
    ]);
    return context.json(receiptJson(view, service.domain, calibration, attested), 200);
  });
  app.openapi(routes.earners, async (context) => {
    const { limit = 50, releaseId } = context.req.valid("query");
    return context.json(
      earnersJson(await service.earners({ limit, ...(releaseId ? { releaseId } : {}) })),
      200,
    );
  });
  app.openapi(routes.balance, async (context) => {
    const { address } = context.req.valid("param");
    const [balance, proof, claims] = await Promise.all([
      service.balance(address),
      service.claimProof(address),
      service.claims(address),
    ]);
    return context.json(balanceJson(balance, proof, claims), 200);
  });
  app.openapi(routes.claim, async (context) =>
    context.json(claimJson(await (options.claim ?? service.claim)(context.req.valid("json").payee)), 200),
  );
  if (options.guard !== undefined) {
    app.openapi({ ...routes.settle, middleware: [options.guard] }, async (context) =>
      context.json(settleJson(await service.settleNow()), 200),
    );
  }
  return app;
}

function failure(context: Context, status: 400 | 404 | 409 | 503, code: string, message: string) {
  return context.json({ error: { code, message } }, status);
}
