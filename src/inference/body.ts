/** A request's body: read with a limit, as the bytes that are hashed, then as strict JSON. */
import { badRequest, InferenceError } from "./errors.ts";

/** Longest body that is read. A prompt of a full context is far shorter. */
export const bodyBytesMax = 1024 * 1024;

/** @throws InferenceError 413 beyond the limit, 415 for a body that is not sent as JSON */
export async function readBody(request: Request, limit = bodyBytesMax): Promise<Uint8Array<ArrayBuffer>> {
  assertJson(request);
  const tooLarge = () =>
    new InferenceError(
      413,
      "request_too_large",
      `The request's body is larger than ${limit} bytes. Shorten the prompt.`,
    );
  if (Number(request.headers.get("content-length") ?? 0) > limit) throw tooLarge();
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of request.body ?? []) {
    length += part.length;
    if (length > limit) throw tooLarge();
    parts.push(part);
  }
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

/** @throws InferenceError 400 for bytes that are not UTF-8, or a text that is not JSON or no JSON object */
export function parseBody(bytes: Uint8Array): Record<string, unknown> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw badRequest("invalid_utf8", null, "The request's body is not UTF-8.");
  }
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
