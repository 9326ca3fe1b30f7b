import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import { CallRevertedError, limitBody } from "../chain/index.ts";
import { bytesSchema } from "../protocol/index.ts";
import { SettlementError } from "./errors.ts";
import { RelayLimitError, type Relays } from "./relay.ts";
import { addressText, digestText, errorOut, hexOut } from "./schemas.ts";

const json = <T extends z.ZodType>(schema: T, description: string) => ({
  content: { "application/json": { schema } },
  description,
});
const limitOut = errorOut.extend({ freeAtMs: z.number() }).openapi("RelayLimit");
const responses = {
  200: json(z.object({ transactionHash: hexOut.nullable() }), "Sent; null where the chain has it already"),
  400: json(errorOut, "The request is not right or not signed by whom it names"),
  409: json(errorOut, "The chain refused it, in its own words"),
  429: json(limitOut, "The day's allowance is used up; `freeAtMs` says until when"),
};
const tags = ["Relays"];
const bodyBytesMax = 4_096;
const signature = bytesSchema(65, 65);
const number = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,76})$/, "expected a whole number in decimal digits")
  .openapi({ example: "1" });

const routes = {
  limits: createRoute({
    method: "get",
    path: "/v1/relays",
    tags,
    summary: "How many transactions of others this node's operator pays for, a day (UTC)",
    responses: { 200: json(z.object({ perIdentity: z.number(), overall: z.number() }), "The limits") },
  }),
  commit: createRoute({
    method: "post",
    path: "/v1/relays/commitments",
    tags,
    summary:
      "Commit a contribution on chain for a contributor who signed the request; the operator pays the gas",
    request: {
      body: {
        required: true,
        content: {
          "application/json": {
            schema: z
              .strictObject({
                datanetId: number,
                commitment: digestText,
                contributor: addressText,
                signedAt: number,
                signature,
              })
              .openapi("CommitmentRelay"),
          },
        },
      },
    },
    responses,
  }),
};

/** First steps without OPEN, open to everyone within the day's allowances. */
export function relayRoutes(relays: Relays): OpenAPIHono {
  const app = new OpenAPIHono({
    defaultHook: (result, context) => {
      if (result.success) return;
      const [issue] = result.error.issues;
      const message = `${issue?.path.join(".") || "request"}: ${issue?.message ?? "is not right"}`;
      return context.json({ error: { code: "invalid-request", message } }, 400);
    },
  });
  app.use("/v1/relays/*", limitBody(bodyBytesMax));
  app.onError((error, context) => {
    if (error instanceof RelayLimitError) return limitReached(context, error);
    const fail = (status: 400 | 409, code: string) =>
      context.json({ error: { code, message: error.message } }, status);
    if (error instanceof SettlementError) return fail(400, error.code);
    if (error instanceof CallRevertedError) return fail(409, "chain-refused");
    if (error instanceof HTTPException) return fail(400, "invalid-request");
    throw error;
  });
  app.openapi(routes.limits, (context) => context.json({ ...relays.limits }, 200));
  app.openapi(routes.commit, async (context) => {
    const { signature, datanetId, signedAt, ...rest } = context.req.valid("json");
    const request = { ...rest, datanetId: BigInt(datanetId), signedAt: BigInt(signedAt) };
    return context.json(await relays.commit(request, signature), 200);
  });
  return app;
}

/** 429, saying when there is an allowance again. */
export function limitReached(context: Context, { message, freeAtMs }: RelayLimitError) {
  context.header("retry-after", new Date(freeAtMs).toUTCString());
  return context.json({ error: { code: "relay-limit", message }, freeAtMs }, 429);
}
