import createClient from "openapi-fetch";
import { ApiError, failureOf, ownHeader } from "./refusal.ts";
import type { paths } from "./schema.d.ts";

export { ApiError };

/** The node that served this page. Every answer and body is typed by the node's own OpenAPI document. */
export const api = createClient<paths>({
  baseUrl: location.origin,
  headers: ownHeader,
});

type Answer<T> = { data?: T; error?: unknown; response: Response };

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
