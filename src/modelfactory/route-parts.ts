/** What the routes of jobs and of releases share: how failures are answered and described. */
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import { DatanetError } from "../datanets/index.ts";
import { whatIsWrong } from "../protocol/index.ts";
import { ModelFactoryError, type ModelFactoryErrorCode } from "./errors.ts";

type FailureStatus = 400 | 403 | 404 | 409 | 503;

const statusOf: Record<ModelFactoryErrorCode, FailureStatus> = {
  "bad-name": 400,
  "bad-recipe": 400,
  busy: 409,
  "job-exists": 409,
  "job-over": 409,
  "job-unpaid": 409,
  "license-conflict": 400,
  "other-adapter": 400,
  "model-taken": 409,
  "no-parent": 409,
  "nothing-to-train": 400,
  "nothing-to-evaluate": 400,
  "other-data": 400,
  "payment-held": 409,
  "payment-over": 409,
  "not-owner": 403,
  "not-commercial": 400,
  "too-few-held-out": 400,
  "too-many-streams": 503,
  "unknown-checkpoint": 404,
  "unknown-job": 404,
  "unknown-report": 404,
  "unknown-release": 404,
};

export const errorOut = z.object({ error: z.object({ code: z.string(), message: z.string() }) });
/** A JSON answer, described. */
export const json = (schema: z.ZodType, description: string) => ({
  content: { "application/json": { schema } },
  description,
});
/** Failures that any route may answer with. */
export const failures = {
  400: json(errorOut, "The request is not right; the message says why"),
  403: json(errorOut, "Not allowed"),
  404: json(errorOut, "There is no such thing here"),
  409: json(errorOut, "It contradicts what is already here"),
};
export const tags = ["ModelFactory"];

const failure = (context: Context, status: FailureStatus, code: string, message: string) =>
  context.json({ error: { code, message } }, status);

/** An application whose refusals, also of what a route's schema does not let through, are answered in this room's shape. */
export function roomApp(): OpenAPIHono {
  const app = new OpenAPIHono({
    defaultHook: (result) => {
      if (!result.success) throw result.error;
    },
  });
  app.onError((error, context) => {
    if (error instanceof ModelFactoryError)
      return failure(context, statusOf[error.code], error.code, error.message);
    if (error instanceof DatanetError)
      return failure(
        context,
        error.code.startsWith("unknown-") ? 404 : 400,
        error.code,
        `${error.message} Publish it first: openledger datanet publish.`,
      );
    if (error instanceof z.ZodError) return failure(context, 400, "invalid-request", whatIsWrong(error));
    // A body that is no JSON.
    if (error instanceof HTTPException && error.status === 400)
      return failure(context, 400, "invalid-request", error.message);
    throw error;
  });
  return app;
}
