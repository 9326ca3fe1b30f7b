import { z } from "zod";

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

/** An error in a line for people; a schema's issues each after its place: `recipe.epochs: Too small: …`. */
export function whatIsWrong(error: Error): string {
  if (!(error instanceof z.ZodError)) return error.message;
  const line = error.issues
    .map(({ path, message }) => (path.length > 0 ? `${path.map(String).join(".")}: ${message}` : message))
    .join("; ");
  return line.length > 400 ? `${line.slice(0, 399)}…` : line;
}
