/** Why something in the operator's name was refused, with the HTTP status it is answered with. */
export const operatorErrorStatus = {
  "operator-only": 401,
  "key-expired": 401,
  "key-revoked": 401,
  "scope-missing": 403,
  "not-operator": 403,
  "people-only": 403,
  "foreign-origin": 403,
  "bad-sign-in": 400,
  "nonce-refused": 400,
  "too-many-requests": 429,
  "too-many-keys": 409,
  "too-many-people": 409,
  configured: 409,
  "outlives-creator": 400,
  "in-the-past": 400,
  "unknown-key": 404,
} as const;

export type OperatorErrorCode = keyof typeof operatorErrorStatus;

export class OperatorError extends Error {
  override readonly name = "OperatorError";
  readonly code: OperatorErrorCode;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: OperatorErrorCode, message: string, retryAfterSeconds?: number) {
    super(message);
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
