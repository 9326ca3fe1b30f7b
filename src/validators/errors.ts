export type ValidatorErrorCode =
  /** Whoever asks for texts is not drawn to judge them, or not any more. */
  | "not-drawn"
  | "unknown-draw"
  /** What a verdict takes is not here. */
  | "no-evidence"
  /** A statement that is not its validator's, or that no validator with a seat may publish. */
  | "bad-statement"
  /** A node that should be asked does not answer as it should. */
  | "bad-node"
  /** The validator cannot judge: no stake, no seat, no base model. */
  | "unfit";

/** An error of validating, in words: what happened, what was expected, what to do. */
export class ValidatorError extends Error {
  override name = "ValidatorError";
  readonly code: ValidatorErrorCode;

  constructor(code: ValidatorErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
