/** Why settlement refused something. Programs branch on the code, people read the message. */
export type SettlementErrorCode =
  | "unsigned-receipt"
  | "bad-receipt"
  | "receipt-conflict"
  | "gap"
  | "unknown-receipt"
  | "unknown-batch"
  | "bad-content"
  | "unsigned-request"
  | "bond-unaffordable"
  | "chain-conflict"
  | "database-behind";

/** An error of this room, told apart by `code`. */
export class SettlementError extends Error {
  override readonly name = "SettlementError";
  readonly code: SettlementErrorCode;

  constructor(code: SettlementErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
