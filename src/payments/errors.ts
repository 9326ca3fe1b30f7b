/** Why a request was not paid for. Programs branch on the code, people read the message. */
export type PaymentRequiredCode =
  | "no_payment"
  | "unknown_key"
  | "revoked_key"
  | "inactive_key"
  | "malformed_voucher"
  | "unknown_channel"
  | "forged_voucher"
  | "stale_voucher"
  | "overspent"
  | "signer_changed"
  | "channel_closing"
  | "channel_closed";

/** What a program needs to pay right: wei as bigint, ids as text. */
export type PaymentDetails = {
  readonly channelId?: string;
  /** What was needed, wei. */
  readonly expectedWei?: bigint;
  /** What there was, wei. */
  readonly actualWei?: bigint;
};

/** The request is not paid for; nothing has been generated. HTTP 402. */
export class PaymentRequiredError extends Error {
  override readonly name = "PaymentRequiredError";
  readonly status = 402;
  readonly code: PaymentRequiredCode;
  readonly details: PaymentDetails;

  constructor(code: PaymentRequiredCode, message: string, details: PaymentDetails = {}) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

/**
 * The error as OpenAI's clients read it: they raise it with its code and message, and show both.
 *
 * @example
 * paymentErrorBody(error) // { error: { message, type: "payment_required", param: null, code: "overspent", … } }
 */
export function paymentErrorBody(error: PaymentRequiredError): {
  error: {
    message: string;
    type: "payment_required";
    param: null;
    code: PaymentRequiredCode;
    details: Record<string, string>;
  };
} {
  const details = Object.entries(error.details).map(([name, value]) => [name, String(value)]);
  return {
    error: {
      message: error.message,
      type: "payment_required",
      param: null,
      code: error.code,
      details: Object.fromEntries(details),
    },
  };
}

/** What else can go wrong with keys, channels and requests. */
export type PaymentErrorCode =
  | "unknown-key"
  | "unknown-channel"
  | "wrong-payee"
  | "wrong-signer"
  | "channel-unusable"
  | "key-bound"
  | "too-many-keys"
  | "bad-amount"
  | "request-conflict"
  | "unknown-request"
  | "chain-behind";

/** A call that cannot be done; not a matter of paying. */
export class PaymentError extends Error {
  override readonly name = "PaymentError";
  readonly code: PaymentErrorCode;

  constructor(code: PaymentErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
