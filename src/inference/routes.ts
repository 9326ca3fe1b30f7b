/** OpenAI's routes for chats, completions and models, and what became of a request. */
import { randomBytes } from "node:crypto";
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { voucherHeader } from "../payments/index.ts";
import { answerId, answerJson, type Chunks, createChunks } from "./answer-json.ts";
import type { Answer, Opening, Question } from "./answering.ts";
import { type BodyLimits, bodyBytesMax, parseBody, readBody } from "./body.ts";
import { badRequest, clientError, errorBody, errorHeaders, InferenceError } from "./errors.ts";
import { createEventStream } from "./event-stream.ts";
import { operatorRoutes } from "./operator-routes.ts";
import { type AnswerKind, chatRequestSchema, parseAsk, textRequestSchema } from "./request.ts";
import { chatOut, errorOut, modelOut, modelsOut, requestJson, requestOut, textOut } from "./schemas.ts";
import type { Inference } from "./service.ts";

/** Names the request in every answer that is paid for; `GET /v1/requests/{id}` reads it. */
export const requestIdHeader = "openledger-request-id";
/** `false`: this answer's influence is not traced. The body's `openledger.attribution` says the same. */
export const attributionHeader = "openledger-attribution";
/** `true` on an answer that an idempotency key was answered with before. */
export const replayHeader = "openledger-idempotent-replay";

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
  request: createRoute({
    method: "get",
    path: "/v1/requests/{id}",
    tags,
    summary: "What became of a paid request, without its texts; open to whoever knows the id",
    request: { params: z.object({ id: z.string() }) },
    responses: { 200: json(requestOut, "The request"), 404: failures[404] },
  }),
};

export type InferenceRoutesOptions = {
  /** Lets the operator through and nobody else. */
  readonly guard: MiddlewareHandler;
  readonly body?: BodyLimits;
  /** Longest time a stream's reader may take nothing. */
  readonly stallMs?: number;
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
  app.route("/", operatorRoutes(models, options));
  for (const path of ["/v1/chat/completions", "/v1/completions"])
    app.all(path, ({ req }) => {
      throw new InferenceError(
        405,
        "method_not_allowed",
        `${req.method} is not answered here: POST ${path}.`,
      );
    });
  return app;
}

async function answerRoute(
  inference: Inference,
  context: Context,
  kind: AnswerKind,
  options: InferenceRoutesOptions,
): Promise<Response> {
  const left = new AbortController();
  const leave = () => left.abort();
  const { signal } = context.req.raw;
  const question = await questionOf(inference, context, kind, left.signal, options.body);
  signal.addEventListener("abort", leave, { once: true });
  if (signal.aborted) leave();
  if (question.ask.stream) return streamedAnswer(inference, context, question, leave, options.stallMs);
  const answer = await inference.answer(question);
  return Response.json(answerJson(question.ask, answerId(kind, answer, randomId()), answer), {
    headers: answerHeaders(answer),
  });
}

async function questionOf(
  { models }: Inference,
  { req }: Context,
  kind: AnswerKind,
  signal: AbortSignal,
  limits: BodyLimits | undefined,
): Promise<Question> {
  const body = await readBody(req.raw, limits);
  const attribution = req.header(attributionHeader);
  if (attribution !== undefined && attribution !== "true" && attribution !== "false")
    throw badRequest("invalid_value", attributionHeader, `The header ${attributionHeader} is true or false.`);
  const idempotencyKey = req.header("idempotency-key") ?? null;
  if (idempotencyKey !== null && !/^[\x20-\x7e]{1,255}$/.test(idempotencyKey))
    throw badRequest(
      "invalid_value",
      "idempotency-key",
      "An Idempotency-Key has 1 to 255 printable ASCII characters.",
    );
  return {
    ask: parseAsk(kind, parseBody(body), {
      optedOut: attribution === "false",
      toolFormat: models.toolFormat,
    }),
    body,
    credentials: { authorization: req.header("authorization"), voucher: req.header(voucherHeader) },
    idempotencyKey,
    signal,
  };
}

/**
 * Begins to answer; the response starts with the first piece, so that whatever is refused before has its own status. The last chunks
 * are sent once the answer is written.
 */
async function streamedAnswer(
  inference: Inference,
  context: Context,
  question: Question,
  leave: () => void,
  stallMs: number | undefined,
): Promise<Response> {
  const { ask } = question;
  const cut = () => {
    leave();
    // A reader that stalls would keep the connection: node's server ends it with the response.
    (context.env as { outgoing?: { destroy?(): void } } | undefined)?.outgoing?.destroy?.();
  };
  const { readable, send, end } = createEventStream(cut, stallMs);
  const sendAll = (chunks: readonly object[]) => {
    for (const chunk of chunks) send(chunk);
  };
  const opened = Promise.withResolvers<Opening>();
  let chunks: Chunks | undefined;
  const open = (opening: Opening) => {
    chunks = createChunks(ask, answerId(ask.kind, opening, randomId()), opening.createdAtMs);
    sendAll(chunks.opening());
    opened.resolve(opening);
    return chunks;
  };
  const finish = (answer: Answer) => {
    sendAll((chunks ?? open(answer)).ending(answer));
    end("[DONE]");
  };
  inference
    .answer(question, {
      onOpening: (opening) => void open(opening),
      onPiece: (choice, piece) => chunks && sendAll(chunks.piece(choice, piece)),
    })
    .then(finish)
    .catch((error: unknown) => {
      opened.reject(error);
      // The status is sent already: OpenAI's clients raise an error they find in a stream.
      send(errorBody(clientError(error) ?? unforeseen(error)));
      end();
    });
  const opening = await opened.promise;
  return new Response(readable, {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache",
      "x-accel-buffering": "no",
      ...answerHeaders(opening),
    },
  });
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

const randomId = () => randomBytes(16).toString("hex");

function answerHeaders({ requestId, replayed }: Opening): Record<string, string> {
  return {
    ...(requestId === null ? {} : { [requestIdHeader]: requestId }),
    ...(replayed ? { [replayHeader]: "true" } : {}),
  };
}

const unforeseen = (cause: unknown) =>
  new InferenceError(500, "internal_error", "The server failed to answer.", { cause });

/** Errors that the service has not seen are rethrown for the composition root to log. */
function failure(context: Context, cause: Error): Response {
  const error = clientError(cause);
  if (error === undefined) throw cause;
  return context.json(errorBody(error), error.status as 400, errorHeaders(error));
}
