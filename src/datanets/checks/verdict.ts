import type { Digest, Example } from "../../protocol/index.ts";

/** Every check that a row goes through, in the order its reasons are listed. */
export const checkNames = [
  "schema",
  "length",
  "language",
  "duplicate",
  "near-duplicate",
  "personal-data",
  "profanity",
  "license",
  "contamination",
] as const;
export type CheckName = (typeof checkNames)[number];

/** Something a check found in a row: a note tells, a refusal keeps the row out. `details` is for programs. */
export type Reason = {
  readonly check: CheckName;
  readonly severity: "note" | "refusal";
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>>;
};

export const statuses = ["accepted", "duplicate", "near-duplicate", "refused"] as const;

/** What a stored row can be: one that passed the checks may wait for curators, or be turned down by them. */
export const rowStatuses = [...statuses, "pending", "rejected"] as const;
export type RowStatus = (typeof rowStatuses)[number];

/** What becomes of a row, and all that was found in it. Only accepted rows count. */
export type Verdict = {
  readonly status: (typeof statuses)[number];
  readonly reasons: readonly Reason[];
};

/** A row as the checks see it. */
export type CheckRow = {
  /** Line of the upload, from 1. */
  readonly line: number;
  readonly digest: Digest;
  readonly example: Example;
  /** What is read and learned; a system prompt is not part of it, since thousands of rows may share one. */
  readonly text: string;
  /** Hashes of the text's words, in their order. */
  readonly words: Uint32Array;
};

/** What one check says of one row. */
export type Finding = {
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>>;
  /** False for what is only told, whatever the rules say. */
  readonly mayRefuse?: false;
};

/** One check: as many findings as rows, undefined where there is nothing to say. */
export type Check = {
  readonly name: CheckName;
  run(rows: readonly CheckRow[]): Promise<readonly (Finding | undefined)[]>;
};
