export type ModelFactoryErrorCode =
  | "nothing-to-train"
  | "nothing-to-evaluate"
  | "other-data"
  | "not-owner"
  | "license-conflict"
  | "not-commercial"
  | "bad-name"
  | "bad-recipe"
  | "busy"
  | "job-exists"
  | "job-over"
  | "job-unpaid"
  | "model-taken"
  | "no-parent"
  | "other-adapter"
  | "payment-held"
  | "payment-over"
  | "too-few-held-out"
  | "too-many-streams"
  | "unknown-checkpoint"
  | "unknown-job"
  | "unknown-report"
  | "unknown-release";

/** An error of this room, told apart by `code`. */
export class ModelFactoryError extends Error {
  override name = "ModelFactoryError";
  readonly code: ModelFactoryErrorCode;
  constructor(code: ModelFactoryErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

export type HubErrorCode =
  | "invalid-id"
  | "invalid-endpoint"
  | "not-found"
  | "gated"
  | "token-refused"
  | "unavailable"
  | "malformed"
  | "unsupported"
  | "corrupt"
  | "disk-full"
  | "busy"
  | "other-pull";

/** What went wrong between this machine and a hub, told apart by `code`. Holds nothing of the token. */
export class HubError extends Error {
  override name = "HubError";
  readonly code: HubErrorCode;
  readonly expected?: string;
  readonly actual?: string;
  readonly fix?: string[];
  /** How long the hub asked to be left alone. */
  readonly retryAfterMs?: number;
  constructor(
    code: HubErrorCode,
    message: string,
    more: {
      expected?: string;
      actual?: string;
      fix?: string[];
      retryAfterMs?: number;
      cause?: unknown;
    } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    if (more.expected !== undefined) this.expected = more.expected;
    if (more.actual !== undefined) this.actual = more.actual;
    if (more.fix !== undefined) this.fix = more.fix;
    if (more.retryAfterMs !== undefined) this.retryAfterMs = more.retryAfterMs;
  }
}
