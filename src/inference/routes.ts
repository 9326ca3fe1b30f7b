/** OpenAI's routes for chats, completions and models, and what became of a request. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { voucherHeader } from "../payments/index.ts";
import { type AnswerRouteLimits, answerRoute, attributionHeader } from "./answer-route.ts";
import { bodyBytesMax, parseBody, readBody } from "./body.ts";
import { embeddingRequestSchema, embeddingsOut, parseEmbeddingAsk } from "./embeddings.ts";
import { clientError, errorBody, errorHeaders, InferenceError } from "./errors.ts";
import { operatorRoutes } from "./operator-routes.ts";
import { chatRequestSchema, textRequestSchema } from "./request.ts";
import { chatOut, errorOut, modelOut, modelsOut, requestJson, requestOut, textOut } from "./schemas.ts";
import type { Inference } from "./service.ts";

const json = <T extends z.ZodType>(schema: T, description: string) => ({
  content: { "application/json": { schema } },
  description,
});
const failures = {
  400: json(errorOut, "The request is not right; the message says why"),
  402: json(errorOut, "It is not paid for; nothing was generated"),
  404: json(errorOut, "There is no such model"),
  408: json(errorOut, "The body did not arrive in time"),
  409: json(errorOut, "The request with this Idempotency-Key is being answered"),
  413: json(errorOut, `The body is larger than ${bodyBytesMax} bytes`),
  415: json(errorOut, "The body is not application/json"),
  429: json(errorOut, "Too many requests wait; Retry-After says when to come back"),
  500: json(errorOut, "The server failed; nothing is charged"),
  503: json(errorOut, "Not now; Retry-After says when to come back"),
  504: json(errorOut, "The answer did not begin in time; nothing is charged"),
};

/** Described, not validated by the framework: the body's bytes are hashed as they came, and errors have OpenAI's shape. */
const described = (schema: z.ZodType) => ({
  required: true,
  content: {
    "application/json": {
      schema: z.toJSONSchema(schema, {
        io: "input",
        target: "openapi-3.0",
        unrepresentable: "any",
      }) as object,
    },
  },
});
const tags = ["Inference"];
const headers = z.object({
  authorization: z.string().optional().openapi({ description: "Bearer and an API key" }),
  [voucherHeader]: z
    .string()
    .optional()
    .openapi({ description: "channelId:cumulative:signature, instead of an API key; it wins over one" }),
  "idempotency-key": z.string().optional().openapi({
    description:
      "The same key with the same request gives the same answer, all its choices, and is paid once",
  }),
  [attributionHeader]: z.string().optional().openapi({ description: "false: trace nobody's influence" }),
});
const streamed = (schema: z.ZodType, description: string) => ({
  description,
  content: {
    "application/json": { schema },
    "text/event-stream": { schema: { type: "string" as const, description: "Chunks, then data: [DONE]" } },
  },
});

const routes = {
  models: createRoute({
    method: "get",
    path: "/v1/models",
    tags,
    summary:
      "Models that can be asked: the base, the newest release of every model, and what the operator loaded",
    responses: { 200: json(modelsOut, "The models") },
  }),
  model: createRoute({
    method: "get",
    path: "/v1/models/{model}",
    tags,
    summary: "A model, by name or release id",
    request: { params: z.object({ model: z.string() }) },
    responses: { 200: json(modelOut, "The model"), 404: failures[404] },
  }),
  chat: createRoute({
    method: "post",
    path: "/v1/chat/completions",
    tags,
    summary: "Answer a chat",
    description:
      "OpenAI's chat completions. Parameters that would change the answer and are not supported are refused. The base model is free.",
    request: { headers, body: described(chatRequestSchema) },
    responses: { 200: streamed(chatOut, "The answer"), ...failures },
  }),
  text: createRoute({
    method: "post",
    path: "/v1/completions",
    tags,
    summary: "Continue a text",
    description: "OpenAI's completions. The base model is free.",
    request: { headers, body: described(textRequestSchema) },
    responses: { 200: streamed(textOut, "The answer"), ...failures },
  }),
  embeddings: createRoute({
    method: "post",
    path: "/v1/embeddings",
    tags,
    summary: "Texts as vectors, where the base was made for it; for nothing",
    request: { body: described(embeddingRequestSchema) },
    responses: { 200: json(embeddingsOut, "A vector for each input"), ...failures },
  }),
  request: createRoute({
    method: "get",
    path: "/v1/requests/{id}",
    tags,
    summary: "What became of a paid request, without its texts; open to whoever knows the id",
    request: { params: z.object({ id: z.string() }) },
    responses: { 200: json(requestOut, "The request"), 404: failures[404] },
  }),
};

export type InferenceRoutesOptions = AnswerRouteLimits & {
  /** Lets the operator through and nobody else. */
  readonly guard: MiddlewareHandler;
};

/** The room's HTTP routes, with their OpenAPI description. */
export function inferenceRoutes(inference: Inference, options: InferenceRoutesOptions): OpenAPIHono {
  const app = new OpenAPIHono();
  const { models } = inference;
  app.onError((error, context) => failure(context, error));

  app.openapi(routes.models, async (context) =>
    context.json({ object: "list" as const, data: await models.list() }, 200),
  );
  app.openapi(routes.model, async (context) =>
    context.json(await models.describe(context.req.valid("param").model), 200),
  );
  // The base model's name may hold slashes, as Hugging Face's do.
  app.get("/v1/models/*", async (context) =>
    context.json(await models.describe(decoded(context.req.path.slice("/v1/models/".length)))),
  );
  app.openapi(routes.request, async (context) =>
    context.json(requestJson(await inference.request(context.req.valid("param").id)), 200),
  );
  app.openapi(routes.chat, (context) => answerRoute(inference, context, "chat", options) as never);
  app.openapi(routes.text, (context) => answerRoute(inference, context, "text", options) as never);
  app.openapi(routes.embeddings, async (context) => {
    const ask = parseEmbeddingAsk(parseBody(await readBody(context.req.raw, options.body)));
    return context.json(await inference.embed(ask, context.req.raw.signal), 200);
  });
  app.route("/", operatorRoutes(models, options));
  for (const path of ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"])
    app.all(path, ({ req }) => {
      throw new InferenceError(
        405,
        "method_not_allowed",
        `${req.method} is not answered here: POST ${path}.`,
      );
    });
  return app;
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** Errors that the service has not seen are rethrown for the composition root to log. */
function failure(context: Context, cause: Error): Response {
  const error = clientError(cause);
  if (error === undefined) throw cause;
  return context.json(errorBody(error), error.status as 400, errorHeaders(error));
}
