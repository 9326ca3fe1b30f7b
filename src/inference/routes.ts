/** OpenAI's routes for chats, completions and models, and what became of a request. */
import { randomBytes } from "node:crypto";
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { voucherHeader } from "../payments/index.ts";
import type { Answer, Opening, Question } from "./answering.ts";
import { bodyBytesMax, parseBody, readBody } from "./body.ts";
import { badRequest, clientError, errorBody, errorHeaders, InferenceError } from "./errors.ts";
import { type AnswerKind, chatRequestSchema, parseAsk, textRequestSchema } from "./request.ts";
import {
  answerId,
  answerJson,
  baseJson,
  chatOut,
  chunksOf,
  errorOut,
  modelJson,
  modelOut,
  modelsOut,
  requestJson,
  requestOut,
  textOut,
} from "./schemas.ts";
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
  "idempotency-key": z
    .string()
    .optional()
    .openapi({ description: "The same key with the same request gives the same answer and is paid once" }),
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
    summary: "Models that can be asked: the base, and the newest release of every model",
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

/** The room's HTTP routes, with their OpenAPI description. */
export function inferenceRoutes(inference: Inference): OpenAPIHono {
  const app = new OpenAPIHono();
  const startedAtMs = Date.now();
  app.onError((error, context) => failure(context, error));
  const base = () => inference.openlora.info();

  app.openapi(routes.models, async (context) => {
    const releases = await inference.releases.list();
    const data = releases.map((release) => modelJson(release, release.model, base()));
    return context.json({ object: "list" as const, data: [baseJson(base(), startedAtMs), ...data] }, 200);
  });
  app.openapi(routes.model, async (context) => {
    const { model } = context.req.valid("param");
    if (model === base().baseName) return context.json(baseJson(base(), startedAtMs), 200);
    const release = await inference.releases.find(model);
    if (release === undefined)
      throw new InferenceError(
        404,
        "model_not_found",
        `The model '${model.slice(0, 128)}' does not exist here.`,
        {
          param: "model",
        },
      );
    return context.json(modelJson(release, model, base()), 200);
  });
  // The base model's name may hold slashes, as Hugging Face's do.
  app.get("/v1/models/*", (context) => {
    const model = decoded(context.req.path.slice("/v1/models/".length));
    if (model === base().baseName) return context.json(baseJson(base(), startedAtMs), 200);
    throw new InferenceError(
      404,
      "model_not_found",
      `The model '${model.slice(0, 128)}' does not exist here.`,
      {
        param: "model",
      },
    );
  });
  app.openapi(routes.request, async (context) =>
    context.json(requestJson(await inference.request(context.req.valid("param").id)), 200),
  );
  app.openapi(routes.chat, (context) => answerRoute(inference, context, "chat") as never);
  app.openapi(routes.text, (context) => answerRoute(inference, context, "text") as never);
  return app;
}

async function answerRoute(inference: Inference, context: Context, kind: AnswerKind): Promise<Response> {
  const left = new AbortController();
  const question = await questionOf(context, kind, left.signal);
  const { ask } = question;
  const leave = () => left.abort();
  context.req.raw.signal.addEventListener("abort", leave, { once: true });
  if (context.req.raw.signal.aborted) leave();
  if (ask.stream) return streamedAnswer(inference, question, leave);
  const answer = await inference.answer(question);
  const id = answerId(kind, answer, randomId());
  return Response.json(answerJson(kind, ask.model, id, answer), { headers: answerHeaders(answer) });
}

async function questionOf(context: Context, kind: AnswerKind, signal: AbortSignal): Promise<Question> {
  const { req } = context;
  const body = await readBody(req.raw);
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
    ask: parseAsk(kind, parseBody(body), attribution === "false"),
    body,
    credentials: { authorization: req.header("authorization"), voucher: req.header(voucherHeader) },
    idempotencyKey,
    signal,
  };
}

/**
 * Begins to answer; the response starts with the first piece, so that whatever is refused before has its own status. The last chunk
 * is sent once the answer is written.
 */
async function streamedAnswer(
  inference: Inference,
  question: Question,
  leave: () => void,
): Promise<Response> {
  const { ask } = question;
  const { readable, send, end } = eventStream(leave);
  const opened = Promise.withResolvers<Opening>();
  let chunks: ReturnType<typeof chunksOf> | undefined;
  const open = (opening: Opening) => {
    const id = answerId(ask.kind, opening, randomId());
    chunks = chunksOf(ask.kind, ask.model, id, opening.createdAtMs, ask.includeUsage);
    if (chunks.first !== undefined) send(chunks.first);
    opened.resolve(opening);
    return chunks;
  };
  const finish = (answer: Answer) => {
    const { last, usage } = chunks ?? open(answer);
    send(last(answer));
    if (ask.includeUsage) send(usage(answer));
    end("[DONE]");
  };
  inference
    .answer(question, {
      onOpening: (opening) => void open(opening),
      onPiece: (text) => chunks && send(chunks.piece(text)),
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

/** Server-sent events. What is not read yet waits in memory: an answer has at most a context's tokens. */
function eventStream(onCancel: () => void) {
  const encoder = new TextEncoder();
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const readable = new ReadableStream<Uint8Array>({
    start(given) {
      controller = given;
    },
    cancel() {
      controller = undefined;
      onCancel();
    },
  });
  const write = (data: string) => controller?.enqueue(encoder.encode(`data: ${data}\n\n`));
  return {
    readable,
    send: (value: object) => write(JSON.stringify(value)),
    end(last?: string) {
      if (last !== undefined) write(last);
      controller?.close();
      controller = undefined;
    },
  };
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
