/** Why a request was not answered, in the shape OpenAI's clients read. */
import { OpenLoraError, type OpenLoraErrorCode, OverloadedError } from "../openlora/index.ts";
import { PaymentRequiredError, paymentErrorBody } from "../payments/index.ts";

/** OpenAI's kinds of errors; its clients show them and choose by the status. */
export type ErrorType =
  | "invalid_request_error"
  | "rate_limit_error"
  | "server_error"
  | "idempotency_error"
  | "payment_required";

/** HTTP statuses of this room. 499: the asker left, so nobody reads it. */
export type ErrorStatus = 400 | 402 | 404 | 405 | 408 | 409 | 413 | 415 | 429 | 499 | 500 | 503 | 504;

export type ErrorBody = {
  readonly error: {
    readonly message: string;
    readonly type: ErrorType;
    /** The request's member that is at fault, as in `messages[0].content`. */
    readonly param: string | null;
    readonly code: string | null;
    readonly details?: Readonly<Record<string, string>>;
  };
};

/** A request that was refused or failed. Nothing is charged for it. */
export class InferenceError extends Error {
  override readonly name = "InferenceError";
  readonly status: ErrorStatus;
  readonly type: ErrorType;
  readonly code: string;
  readonly param: string | null;
  /** When to try again, for statuses 409, 429 and 503. */
  readonly retryAfterMs: number | undefined;

  constructor(
    status: ErrorStatus,
    code: string,
    message: string,
    more: { param?: string | null; retryAfterMs?: number; type?: ErrorType; cause?: unknown } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.status = status;
    this.type = more.type ?? typeOf(status);
    this.code = code;
    this.param = more.param ?? null;
    this.retryAfterMs = more.retryAfterMs;
  }
}

function typeOf(status: ErrorStatus): ErrorType {
  if (status === 402) return "payment_required";
  if (status === 409) return "idempotency_error";
  if (status === 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

/** The request says something that cannot be honoured. */
export function badRequest(code: string, param: string | null, message: string): InferenceError {
  return new InferenceError(400, code, message, { param });
}

/** @returns the error a client is told, or undefined for one that nobody foresaw */
export function clientError(error: unknown): InferenceError | PaymentRequiredError | undefined {
  if (error instanceof InferenceError || error instanceof PaymentRequiredError) return error;
  if (error instanceof OpenLoraError) return fromOpenLora(error);
  return undefined;
}

const openLoraErrors: Record<OpenLoraErrorCode, readonly [ErrorStatus, string]> = {
  "invalid-request": [400, "invalid_value"],
  "prompt-invalid": [400, "invalid_prompt"],
  "prompt-too-long": [400, "context_length_exceeded"],
  overloaded: [429, "rate_limit_exceeded"],
  "adapter-unavailable": [503, "adapter_unavailable"],
  "adapter-refused": [500, "adapter_refused"],
  "engine-failed": [500, "engine_failed"],
  cancelled: [499, "cancelled"],
  closed: [503, "shutting_down"],
};

function fromOpenLora(error: OpenLoraError): InferenceError {
  const [status, code] = openLoraErrors[error.code];
  const retryAfterMs = error instanceof OverloadedError ? error.retryAfterMs : 5_000;
  return new InferenceError(status, code, error.message, {
    cause: error,
    ...(status === 429 || status === 503 ? { retryAfterMs } : {}),
  });
}

export function errorBody(error: InferenceError | PaymentRequiredError): ErrorBody {
  if (error instanceof PaymentRequiredError) return paymentErrorBody(error);
  const { message, type, param, code } = error;
  return { error: { message, type, param, code } };
}

/** Headers that tell a client when to come back; OpenAI's reads the milliseconds. */
export function errorHeaders(error: InferenceError | PaymentRequiredError): Record<string, string> {
  const ms = error instanceof InferenceError ? error.retryAfterMs : undefined;
  if (ms === undefined) return {};
  return {
    "retry-after": String(Math.max(1, Math.ceil(ms / 1_000))),
    "retry-after-ms": String(Math.ceil(ms)),
  };
}
