/** Why a call was not answered. Programs branch on the code, people read the message. */
export type OpenLoraErrorCode =
  | "invalid-request"
  | "prompt-invalid"
  | "prompt-too-long"
  | "overloaded"
  | "adapter-unavailable"
  | "adapter-refused"
  | "engine-failed"
  | "cancelled"
  | "closed";

export type OpenLoraErrorDetails = Readonly<Record<string, string | number>>;

/** An error of this room, told apart by `code`. `details` holds what a program needs to act: a limit, a digest. */
export class OpenLoraError extends Error {
  override name = "OpenLoraError";
  readonly code: OpenLoraErrorCode;
  readonly details: OpenLoraErrorDetails;

  constructor(
    code: OpenLoraErrorCode,
    message: string,
    details: OpenLoraErrorDetails = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = code;
    this.details = details;
  }
}

/** The queue is full. */
export class OverloadedError extends OpenLoraError {
  override name = "OverloadedError";
  /** An estimate of when there will be room, from how long answers take at present. */
  readonly retryAfterMs: number;

  constructor(message: string, retryAfterMs: number) {
    super("overloaded", message, { retryAfterMs });
    this.retryAfterMs = retryAfterMs;
  }
}

/** The refusal of a queue that is full in all, or with one tenant's requests. `waitMs`: an estimate of when there will be room. */
export const queueFull = (
  full: "queue" | "tenant",
  limits: { readonly maxQueue: number; readonly maxQueuePerTenant: number },
  waitMs: number,
) =>
  new OverloadedError(
    full === "queue"
      ? `${limits.maxQueue} requests are waiting already, the most that may wait here. Try again later.`
      : `${limits.maxQueuePerTenant} of your requests are waiting already, the most that one payer, or all who ask for nothing together, may have. Wait for some to finish.`,
    Math.ceil(Math.min(60_000, Math.max(100, waitMs))),
  );

/** An {@link OpenLoraError} as it crosses from a worker thread, where an error would keep only its name and message. */
export type Refusal = { code: OpenLoraErrorCode; message: string; details: OpenLoraErrorDetails };

/** What `run` returns, or its refusal. Errors of other kinds pass through. */
export async function settle<T>(run: () => T | Promise<T>): Promise<{ value: T } | { refusal: Refusal }> {
  try {
    return { value: await run() };
  } catch (error) {
    if (!(error instanceof OpenLoraError)) throw error;
    return { refusal: { code: error.code, message: error.message, details: error.details } };
  }
}

/** The other side of {@link settle}. @throws the error that was refused with */
export function unsettle<T>(settled: { value: T } | { refusal: Refusal }): T {
  if ("value" in settled) return settled.value;
  const { code, message, details } = settled.refusal;
  throw code === "overloaded"
    ? new OverloadedError(message, Number(details.retryAfterMs))
    : new OpenLoraError(code, message, details);
}

export const closedError = () => new OpenLoraError("closed", "OpenLoRA was closed before it could answer.");
