/** Why a Datanet's service refused something. Programs branch on the code, people read the message. */
export type DatanetErrorCode =
  | "malformed-upload"
  | "too-large"
  | "empty-upload"
  | "unknown-license"
  | "unknown-datanet"
  | "unknown-contribution"
  | "unknown-row"
  | "unknown-version"
  | "consent-mismatch"
  | "consent-forged"
  | "consent-replayed"
  | "withdrawal-forged"
  | "withdrawal-mismatch"
  | "unknown-example"
  | "stake-needed"
  | "not-invited"
  | "not-owner"
  | "nothing-to-publish"
  | "chain-conflict"
  | "unknown-election"
  | "election-refused"
  | "vote-forged"
  | "not-curator"
  | "no-proposal"
  | "not-pending"
  | "decided-twice"
  | "not-committed"
  | "access-forged"
  | "access-mismatch"
  | "access-needed"
  | "readers-full"
  | "unknown-reader"
  | "unknown-token"
  | "texts-sealed"
  | "too-many-uploads"
  | "bad-import"
  | "imported-datanet";

/** Where in an upload: both count from 1; the column in UTF-16 code units, as editors count. */
export type UploadPlace = { readonly line: number; readonly column: number };

/** An error of this room, told apart by `code`. `details` holds what a program needs to act: a place, an id. */
export class DatanetError extends Error {
  override readonly name = "DatanetError";
  readonly code: DatanetErrorCode;
  readonly details: Readonly<Record<string, string | number>>;

  constructor(
    code: DatanetErrorCode,
    message: string,
    details: Readonly<Record<string, string | number>> = {},
  ) {
    super(message);
    this.code = code;
    this.details = details;
  }
}
