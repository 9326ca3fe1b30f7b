export type ModelFactoryErrorCode =
  | "nothing-to-train"
  | "nothing-to-evaluate"
  | "not-owner"
  | "not-commercial"
  | "unknown-job"
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
