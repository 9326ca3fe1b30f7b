/** A request's body: read within a length and a time, as the bytes that are hashed, then as strict JSON. */
import { badRequest, InferenceError } from "./errors.ts";

/** Longest body that is read. A prompt of a full context is far shorter. */
export const bodyBytesMax = 1024 * 1024;

/** Longest time a body may take to arrive: who sends it in drops would hold a connection for ever. */
export const bodyMsMax = 30_000;

/** Deepest nesting that is read: a JSON schema of twenty levels needs about 60. */
const depthMax = 100;

export type BodyLimits = { readonly bytesMax: number; readonly msMax: number };

/**
 * @throws InferenceError 408 for a body that trickles, 413 beyond the limit, 415 for one that is not sent as JSON, 499 for one whose
 * sender leaves in the middle of it
 */
export async function readBody(
  request: Request,
  { bytesMax, msMax }: BodyLimits = { bytesMax: bodyBytesMax, msMax: bodyMsMax },
): Promise<Uint8Array<ArrayBuffer>> {
  assertJson(request);
  const tooLarge = () =>
    new InferenceError(
      413,
      "request_too_large",
      `The request's body is larger than ${bytesMax} bytes. Shorten the prompt.`,
    );
  if (Number(request.headers.get("content-length") ?? 0) > bytesMax) throw tooLarge();
  const reader = request.body?.getReader();
  const late = Promise.withResolvers<never>();
  late.promise.catch(() => {});
  const timer = setTimeout(
    () =>
      late.reject(
        new InferenceError(
          408,
          "request_timeout",
          `The request's body did not arrive within ${msMax / 1_000} seconds. Send it in one go.`,
        ),
      ),
    msMax,
  );
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const { value, done } = (await Promise.race([reader?.read(), late.promise])) ?? { done: true };
      if (done || value === undefined) return joined(parts, length);
      length += value.length;
      if (length > bytesMax) throw tooLarge();
      parts.push(value);
    }
  } catch (cause) {
    // What is still on its way is not read: the connection ends with the answer.
    void reader?.cancel().catch(() => {});
    if (cause instanceof InferenceError) throw cause;
    throw new InferenceError(499, "cancelled", "The request's body ended before it was whole.", { cause });
  } finally {
    clearTimeout(timer);
  }
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function assertJson(request: Request): void {
  const type = request.headers.get("content-type") ?? "";
  const encoding = request.headers.get("content-encoding") ?? "identity";
  if (!/^application\/json\s*(;|$)/i.test(type) || encoding !== "identity")
    throw new InferenceError(
      415,
      "unsupported_media_type",
      `The body is sent as ${type || "no type"}${encoding === "identity" ? "" : `, ${encoding}`}; expected application/json, not compressed.`,
    );
}

/** @throws InferenceError 400 for bytes that are not UTF-8, a text that is not JSON or no JSON object, a key given twice, too deep a nesting */
export function parseBody(bytes: Uint8Array): Record<string, unknown> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw badRequest("invalid_utf8", null, "The request's body is not UTF-8.");
  }
  assertPlain(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw badRequest(
      "invalid_json",
      null,
      `The request's body cannot be read as JSON: ${(cause as Error).message}`,
    );
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw badRequest("invalid_json", null, "The request's body must be a JSON object.");
  return value as Record<string, unknown>;
}

/**
 * Refuses what `JSON.parse` lets pass in silence: of a key given twice it keeps the last, where another reader may keep the first. A
 * text that is no JSON is left to `JSON.parse`.
 */
function assertPlain(text: string): void {
  /** The containers that are open: an object's keys so far, or null for an array. */
  const open: (Set<string> | null)[] = [];
  const token = /"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?|[{}[\]]/gy;
  const other = /[^"{}[\]]*/y;
  for (let at = 0; at < text.length; ) {
    other.lastIndex = at;
    other.test(text);
    token.lastIndex = other.lastIndex;
    const found = token.exec(text);
    if (found === null) return;
    at = token.lastIndex;
    const [part, colon] = found;
    if (part === "{" || part === "[") {
      open.push(part === "{" ? new Set() : null);
      if (open.length > depthMax)
        throw badRequest(
          "invalid_json",
          null,
          `The request's body is nested more than ${depthMax} deep, the most that is read.`,
        );
    } else if (part === "}" || part === "]") open.pop();
    else if (colon !== undefined) addKey(open.at(-1), part.slice(0, -colon.length));
  }
}

/** @param quoted - the key as it is written */
function addKey(keys: Set<string> | null | undefined, quoted: string): void {
  if (!keys) return;
  const key = quoted.includes("\\") ? unquoted(quoted) : quoted.slice(1, -1);
  if (keys.has(key)) {
    const name = key.slice(0, 80);
    throw badRequest(
      "duplicate_parameter",
      name,
      `The key ${JSON.stringify(name)} is given twice in one object: which of them counts is not clear. Give it once.`,
    );
  }
  keys.add(key);
}

function unquoted(text: string): string {
  try {
    return JSON.parse(text) as string;
  } catch {
    return text;
  }
}
