import createClient from "openapi-fetch";
import type { paths } from "./schema.d.ts";

/** What the node said when it refused. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
  }
}

/**
 * The node that served this page. Every answer and body is typed by the node's own OpenAPI document. The header is what another
 * site's form cannot send: the node takes a session's cookie for a change only beside it.
 */
export const api = createClient<paths>({
  baseUrl: location.origin,
  headers: { "x-openledger": "web" },
});

type Answer<T> = { data?: T; error?: unknown; response: Response };

/** The failure in an answer's body, in whichever of the node's shapes it came. */
function failureOf(error: unknown, response: Response): ApiError {
  const body = typeof error === "object" && error !== null ? (error as Record<string, unknown>) : {};
  const inner = (typeof body.error === "object" && body.error !== null ? body.error : body) as Record<
    string,
    unknown
  >;
  const message =
    inner.message ??
    inner.detail ??
    inner.title ??
    `The node answered ${response.status} ${response.statusText}.`;
  return new ApiError(response.status, String(inner.code ?? inner.type ?? response.status), String(message));
}

/**
 * An answer's data.
 *
 * @throws ApiError when the node refused; Error when it could not be reached
 */
export async function ask<T>(asked: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await asked;
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new Error("The node does not answer. Is it running? Pages are tried again by themselves.", {
      cause: error,
    });
  }
  if (!answer.response.ok) throw failureOf(answer.error, answer.response);
  return answer.data as T;
}
