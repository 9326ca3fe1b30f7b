/** Why the protocol refused a value. Programs branch on the code, people read the message. */
export type ProtocolErrorCode =
  | "not-canonical"
  | "out-of-range"
  | "length"
  | "not-in-list"
  | "order"
  | "sum"
  | "signature"
  | "no-weight";

/** A value that cannot be hashed, signed or paid. The message says what was expected and what came. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  readonly code: ProtocolErrorCode;

  constructor(code: ProtocolErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
