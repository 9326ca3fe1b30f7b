import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import { limitBody } from "../chain/index.ts";
import { PaymentError, type PaymentErrorCode, PaymentRequiredError, paymentErrorBody } from "./errors.ts";
import { labelMax } from "./keys.ts";
import {
  channelIdText,
  channelJson,
  channelOut,
  errorOut,
  keyJson,
  keyOut,
  newKeyOut,
  paymentRequiredOut,
  sinceText,
  usageJson,
  usageOut,
} from "./schemas.ts";
import type { Payments } from "./service.ts";

const statusOf: Record<PaymentErrorCode, 400 | 401 | 404 | 409 | 429 | 503> = {
  "unknown-key": 401,
  "unknown-channel": 404,
  "wrong-payee": 409,
  "wrong-signer": 409,
  "channel-unusable": 409,
  "key-bound": 409,
  "too-many-keys": 429,
  "bad-amount": 400,
  "request-conflict": 409,
  "unknown-request": 404,
  "chain-behind": 503,
};

const json = <T extends z.ZodType>(schema: T, description: string) => ({
  content: { "application/json": { schema } },
  description,
});
const failures = {
  400: json(errorOut, "The request is not right; the message says why"),
  401: json(errorOut, "No key here has this secret"),
  402: json(paymentRequiredOut, "The voucher is not one that could be collected"),
  404: json(errorOut, "There is no such thing here"),
  409: json(errorOut, "The channel cannot carry the key"),
  429: json(errorOut, "Too many keys wait for their channel"),
  503: json(errorOut, "The chain is behind"),
};
/** The largest body here is a label or a voucher. */
const bodyBytesMax = 4_096;
const tags = ["Payments"];
const security = [{ key: [] }];
const body = <T extends z.ZodType>(schema: T) => ({
  body: { required: true, content: { "application/json": { schema } } },
});

const routes = {
  createKey: createRoute({
    method: "post",
    path: "/v1/keys",
    tags,
    summary: "Create an API key; it spends nothing until a channel stands behind it",
    request: body(
      z.strictObject({ label: z.string().trim().max(labelMax).default("") }).openapi("NewKeyRequest"),
    ),
    responses: { 201: json(newKeyOut, "Created. The secret is shown this once"), ...failures },
  }),
  activateKey: createRoute({
    method: "post",
    path: "/v1/keys/activate",
    tags,
    security,
    summary: "Bind the key that authorizes this request to the channel opened for it",
    request: body(z.strictObject({ channelId: channelIdText }).openapi("ActivateKeyRequest")),
    responses: { 200: json(keyOut, "The key can pay"), ...failures },
  }),
  readKey: createRoute({
    method: "get",
    path: "/v1/keys",
    tags,
    security,
    summary: "The key that authorizes this request: what it has left, what it has used",
    request: { query: z.object({ sinceMs: sinceText.optional() }) },
    responses: { 200: json(keyOut.extend({ usage: usageOut }), "The key"), ...failures },
  }),
  revokeKey: createRoute({
    method: "delete",
    path: "/v1/keys",
    tags,
    security,
    summary: "Revoke the key that authorizes this request",
    responses: { 200: json(keyOut, "Revoked; what it was charged stays owed"), ...failures },
  }),
  channel: createRoute({
    method: "get",
    path: "/v1/channels/{channelId}",
    tags,
    summary: "A channel that pays this operator",
    request: { params: z.object({ channelId: channelIdText }) },
    responses: { 200: json(channelOut, "The channel"), ...failures },
  }),
  handIn: createRoute({
    method: "post",
    path: "/v1/channels/{channelId}/vouchers",
    tags,
    summary: "Hand in a voucher for exactly what was charged, so that no larger one is collected",
    request: {
      params: z.object({ channelId: channelIdText }),
      ...body(
        z
          .strictObject({ cumulative: z.string().max(78), signature: z.string().max(132) })
          .openapi("VoucherRequest"),
      ),
    },
    responses: { 200: json(channelOut, "Kept"), ...failures },
  }),
};

/** The room's routes under `/v1/keys` and `/v1/channels`. */
export function paymentRoutes(service: Payments): OpenAPIHono {
  const app = new OpenAPIHono({
    defaultHook: (result, context) => {
      if (result.success) return;
      const [issue] = result.error.issues;
      const message = `${issue?.path.join(".") || "request"}: ${issue?.message ?? "is not right"}`;
      return failure(context, 400, "invalid-request", message);
    },
  });
  // By path: a bare `use` would hold for every room mounted after this one.
  for (const path of ["/v1/keys", "/v1/keys/*", "/v1/channels/*"]) app.use(path, limitBody(bodyBytesMax));
  app.openAPIRegistry.registerComponent("securitySchemes", "key", { type: "http", scheme: "bearer" });
  app.onError((error, context) => {
    if (error instanceof PaymentRequiredError) return context.json(paymentErrorBody(error), 402);
    if (error instanceof PaymentError)
      return failure(context, statusOf[error.code], error.code, error.message);
    if (error instanceof HTTPException) return failure(context, 400, "invalid-request", error.message);
    throw error;
  });

  app.openapi(routes.createKey, async (context) =>
    context.json(await service.createKey(context.req.valid("json")), 201),
  );
  app.openapi(routes.activateKey, async (context) => {
    const { channelId } = context.req.valid("json");
    return context.json(keyJson(await service.activateKey(secretOf(context), channelId)), 200);
  });
  app.openapi(routes.readKey, async (context) => {
    const key = await service.readKey(secretOf(context));
    const used = await service.usage({
      keyId: key.keyId,
      sinceMs: context.req.valid("query").sinceMs ?? 0,
    });
    return context.json({ ...keyJson(key), usage: usageJson(used) }, 200);
  });
  app.openapi(routes.revokeKey, async (context) =>
    context.json(keyJson(await service.revokeKey(secretOf(context))), 200),
  );
  app.openapi(routes.channel, async (context) => {
    const { channelId } = context.req.valid("param");
    return context.json(channelJson(await known(service, channelId), service), 200);
  });
  app.openapi(routes.handIn, async (context) => {
    const { channelId } = context.req.valid("param");
    const { cumulative, signature } = context.req.valid("json");
    await service.handIn(`${channelId}:${cumulative}:${signature}`);
    return context.json(channelJson(await known(service, channelId), service), 200);
  });
  return app;
}

async function known(service: Payments, channelId: `0x${string}`) {
  const channel = await service.channel(channelId);
  if (channel !== undefined) return channel;
  throw new PaymentError(
    "unknown-channel",
    `There is no channel ${channelId} that pays the operator ${service.operator}.`,
  );
}

function secretOf(context: Context): string {
  return /^Bearer +(\S{1,512})$/i.exec(context.req.header("authorization") ?? "")?.[1] ?? "";
}

function failure(context: Context, status: 400 | 401 | 404 | 409 | 429 | 503, code: string, message: string) {
  return context.json({ error: { code, message } }, status);
}
