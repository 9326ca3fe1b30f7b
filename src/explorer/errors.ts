/** Why the explorer refused something. Programs branch on the code, people read the message. */
export type ExplorerErrorCode = "unknown-block" | "unknown-transaction" | "unknown-contract";

/** An error of this room, told apart by `code`. */
export class ExplorerError extends Error {
  override readonly name = "ExplorerError";
  readonly code: ExplorerErrorCode;

  constructor(code: ExplorerErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
