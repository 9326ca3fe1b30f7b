/** The web application as `web/dist` has it: built files, read once, under a policy that lets nothing in from elsewhere. */
import { randomBytes } from "node:crypto";
import { existsSync, globSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { Hono } from "hono";

const types: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".md": "text/markdown; charset=utf-8",
};

/** Stands in index.html where this answer's nonce for styles goes; a dialog hides the page's scroll bar by such a style. */
const nonceMark = "%STYLE_NONCE%";

const policy = (nonce: string) =>
  [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");

const always = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
};

type File = { body: Uint8Array<ArrayBuffer>; brotli: Uint8Array<ArrayBuffer>; type: string; cache: string };

function readBuilt(folder: string): Map<string, File> {
  const files = new Map<string, File>();
  for (const path of globSync("**/*.*", { cwd: folder })) {
    const type = types[extname(path)];
    if (type === undefined) continue;
    const body = new Uint8Array(readFileSync(join(folder, path)));
    const brotli = new Uint8Array(
      brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 6 } }),
    );
    // What is below assets/ has its digest in its name.
    const cache = path.startsWith("assets/") ? "public, max-age=31536000, immutable" : "no-cache";
    files.set(`/${path.replaceAll("\\", "/")}`, { body, brotli, type, cache });
  }
  return files;
}

/**
 * Serves the pages. A file of the folder by its name, and `index.html` for every other path that a browser opens as a page: which
 * screen it is, the application reads from the address. Nothing outside the folder's own listing can be asked for.
 *
 * @param folder where the build is; where it is missing, pages say how to make it
 */
export function staticRoutes(folder: string): Hono {
  const app = new Hono();
  const files = existsSync(folder) ? readBuilt(folder) : new Map<string, File>();
  const page = files.get("/index.html");
  const html = page === undefined ? undefined : new TextDecoder().decode(page.body);
  files.delete("/index.html");

  app.get("/*", async (context, next) => {
    const file = files.get(context.req.path);
    if (file !== undefined) {
      const packed = /\bbr\b/.test(context.req.header("accept-encoding") ?? "");
      return context.body(packed ? file.brotli : file.body, 200, {
        ...always,
        "content-type": file.type,
        "cache-control": file.cache,
        vary: "accept-encoding",
        "content-security-policy": policy(randomBytes(16).toString("base64url")),
        ...(packed ? { "content-encoding": "br" } : {}),
      });
    }
    const wantsPage = /\btext\/html\b/.test(context.req.header("accept") ?? "") || context.req.path === "/";
    if (!wantsPage || /^\/(v1|rpc|assets)(\/|$)/.test(context.req.path)) return next();
    if (html === undefined)
      return context.text(
        "The web application is not built here. Run node scripts/web.ts in the clone, and start the node again.\n",
        503,
      );
    const nonce = randomBytes(16).toString("base64url");
    return context.body(html.replace(nonceMark, nonce), 200, {
      ...always,
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-cache",
      "content-security-policy": policy(nonce),
    });
  });
  return app;
}
