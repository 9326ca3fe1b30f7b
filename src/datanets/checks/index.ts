/**
 * What is found in each row that is contributed, and what it means for the row. Read in this order: `verdict` (what a check is), `rules` (what a Datanet
 * asks), then the checks: `length`, `language`, `personal-data` with `national-ids` and `checksums`, `profanity`, `license`; those that compare with
 * the rows that are there: `duplicates`, `contamination`, `near-index` and `near-duplicates`; `checks` runs them all, `clusters` tells who repeats whom.
 */
export {
  type CheckOptions,
  type Checks,
  type ChecksDependencies,
  createChecks,
  type Examination,
  type Examined,
  rowChecks,
} from "./checks.ts";
export { type Cluster, type ClusterRow, clusterOf } from "./clusters.ts";
export { inParts, type RowReference } from "./duplicates.ts";
export { checkRow, mapSlowly } from "./each-row.ts";
export type { CountTokens } from "./length.ts";
export {
  createNearIndex,
  createNearText,
  type NearIndex,
  type NearSettings,
  type NearText,
  nearSettings,
} from "./near-index.ts";
export {
  findPersonalData,
  maskPersonalData,
  type PersonalData,
  type PersonalKind,
  personalKinds,
} from "./personal-data.ts";
export { maskExample } from "./personal-data-check.ts";
export { optionalChecks, type Rules, readRules, rulesSchema, writeRules } from "./rules.ts";
export {
  type Check,
  type CheckName,
  type CheckRow,
  checkNames,
  type Reason,
  type RowStatus,
  rowStatuses,
  statuses,
  type Verdict,
} from "./verdict.ts";
