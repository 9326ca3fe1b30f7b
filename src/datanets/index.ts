/**
 * # datanets: what people contribute
 *
 * A Datanet is a collection of examples on one subject under one licence, owned by whoever created it on chain.
 * This room takes contributions in, and turns what was accepted into versions that never change:
 *
 *     JSON Lines + signed consent ─► read strictly ─► checked against the whole Datanet ─► rows
 *     rows ─► manifest (a blob) ─► Merkle root on chain ─► version, readable with texts and proofs
 *
 * - `upload`, `example`, `json`: JSON Lines as they arrive, with limits; what is wrong is named by line and column
 * - `formats/`: from any file people bring to examples with their source. `convert` goes through it; `detect` says what a file is;
 *   `json-lines`, `json-values`, `csv`, `parquet` give rows, which `table`, `shapes`, `mapping`, `chat` make examples of;
 *   `text-blocks`, `pdf`, `docx`, `html-blocks` give headings and paragraphs, which `chunks` parts; `held`, `held-worker` are the
 *   thread for formats that a library reads whole
 * - `contribution`: consent, duplicates, the report on every row; all of an upload or nothing
 * - `version`: the manifest, and reading it back with every digest recomputed; `remote-version`: the same from another node;
 *   `import-version`, `ask-node`: keeping a copy of that
 * - `publication`, `datanet`: what goes on chain, safe to run again after a crash at any step; `next-version`: what would, and its cost
 * - `rows-page`: rows of a version, all or those found; `row-facts`, `histograms`: how long each is and in which language, and how they are
 *   spread
 * - `registry`, `registry-contract`: what this room needs of the `DatanetRegistry` contract
 * - `checks/`: what is found in each row, from personal data to near duplicates, and what the Datanet's rules make of it
 * - `licenses`, `license-mix`: the licences a Datanet may carry, and what may be made of several
 * - `curation/`: rows that wait for curators: queue, decisions, agreement, reputation; what is committed to before anybody sees it
 * - `elections/`: curators whom contributors elect: the contract's events in tables, votes by signature
 * - `access/`: who may read the texts, and who did
 * - `withdrawal`: taking examples back; `diff`: what two versions do not share; `export/`: a version for other programs
 * - `texts`: where texts lie, encrypted where a Datanet is private; `stake`: what it asks contributors to have staked
 * - `service`, `routes` and `routes/`, `schemas`, `answers`: the room's functions, and the same over HTTP
 *
 * A row is marked `train` or `heldout` when it is contributed. Training rows are the leaves of a version's tree. Held-out
 * rows are in its manifest only: they are never trained on, evaluate releases and give attribution its null rows. An example
 * is accepted once in a Datanet, whichever split it came in.
 */

export { type AccessRule, accessRuleSchema } from "./access/rule.ts";
export type { Access } from "./access/service.ts";
export { asItWas } from "./answers.ts";
export {
  type Check,
  type CheckName,
  type CheckOptions,
  type CheckRow,
  type Checks,
  type ChecksDependencies,
  type Cluster,
  type ClusterRow,
  type CountTokens,
  checkRow,
  createChecks,
  createNearIndex,
  createNearText,
  findPersonalData,
  maskExample,
  maskPersonalData,
  type NearSettings,
  nearSettings,
  optionalChecks,
  type PersonalData,
  type PersonalKind,
  type Reason,
  type RowReference,
  type Rules,
  rowChecks,
  rulesSchema,
  type Verdict,
} from "./checks/index.ts";
export type { ContributionInput, PreviewRow, UploadOptions } from "./contribution.ts";
export { type Card, cardSchema, type Datanet } from "./datanet.ts";
export type { DiffRow, VersionDiff } from "./diff.ts";
export { type Elections, openElections } from "./elections/elections.ts";
export { DatanetError, type DatanetErrorCode } from "./errors.ts";
export {
  type Conversion,
  type ConvertOptions,
  convert,
  convertOptionsSchema,
  type FileShape,
  openConversion,
} from "./formats/convert.ts";
export { type Format, formats } from "./formats/detect.ts";
export { fileInput, type InputFile } from "./formats/input.ts";
export { type FormatLimits, formatLimits } from "./formats/limits.ts";
export { type ConvertedRow, place, type Refusal, type RefusalCode, type Source } from "./formats/source.ts";
export { type LicenseConflict, type LicenseMix, mixLicenses, sourceConflicts } from "./license-mix.ts";
export { findLicense, type License, licenses, termsOf } from "./licenses.ts";
export type { OnUploadProgress, UploadProgress } from "./progress.ts";
export type { VersionSummary } from "./publication.ts";
export type { RegisteredDatanet, RegisteredVersion, Registry } from "./registry.ts";
export { contractRegistry } from "./registry-contract.ts";
export {
  type CarriedVersion,
  fetchVersion,
  openVersion,
  type WantedVersion,
} from "./remote-version.ts";
export type { ContributionReport, ReportPage, RowReport } from "./report.ts";
export { type DatanetRoutesOptions, datanetRoutes } from "./routes.ts";
export { createDatanets, type Datanets, type DatanetsDependencies } from "./service.ts";
export type { Split } from "./split.ts";
export { readUpload, type UploadLimits, type UploadRow, uploadLimits } from "./upload.ts";
export {
  type HeldoutRow,
  type VersionContent,
  type VersionManifest,
  type VersionRow,
  versionManifestSchema,
} from "./version.ts";
export type { WithdrawalInput, WithdrawalReport, WithdrawnRow } from "./withdrawal.ts";
