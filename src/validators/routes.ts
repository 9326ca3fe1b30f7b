/** What a node serves to those who check it: texts for drawn validators, a release's files, and what validators have said. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import { limitBody } from "../chain/index.ts";
import { type Digest, digestSchema } from "../protocol/index.ts";
import { ValidatorError } from "./errors.ts";
import { type EvidenceParts, evidenceRequestSchema, giveEvidence } from "./evidence.ts";
import { sealedSchema } from "./sealing.ts";
import { type Statements, signedStatementSchema, statementBytesMax, statementKinds } from "./statements.ts";

/** Files of a release that the manifest names, and the adapter's configuration. */
const releaseFileNames = ["adapter", "adapter-config", "basis", "clusters", "explain"] as const;
export type ReleaseFileName = (typeof releaseFileNames)[number];

export type ValidatorRoutesParts = EvidenceParts & {
  readonly statements: Statements;
  /** @returns undefined for a release that is not here */
  readonly releaseFile: (
    releaseId: Digest,
    name: ReleaseFileName,
  ) => Promise<Uint8Array | ReadableStream<Uint8Array> | undefined>;
};

const json = (schema: z.ZodType, description: string) => ({
  content: { "application/json": { schema } },
  description,
});
const errorOut = z.object({ error: z.object({ code: z.string(), message: z.string() }) });
const failures = {
  400: json(errorOut, "The request is not right; the message says why"),
  403: json(errorOut, "Who asks is not drawn, or has no seat"),
  404: json(errorOut, "There is no such thing here"),
};
const tags = ["Validators"];
const body = (schema: z.ZodType) => ({
  body: { required: true, content: { "application/json": { schema } } },
});
const statusOf = { "not-drawn": 403, "bad-statement": 400, "unknown-draw": 404, "no-evidence": 404 } as const;

const routes = {
  evidence: createRoute({
    method: "post",
    path: "/v1/validators/evidence",
    tags,
    summary: "Request, answer and tokens of the receipt that a validator is drawn to judge, sealed for it",
    description:
      "The validator signs EvidenceRequest(uint256 drawId,bytes32 preimage,bytes32 publicKey) in the domain of Verdicts; publicKey is an X25519 key.",
    request: body(evidenceRequestSchema),
    responses: { 200: json(sealedSchema, "Sealed evidence"), ...failures },
  }),
  publish: createRoute({
    method: "post",
    path: "/v1/validators/statements",
    tags,
    summary: "Publish a validator's signed statement; it stands",
    // Described loosely: a body of any JSON has no place in OpenAPI; it is read by its schema below.
    request: body(z.object({ statement: z.looseObject({}), signature: z.string() })),
    responses: { 200: json(z.object({ digest: digestSchema }), "Its digest"), ...failures },
  }),
  statements: createRoute({
    method: "get",
    path: "/v1/validators/statements",
    tags,
    summary: "What validators have said, newest first",
    request: {
      query: z.object({
        kind: z.enum(statementKinds).optional(),
        subject: z.string().max(66).optional(),
      }),
    },
    responses: {
      200: json(z.unknown(), "Statements"),
      ...failures,
    },
  }),
  file: createRoute({
    method: "get",
    path: "/v1/releases/{release}/files/{file}",
    tags,
    summary: "A file of a release, to compute its queries with",
    request: { params: z.object({ release: digestSchema, file: z.enum(releaseFileNames) }) },
    responses: {
      200: {
        description: "The bytes",
        content: { "application/octet-stream": { schema: z.string().openapi({ format: "binary" }) } },
      },
      ...failures,
    },
  }),
};

export function validatorRoutes(parts: ValidatorRoutesParts): OpenAPIHono {
  const app = new OpenAPIHono({
    defaultHook: (result, context) => {
      if (result.success) return;
      const [issue] = result.error.issues;
      const message = `${issue?.path.join(".") || "request"}: ${issue?.message ?? "is not right"}`;
      return failure(context, 400, "invalid-request", message);
    },
  });
  app.use("/v1/validators/*", limitBody(2 * statementBytesMax));
  app.onError((error, context) => {
    if (error instanceof ValidatorError && error.code in statusOf)
      return failure(context, statusOf[error.code as keyof typeof statusOf], error.code, error.message);
    if (error instanceof z.ZodError) return failure(context, 400, "invalid-request", z.prettifyError(error));
    if (error instanceof HTTPException) return failure(context, 400, "invalid-request", error.message);
    throw error;
  });
  app.openapi(routes.evidence, async (context) =>
    context.json(await giveEvidence(parts, evidenceRequestSchema.parse(context.req.valid("json"))), 200),
  );
  app.openapi(routes.publish, async (context) => {
    const signed = signedStatementSchema.parse(context.req.valid("json"));
    return context.json({ digest: await parts.statements.publish(signed) }, 200);
  });
  app.openapi(routes.statements, async (context) =>
    context.json({ statements: await parts.statements.list(context.req.valid("query")) }, 200),
  );
  app.openapi(routes.file, async (context) => {
    const { release, file } = context.req.valid("param");
    const bytes = await parts.releaseFile(release as Digest, file);
    if (bytes === undefined)
      return failure(
        context,
        404,
        "unknown-release",
        `There is no such release here, or it has no ${file}: ${release}.`,
      );
    return context.body(bytes as ReadableStream, 200, {
      "content-type": "application/octet-stream",
    }) as never;
  });
  return app;
}

function failure(context: Context, status: 400 | 403 | 404, code: string, message: string) {
  return context.json({ error: { code, message } }, status);
}
