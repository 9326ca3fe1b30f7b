/** The status page: the few files of `web/public`, read once. */
import { readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { Hono } from "hono";

const types: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** Serves a flat folder; `/` is its index.html. Nothing outside the folder's own listing can be asked for. */
export function staticRoutes(folder: string): Hono {
  const app = new Hono();
  for (const name of readdirSync(folder)) {
    const type = types[extname(name)];
    if (type === undefined) continue;
    const body = readFileSync(join(folder, name));
    app.get(name === "index.html" ? "/" : `/${name}`, (context) =>
      context.body(new Uint8Array(body), 200, {
        "content-type": type,
        "cache-control": "no-cache",
        "content-security-policy":
          "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
      }),
    );
  }
  return app;
}
