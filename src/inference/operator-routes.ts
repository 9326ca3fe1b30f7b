/** The operator's routes for adapters, as vLLM names them: load and unload by name, pin and unpin. */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import { type BodyLimits, parseBody, readBody } from "./body.ts";
import { clientError, errorBody, errorHeaders } from "./errors.ts";
import type { Models } from "./models.ts";
import { parsed } from "./parameters.ts";
import { errorOut } from "./schemas.ts";

const clean = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .regex(/^\P{Cc}*$/u, "expected no control characters");
const nameSchema = z.strictObject({ lora_name: clean(128) });
const loadSchema = z.strictObject({ lora_name: clean(128), lora_path: clean(4_096) });

const adapterOut = z.object({ model: z.string(), adapter: z.string() }).openapi("ServedAdapter");
const json = (schema: z.ZodType, description: string) => ({
  content: { "application/json": { schema } },
  description,
});
const route = (name: string, schema: z.ZodType, summary: string, description: string) =>
  createRoute({
    method: "post",
    path: `/v1/${name}`,
    tags: ["Inference"],
    summary: `${summary}: as the operator`,
    description,
    request: {
      body: {
        required: true,
        content: {
          "application/json": { schema: z.toJSONSchema(schema, { target: "openapi-3.0" }) as object },
        },
      },
    },
    responses: {
      200: json(adapterOut, "Done"),
      400: json(errorOut, "It cannot be done; the message says why"),
      401: { description: "Not the operator" },
      404: json(errorOut, "There is no such adapter"),
    },
  });

const routes = {
  load: route(
    "load_lora_adapter",
    loadSchema,
    "Serve an adapter under a name",
    "lora_path is a folder on the server with adapter_config.json and adapter_model.safetensors, as PEFT saves them. The adapter is tried against the base, copied, and free: its answers are not attributed and have no receipt. It stays loaded over a restart.",
  ),
  unload: route(
    "unload_lora_adapter",
    nameSchema,
    "Serve a loaded adapter no more",
    "Answers under way end as they would. A release cannot be unloaded.",
  ),
  pin: route(
    "pin_lora_adapter",
    nameSchema,
    "Keep a model's adapter in memory",
    "Of a release, by name or id, or of a loaded adapter; until it is unpinned or the node stops.",
  ),
  unpin: route(
    "unpin_lora_adapter",
    nameSchema,
    "Let a model's adapter leave memory",
    "The opposite of pin_lora_adapter; an adapter that is not pinned stays so.",
  ),
};

export function operatorRoutes(
  models: Models,
  { guard, body }: { readonly guard: MiddlewareHandler; readonly body?: BodyLimits },
): OpenAPIHono {
  const app = new OpenAPIHono();
  app.onError((cause, context) => {
    const error = clientError(cause);
    if (error === undefined) throw cause;
    return context.json(errorBody(error), error.status as 400, errorHeaders(error));
  });
  const given = async <S extends z.ZodType>(schema: S, request: Request) =>
    parsed(schema, parseBody(await readBody(request, body)));

  app.openapi({ ...routes.load, middleware: [guard] }, async (context) => {
    const { lora_name, lora_path } = await given(loadSchema, context.req.raw);
    const { name, digest } = await models.load(lora_name, lora_path);
    return context.json({ model: name, adapter: digest }, 200);
  });
  app.openapi({ ...routes.unload, middleware: [guard] }, async (context) => {
    const { lora_name } = await given(nameSchema, context.req.raw);
    const { name, digest } = await models.unload(lora_name);
    return context.json({ model: name, adapter: digest }, 200);
  });
  for (const action of ["pin", "unpin"] as const)
    app.openapi({ ...routes[action], middleware: [guard] }, async (context) => {
      const { lora_name } = await given(nameSchema, context.req.raw);
      return context.json({ model: lora_name, adapter: await models[action](lora_name) }, 200);
    });
  return app;
}
