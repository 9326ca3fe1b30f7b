/** What can go wrong with stored things. Every message says what happened and what to do; `code` is for programs. */

export type StoreErrorCode =
  | "blob-missing"
  | "blob-corrupt"
  | "blob-too-large"
  | "blobs-address"
  | "blobs-refused"
  | "blobs-unreachable"
  | "sealed-wrong-key"
  | "sealed-damaged"
  | "master-key-missing"
  | "archive-invalid"
  | "backup-refused"
  | "folder-locked"
  | "database-closed"
  | "database-newer"
  | "database-unfinished"
  | "migration-changed"
  | "transaction-misuse"
  | "number-out-of-range"
  | "job-invalid"
  | "jobs-closed";

/** An error of the store, told apart by `code`. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Whether `error` is a {@link StoreError}, of the given code where one is given. */
export function isStoreError(error: unknown, code?: StoreErrorCode): error is StoreError {
  return error instanceof StoreError && (code === undefined || error.code === code);
}
