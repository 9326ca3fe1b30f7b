/** What the node says when it refuses, and what it is told of who asks. No document is needed here. */

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

/** What another site's form cannot send: the node takes a session's cookie only beside it. */
export const ownHeader = { "x-openledger": "web" } as const;

/** Why the node refused, where an answer's JSON was read by hand. */
export const refusal = (body: unknown, status: number): ApiError =>
  failureOf(body, { status, statusText: "" });

/** The same, where the answer itself is at hand. */
export const refusalOf = async (response: Response): Promise<ApiError> =>
  // An answer that is no JSON says no more than its status.
  failureOf(await response.json().catch(() => undefined), response);

/** The failure in an answer's body, in whichever of the node's shapes it came. */
export function failureOf(error: unknown, response: Pick<Response, "status" | "statusText">): ApiError {
  const body = typeof error === "object" && error !== null ? (error as Record<string, unknown>) : {};
  const inner = (typeof body.error === "object" && body.error !== null ? body.error : body) as Record<
    string,
    unknown
  >;
  const message =
    inner.message ??
    inner.detail ??
    inner.title ??
    `The node answered ${response.status} ${response.statusText}`.trim().concat(".");
  return new ApiError(response.status, String(inner.code ?? inner.type ?? response.status), String(message));
}
