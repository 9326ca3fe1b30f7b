/** Access over HTTP: anyone may see the terms and ask; deciding, and seeing who read what, is the operator's. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { failures, json, jsonBody } from "../answers.ts";
import { addressText, countText, digestText, idText, signatureText } from "../schemas.ts";
import { accessRuleSchema } from "./rule.ts";
import type { Access } from "./service.ts";

const tags = ["Access"];
const params = z.object({ datanetId: idText });
const listed = z.object({
  offset: countText(0, 1_000_000_000, "0").default(0),
  limit: countText(1, 1_000, "100").default(100),
});

const ruleOut = z.object({ rule: accessRuleSchema, termsDigest: z.string() }).openapi("AccessRule");
const admissionOut = z
  .discriminatedUnion("state", [
    z.object({ state: z.literal("admitted"), pass: z.string(), expiresAtMs: z.number() }),
    z.object({ state: z.literal("asked") }),
    z.object({ state: z.literal("refused"), reason: z.string() }),
  ])
  .openapi("Admission");
const readerOut = z
  .object({
    reader: z.string(),
    state: z.enum(["asked", "admitted", "refused"]),
    purpose: z.string(),
    reason: z.string().nullable(),
    termsDigest: z.string(),
    askedAtMs: z.number(),
    decidedAtMs: z.number().nullable(),
  })
  .openapi("Reader");
const readOut = z
  .object({
    version: z.number(),
    reader: z.string(),
    what: z.string(),
    hourMs: z.number(),
    times: z.number(),
  })
  .openapi("ReadCount");

const routes = {
  rule: createRoute({
    method: "get",
    path: "/v1/datanets/{datanetId}/access",
    tags,
    summary: "Who may read a Datanet's texts, and the terms that readers accept",
    request: { params },
    responses: { 200: json(ruleOut, "The rule"), ...failures },
  }),
  ask: createRoute({
    method: "post",
    path: "/v1/datanets/{datanetId}/access",
    tags,
    summary: "Ask to read, accepting the terms by signature; who is admitted gets a pass for an hour",
    description:
      "Who contributed may sign for no terms, a `termsDigest` of zeros: the pass then opens the reports of its own contributions, with what curators propose, and nothing else.",
    request: {
      params,
      body: jsonBody(
        z
          .strictObject({
            reader: addressText,
            termsDigest: digestText,
            signedAt: z.int().min(0),
            nonce: digestText,
            signature: signatureText,
            purpose: z.string().trim().max(2_000).default(""),
          })
          .openapi("NewAccessRequest"),
      ),
    },
    responses: { 200: json(admissionOut, "What came of it"), ...failures },
  }),
  setRule: createRoute({
    method: "put",
    path: "/v1/datanets/{datanetId}/access",
    tags,
    summary: "Set who may read, as this node's operator; passes that are out end",
    request: { params, body: jsonBody(accessRuleSchema) },
    responses: { 200: json(ruleOut, "The rule"), ...failures },
  }),
  readers: createRoute({
    method: "get",
    path: "/v1/datanets/{datanetId}/readers",
    tags,
    summary: "Who asked to read, as this node's operator; those who wait first",
    request: { params, query: listed },
    responses: {
      200: json(z.object({ total: z.number(), readers: z.array(readerOut) }), "A page of them"),
      ...failures,
    },
  }),
  decide: createRoute({
    method: "put",
    path: "/v1/datanets/{datanetId}/readers/{reader}",
    tags,
    summary: "Admit or refuse a reader, as this node's operator",
    request: {
      params: params.extend({ reader: addressText }),
      body: jsonBody(
        z
          .strictObject({
            state: z.enum(["admitted", "refused"]),
            reason: z.string().trim().max(2_000).optional(),
          })
          .openapi("ReaderDecision"),
      ),
    },
    responses: { 200: json(readerOut, "The reader"), ...failures },
  }),
  reads: createRoute({
    method: "get",
    path: "/v1/datanets/{datanetId}/reads",
    tags,
    summary: "What was read by whom, by the hour, as this node's operator",
    request: { params, query: listed },
    responses: { 200: json(z.object({ reads: z.array(readOut) }), "Newest first"), ...failures },
  }),
};

export function mountAccess(app: OpenAPIHono, access: Access, guard: MiddlewareHandler | undefined): void {
  app.openapi(routes.rule, async (context) =>
    context.json(await access.rule(context.req.valid("param").datanetId), 200),
  );
  app.openapi(routes.ask, async (context) => {
    const { datanetId } = context.req.valid("param");
    const { signature, purpose, signedAt, ...named } = context.req.valid("json");
    const request = { ...named, datanetId, signedAt: BigInt(signedAt) };
    return context.json(await access.ask({ request, signature, purpose }), 200);
  });
  if (guard === undefined) return;
  app.openapi({ ...routes.setRule, middleware: [guard] }, async (context) => {
    const { datanetId } = context.req.valid("param");
    await access.setRule(datanetId, context.req.valid("json"));
    return context.json(await access.rule(datanetId), 200);
  });
  app.openapi({ ...routes.readers, middleware: [guard] }, async (context) => {
    const { datanetId } = context.req.valid("param");
    return context.json(await access.readers(datanetId, context.req.valid("query")), 200);
  });
  app.openapi({ ...routes.decide, middleware: [guard] }, async (context) => {
    const { datanetId, reader } = context.req.valid("param");
    return context.json(await access.decide(datanetId, reader, context.req.valid("json")), 200);
  });
  app.openapi({ ...routes.reads, middleware: [guard] }, async (context) => {
    const { datanetId } = context.req.valid("param");
    const reads = await access.reads(datanetId, context.req.valid("query"));
    return context.json({ reads }, 200);
  });
}

/** The token in `authorization: Bearer …`, if any. */
export const passOf = (context: Context): string | undefined =>
  /^Bearer (\S+)$/i.exec(context.req.header("authorization") ?? "")?.[1];

/** Who is asking: the operator, by token or session, or somebody with the pass that stands in `authorization: Bearer …`, if any. */
export async function askedBy(
  context: Context,
  guard: MiddlewareHandler | undefined,
): Promise<"operator" | { readonly pass: string | undefined }> {
  let admitted = false;
  await guard?.(context, async () => {
    admitted = true;
  });
  return admitted ? "operator" : { pass: passOf(context) };
}
