/** Signing in with a wallet over HTTP. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { addressOf, createRateLimiter, subscriberOf } from "../chain/index.ts";
import { addressSchema, bytesSchema } from "../protocol/index.ts";
import { answering, errorOut, json, jsonBody } from "./answers.ts";
import { OperatorError } from "./errors.ts";
import { checkOrigin, type GuardEnv, sessionCookie, sessionOf } from "./guard.ts";
import { ownHeader } from "./origin.ts";
import { scopes } from "./scopes.ts";
import type { Session, Sessions } from "./sessions.ts";

const tags = ["Session"];
const messageMax = 4_000;
/** Sign-ins of one address of the internet; this machine's own has no limit. */
const signInRate = { perSecond: 1, burst: 30 };

const sessionOut = z
  .object({
    address: addressSchema,
    operator: z.boolean().openapi({ description: "whether it acts in the operator's name" }),
    scopes: z.array(z.enum(scopes)),
    createdAtMs: z.int(),
    expiresAtMs: z.int(),
    idleUntilMs: z.int().openapi({ description: "when it ends unless it is used before" }),
  })
  .openapi("Session");
const failures = {
  400: json(errorOut, "Not a sign-in for this node; the message says why"),
  403: json(errorOut, "Not asked by the node's own pages"),
  429: json(errorOut, "Too many sign-ins; Retry-After says when to come back"),
};

const routes = {
  nonce: createRoute({
    method: "get",
    path: "/v1/session/nonce",
    tags,
    summary: "A nonce for one sign-in, and the chain to sign for",
    responses: {
      200: json(
        z.object({ nonce: z.string(), expiresAtMs: z.int(), chainId: z.int() }),
        "Good once, for five minutes",
      ),
    },
  }),
  open: createRoute({
    method: "post",
    path: "/v1/session",
    tags,
    summary: "Sign in with Ethereum (EIP-4361); the cookie that comes back is the session",
    description: `Domain and URI must be this node's own, the chain its chain, the nonce from /v1/session/nonce. Programs send the header ${ownHeader}, browsers Origin.`,
    request: jsonBody(
      z
        .strictObject({
          message: z.string().max(messageMax),
          signature: z.string().toLowerCase().pipe(bytesSchema(65, 65)),
        })
        .openapi("SignIn"),
    ),
    responses: { 200: json(sessionOut, "Signed in"), ...failures },
  }),
  read: createRoute({
    method: "get",
    path: "/v1/session",
    tags,
    summary: "Who is signed in, if anybody",
    responses: {
      200: json(z.object({ session: sessionOut.nullable() }), "The session, or null"),
      ...failures,
    },
  }),
  close: createRoute({
    method: "delete",
    path: "/v1/session",
    tags,
    summary: "Sign out",
    responses: { 200: json(z.object({ session: z.null() }), "Signed out"), ...failures },
  }),
};

/** @param chainId what a sign-in must be for */
export function sessionRoutes(sessions: Sessions, chainId: number): OpenAPIHono<GuardEnv> {
  const app = answering(["/v1/session"]);
  app.openAPIRegistry.registerComponent("securitySchemes", "session", {
    type: "apiKey",
    in: "cookie",
    name: sessionCookie,
  });
  const limiter = createRateLimiter(signInRate);
  const out = (session: Session) => ({ ...session, scopes: [...session.scopes] });

  app.openapi(routes.nonce, (context) => {
    context.header("cache-control", "no-store");
    return context.json({ ...sessions.nonces.issue(), chainId }, 200);
  });
  app.openapi(routes.open, async (context) => {
    checkOrigin(context, sessions);
    const from = addressOf(context.env);
    const waitMs = limiter.take(from, 1);
    if (waitMs > 0)
      throw new OperatorError("too-many-requests", "Too many sign-ins from here.", Math.ceil(waitMs / 1_000));
    const before = getCookie(context, sessionCookie);
    const { session, token, secure } = await sessions.open(context.req.valid("json"), subscriberOf(from));
    if (before !== undefined) await sessions.close(before);
    setCookie(context, sessionCookie, token, {
      ...{ httpOnly: true, sameSite: "Strict", path: "/", secure },
      maxAge: Math.floor((session.expiresAtMs - session.createdAtMs) / 1_000),
    });
    return context.json(out(session), 200);
  });
  app.openapi(routes.read, async (context) => {
    context.header("cache-control", "no-store");
    const session = await sessionOf(context, sessions);
    return context.json({ session: session === undefined ? null : out(session) }, 200);
  });
  app.openapi(routes.close, async (context) => {
    checkOrigin(context, sessions);
    const token = getCookie(context, sessionCookie);
    if (token !== undefined) await sessions.close(token);
    deleteCookie(context, sessionCookie, { path: "/" });
    return context.json({ session: null }, 200);
  });
  return app;
}
