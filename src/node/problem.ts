/** Refusals as problem details (RFC 9457), in one place for every room. */
import type { MiddlewareHandler } from "hono";

const problemType = "application/problem+json";
/** A refusal is a few sentences; what is longer is handed on as it is. */
const bytesMax = 65_536;

/** `unknown-datanet` as a title: `Unknown datanet`. */
const titleOf = (code: string): string => {
  const words = code.replaceAll(/[-_]/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
};

/**
 * A refusal's body with the members of RFC 9457 beside those that it has: `title` from its code, `detail` its message. `type` is
 * `about:blank#code`, for the codes are named in the API's description and have no page each.
 *
 * @returns undefined when the body is no refusal
 */
export function problemOf(body: unknown, status: number): Record<string, unknown> | undefined {
  if (typeof body !== "object" || body === null || !("error" in body)) return undefined;
  const { error } = body;
  if (typeof error !== "object" || error === null) return undefined;
  const { code, message, type } = error as { code?: unknown; message?: unknown; type?: unknown };
  if (typeof message !== "string") return undefined;
  const name = typeof code === "string" ? code : typeof type === "string" ? type : String(status);
  return { type: `about:blank#${name}`, title: titleOf(name), status, detail: message, ...body };
}

/**
 * Adds the members to every refusal below `/v1`; OpenAI's clients read `error` as before. The content type is `application/problem+json`
 * for whoever accepts that, `application/json` for others.
 */
export function problemDetails(): MiddlewareHandler {
  return async (context, next) => {
    await next();
    const { res } = context;
    if (res.status < 400 || !/^application\/json\b/.test(res.headers.get("content-type") ?? "")) return;
    const text = await res.text();
    const problem = text.length > bytesMax ? undefined : problemOf(JSON.parse(text), res.status);
    const headers = new Headers(res.headers);
    headers.delete("content-length");
    if (problem !== undefined && (context.req.header("accept") ?? "").includes(problemType))
      headers.set("content-type", problemType);
    context.res = undefined;
    context.res = new Response(problem === undefined ? text : JSON.stringify(problem), {
      status: res.status,
      headers,
    });
  };
}
