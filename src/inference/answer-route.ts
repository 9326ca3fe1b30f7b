/** One request for an answer over HTTP: read, answered, and sent whole or as a stream. */
import { randomBytes } from "node:crypto";
import type { Context } from "hono";
import { voucherHeader } from "../payments/index.ts";
import { answerId, answerJson, type Chunks, createChunks } from "./answer-json.ts";
import type { Answer, Opening, Question } from "./answering.ts";
import { type BodyLimits, parseBody, readBody } from "./body.ts";
import { badRequest, clientError, errorBody, InferenceError } from "./errors.ts";
import { createEventStream } from "./event-stream.ts";
import { type AnswerKind, parseAsk } from "./request.ts";
import type { Inference } from "./service.ts";

/** Names the request in every answer that is paid for; `GET /v1/requests/{id}` reads it. */
export const requestIdHeader = "openledger-request-id";
/** `false`: this answer's influence is not traced. The body's `openledger.attribution` says the same. */
export const attributionHeader = "openledger-attribution";
/** `true` on an answer that an idempotency key was answered with before. */
export const replayHeader = "openledger-idempotent-replay";

export type AnswerRouteLimits = {
  readonly body?: BodyLimits;
  /** Longest time a stream's reader may take nothing. */
  readonly stallMs?: number;
};

export async function answerRoute(
  inference: Inference,
  context: Context,
  kind: AnswerKind,
  limits: AnswerRouteLimits,
): Promise<Response> {
  const question = await questionOf(inference, context, kind, limits.body);
  if (question.ask.stream) return streamedAnswer(inference, context, question, limits.stallMs);
  const answer = await inference.answer(question);
  return Response.json(answerJson(question.ask, answerId(kind, answer, randomId()), answer), {
    headers: answerHeaders(answer),
  });
}

async function questionOf(
  { models }: Inference,
  context: Context,
  kind: AnswerKind,
  limits: BodyLimits | undefined,
): Promise<Question> {
  const { req } = context;
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
    signal: req.raw.signal,
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
  stallMs: number | undefined,
): Promise<Response> {
  const { ask } = question;
  const left = new AbortController();
  const cut = () => {
    left.abort();
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
    .answer(
      { ...question, signal: AbortSignal.any([question.signal, left.signal]) },
      {
        onOpening: (opening) => void open(opening),
        onPiece: (choice, piece) => chunks && sendAll(chunks.piece(choice, piece)),
      },
    )
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

const randomId = () => randomBytes(16).toString("hex");

function answerHeaders({ requestId, replayed }: Opening): Record<string, string> {
  return {
    ...(requestId === null ? {} : { [requestIdHeader]: requestId }),
    ...(replayed ? { [replayHeader]: "true" } : {}),
  };
}

const unforeseen = (cause: unknown) =>
  new InferenceError(500, "internal_error", "The server failed to answer.", { cause });
