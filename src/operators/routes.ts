/** Operator keys and the log over HTTP. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { answering, errorOut, json, jsonBody } from "./answers.ts";
import type { GuardEnv } from "./guard.ts";
import type { OperatorKey } from "./keys.ts";
import { scopes } from "./scopes.ts";
import type { Operators } from "./service.ts";

const tags = ["Operator"];
const security = [{ operator: [] }];
const pageMax = 200;

const failures = {
  400: json(errorOut, "The request is not right; the message says why"),
  401: json(errorOut, "Neither the operator token nor a key that can be used"),
  403: json(errorOut, "The key lacks a scope; the message names it"),
  404: json(errorOut, "There is no such key"),
  409: json(errorOut, "Too many keys can be used"),
  429: json(errorOut, "The key asks too often; Retry-After says when to come back"),
};

const timeOut = z.int().openapi({ description: "Epoch milliseconds", example: 1_772_370_309_000 });
const keyOut = z
  .object({
    id: z.string(),
    name: z.string(),
    state: z.enum(["active", "expired", "revoked"]),
    scopes: z.array(z.enum(scopes)),
    requestsPerMinute: z.int(),
    createdBy: z.string(),
    createdAtMs: timeOut,
    expiresAtMs: timeOut.nullable(),
    lastUsedAtMs: timeOut.nullable(),
    revokedAtMs: timeOut.nullable(),
  })
  .openapi("OperatorKey");
const entryOut = z
  .object({
    seq: z.int(),
    atMs: timeOut,
    who: z.string().openapi({ description: "root, key:<id> or session:<address>" }),
    name: z.string(),
    scope: z.enum(scopes),
    method: z.string(),
    path: z.string(),
    status: z.int().nullable(),
  })
  .openapi("OperatorLogEntry");
const idText = z.string().regex(/^[0-9a-f]{16}$/, "expected a key's id, 16 hex digits");
const count = (max: number) => z.coerce.number().int().min(1).max(max);
const limitText = count(pageMax).default(50);

const routes = {
  create: createRoute({
    method: "post",
    path: "/v1/operator/keys",
    tags,
    security,
    summary: "Create an operator key, with no more scopes than one's own",
    request: jsonBody(
      z
        .strictObject({
          name: z.string().trim().min(1).max(120),
          scopes: z
            .array(z.enum(scopes))
            .min(1)
            .transform((list) => scopes.filter((scope) => list.includes(scope))),
          requestsPerMinute: z.int().min(1).max(60_000).default(600),
          expiresAtMs: z.int().min(0).nullable().default(null),
        })
        .openapi("NewOperatorKey"),
    ),
    responses: {
      201: json(keyOut.extend({ secret: z.string() }), "Created. The secret is shown this once"),
      ...failures,
    },
  }),
  list: createRoute({
    method: "get",
    path: "/v1/operator/keys",
    tags,
    security,
    summary: "Operator keys, newest first; those that ended stay for 90 days",
    request: { query: z.object({ limit: limitText, after: idText.optional() }) },
    responses: {
      200: json(z.object({ keys: z.array(keyOut), next: idText.nullable() }), "A page; next is its after"),
      ...failures,
    },
  }),
  revoke: createRoute({
    method: "delete",
    path: "/v1/operator/keys/{id}",
    tags,
    security,
    summary: "Revoke a key, and those it created",
    request: { params: z.object({ id: idText }) },
    responses: {
      200: json(z.object({ keys: z.array(keyOut) }), "What ended, the named one first"),
      ...failures,
    },
  }),
  log: createRoute({
    method: "get",
    path: "/v1/operator/log",
    tags,
    security,
    summary: "What was done, and refused, in the operator's name, newest first",
    request: { query: z.object({ limit: limitText, before: count(Number.MAX_SAFE_INTEGER).optional() }) },
    responses: {
      200: json(
        z.object({ entries: z.array(entryOut), next: z.int().nullable() }),
        "A page; next is the following one's before",
      ),
      ...failures,
    },
  }),
};

export function operatorRoutes(operators: Operators): OpenAPIHono<GuardEnv> {
  const app = answering(["/v1/operator/*"]);
  const guard = operators.guard("keys");
  app.openAPIRegistry.registerComponent("securitySchemes", "operator", { type: "http", scheme: "bearer" });
  const keyJson = (key: OperatorKey): z.input<typeof keyOut> => {
    const expired = key.expiresAtMs !== null && key.expiresAtMs <= operators.now();
    return {
      ...key,
      scopes: [...key.scopes],
      state: key.revokedAtMs !== null ? "revoked" : expired ? "expired" : "active",
    };
  };

  app.openapi({ ...routes.create, middleware: [guard] }, async (context) => {
    const { key, secret } = await operators.createKey(context.get("principal"), context.req.valid("json"));
    return context.json({ ...keyJson(key), secret }, 201);
  });
  app.openapi({ ...routes.list, middleware: [guard] }, async (context) => {
    const { limit, after } = context.req.valid("query");
    const keys = await operators.listKeys({ limit, after });
    return context.json({ keys: keys.map(keyJson), next: keys.length < limit ? null : keys.at(-1)!.id }, 200);
  });
  app.openapi({ ...routes.revoke, middleware: [guard] }, async (context) => {
    const keys = await operators.revokeKey(context.get("principal"), context.req.valid("param").id);
    return context.json({ keys: keys.map(keyJson) }, 200);
  });
  app.openapi({ ...routes.log, middleware: [guard] }, async (context) => {
    const { limit, before } = context.req.valid("query");
    const entries = await operators.listLog({ limit, before });
    return context.json({ entries, next: entries.length < limit ? null : entries.at(-1)!.seq }, 200);
  });
  return app;
}
