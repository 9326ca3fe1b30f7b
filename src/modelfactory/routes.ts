/** Fine-tuning jobs and releases over HTTP. */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import type { Digest } from "../protocol/index.ts";
import { jobRoutes } from "./job-routes.ts";
import { releaseRoutes } from "./release-routes.ts";
import type { ModelFactory } from "./service.ts";

/**
 * @param guard lets through who may order jobs and say what is served
 * @param attestedOf whether validators have attested a release's index
 * @param operator lets through who may give payments back
 */
export function modelFactoryRoutes(
  service: ModelFactory,
  guard: MiddlewareHandler,
  attestedOf?: (releaseId: Digest) => Promise<boolean>,
  operator: MiddlewareHandler = guard,
): OpenAPIHono {
  const app = new OpenAPIHono();
  app.route("/", jobRoutes(service, guard, operator));
  app.route("/", releaseRoutes(service, guard, attestedOf));
  return app;
}
