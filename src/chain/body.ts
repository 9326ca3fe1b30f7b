/** How long a request's body may be, for the routes of every room. */
import type { MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";

/** Answers a body of more than `bytesMax` bytes with 413. */
export const limitBody = (bytesMax: number): MiddlewareHandler =>
  bodyLimit({
    maxSize: bytesMax,
    onError: (context) =>
      context.json({ error: { code: "too-large", message: `A body may have ${bytesMax} bytes here.` } }, 413),
  });
