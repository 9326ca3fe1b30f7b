/** What the room's routes have in common: how errors read, and how much they take. */
import { OpenAPIHono, z } from "@hono/zod-openapi";
import { HTTPException } from "hono/http-exception";
import { limitBody } from "../chain/index.ts";
import { OperatorError } from "./errors.ts";
import { type GuardEnv, refusal } from "./guard.ts";

const bodyBytesMax = 8_192;

export const json = <T extends z.ZodType>(schema: T, description: string) => ({
  content: { "application/json": { schema } },
  description,
});

export const jsonBody = <T extends z.ZodType>(schema: T) => ({
  body: { required: true, content: { "application/json": { schema } } },
});

export const errorOut = z.object({ error: z.object({ code: z.string(), message: z.string() }) });

/** An app whose refusals are JSON with a code and a message. @param paths those whose bodies are bounded */
export function answering(paths: readonly string[]): OpenAPIHono<GuardEnv> {
  const invalid = (message: string) => ({ error: { code: "invalid-request", message } });
  const app = new OpenAPIHono<GuardEnv>({
    defaultHook: (result, context) => {
      if (result.success) return undefined;
      const issue = result.error.issues[0];
      return context.json(
        invalid(`${issue?.path.join(".") || "request"}: ${issue?.message ?? "is not right"}`),
        400,
      );
    },
  });
  for (const path of paths) app.use(path, limitBody(bodyBytesMax));
  app.onError((error, context) => {
    if (error instanceof OperatorError) return refusal(context, error);
    if (error instanceof HTTPException) return context.json(invalid(error.message), 400);
    throw error;
  });
  return app;
}
