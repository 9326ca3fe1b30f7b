/** HTTP with a server that need not be honest or well: no redirects, no answer without a bound, every failure told apart. */
import { z } from "zod";

/**
 * - `busy`: it has no room (429, 503)
 * - `missing`: it does not know the model (404)
 * - `refused`: it says that the request is wrong (400, 413, 422)
 * - `unloadable`: it could not load an adapter
 * - `unreachable`: no connection, or one that ended before an answer began
 * - `troubled`: an error of its own (5xx), or nothing in time; whether it is well or the request too much for it, a check shows
 * - `failed`: everything else, above all what no server in order sends
 */
export type ServerFault =
  | "busy"
  | "missing"
  | "refused"
  | "unloadable"
  | "unreachable"
  | "troubled"
  | "failed";

/** What a server did instead of answering. The message names the server. */
export class ServerError extends Error {
  override name = "ServerError";
  readonly fault: ServerFault;
  /** The status it answered with; undefined where no whole answer came. */
  readonly status: number | undefined;
  /** When a busy server may have room. */
  readonly retryAfterMs: number;

  constructor(
    fault: ServerFault,
    message: string,
    { status, retryAfterMs = 1_000, cause }: { status?: number; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.fault = fault;
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

const smallAnswerBytes = 64 * 1_024;

const failureSchema = z.union([
  z.object({ error: z.object({ message: z.string() }) }).transform(({ error }) => error.message),
  z.object({ message: z.string() }).transform(({ message }) => message),
  z.object({ detail: z.string() }).transform(({ detail }) => detail),
]);

/** The message of a failure that a server reports in one of the usual shapes. */
export function failureIn(json: unknown): string | undefined {
  const parsed = failureSchema.safeParse(json);
  return parsed.success ? parsed.data : undefined;
}

/** A server's words as a part of an error's message. */
export const quoted = (text: string) =>
  JSON.stringify(
    text
      .replace(/[\s\p{Cc}]+/gu, " ")
      .trim()
      .slice(0, 400),
  );

/** The value that a text is JSON of; undefined for other texts. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export type ServerHttp = {
  /** Its address, without a slash at the end. */
  readonly name: string;
  /** Errors that say what the server did. */
  failed(what: string, cause?: unknown): ServerError;
  troubled(what: string, cause?: unknown): ServerError;
  /** A GET, or a POST of `body`. @returns an answer of status 200 @throws ServerError; what `signal` was aborted with */
  send(path: string, body: object | undefined, signal: AbortSignal): Promise<Response>;
  /** A whole answer in time, of at most `bytes`. @throws ServerError */
  ask(path: string, body: object | undefined, timeoutMs: number, bytes?: number): Promise<string>;
};

export function createServerHttp(url: string, apiKey: string | undefined): ServerHttp {
  const name = new URL(url).href.replace(/\/$/, "");
  const because = (fault: ServerFault) => (what: string, cause?: unknown) =>
    new ServerError(fault, `The server ${name} failed: ${what}.`, { cause });
  const failed = because("failed");
  const troubled = because("troubled");

  async function send(path: string, body: object | undefined, signal: AbortSignal): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(`${name}${path}`, {
        method: body === undefined ? "GET" : "POST",
        redirect: "manual",
        signal,
        headers: {
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (cause) {
      if (signal.aborted) throw cause;
      const { message, cause: below } = cause as Error;
      const why = below instanceof Error ? below.message || message : message;
      throw new ServerError("unreachable", `The server ${name} cannot be reached: ${why}.`, { cause });
    }
    if (response.status === 200) return response;
    throw await refusal(path, response);
  }

  async function refusal(path: string, response: Response): Promise<ServerError> {
    const { status } = response;
    if (status >= 300 && status < 400) {
      await response.body?.cancel();
      return failed(`${path} redirects elsewhere (${status}), which is not followed; name the last address`);
    }
    const text = await readText(response, smallAnswerBytes).catch(() => "");
    const says = `${path} answered ${status}, ${quoted(failureIn(parseJson(text)) ?? text)}`;
    if (status === 429 || status === 503) {
      const seconds = Number(response.headers.get("retry-after") ?? 1);
      const retryAfterMs = Number.isFinite(seconds)
        ? Math.min(60_000, Math.max(100, seconds * 1_000))
        : 1_000;
      return new ServerError("busy", `The server ${name} has no room: ${says}.`, { status, retryAfterMs });
    }
    if (status === 404)
      return new ServerError("missing", `The server ${name} does not know it: ${says}.`, { status });
    if (status === 400 || status === 413 || status === 422)
      return new ServerError("refused", `The server ${name} refuses it: ${says}.`, { status });
    const fault = status >= 500 ? "troubled" : "failed";
    return new ServerError(fault, `The server ${name} failed: ${says}.`, { status });
  }

  async function readText(response: Response, bytes: number): Promise<string> {
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const part of response.body ?? []) {
      size += part.byteLength;
      if (size > bytes) throw failed(`it sent more than ${bytes} bytes`);
      parts.push(part);
    }
    return Buffer.concat(parts).toString("utf8");
  }

  /** A whole answer in time. */
  async function ask(path: string, body: object | undefined, timeoutMs: number, bytes = smallAnswerBytes) {
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      return await readText(await send(path, body, signal), bytes);
    } catch (error) {
      if (error instanceof ServerError) throw error;
      throw failed(
        signal.aborted ? `${path} took more than ${timeoutMs} ms` : (error as Error).message,
        error,
      );
    }
  }

  return { name, failed, troubled, send, ask };
}
