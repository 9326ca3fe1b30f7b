/**
 * # datanets: what people contribute
 *
 * A Datanet is a collection of examples on one subject under one licence, owned by whoever created it on chain.
 * This room takes contributions in, and turns what was accepted into versions that never change:
 *
 *     JSON Lines + signed consent ─► read strictly ─► duplicates against the whole Datanet ─► rows
 *     rows ─► manifest (a blob) ─► Merkle root on chain ─► version, readable with texts and proofs
 *
 * - `upload`, `example`, `json`: JSON Lines as they arrive, with limits; what is wrong is named by line and column
 * - `contribution`: consent, duplicates, the report on every row; all of an upload or nothing
 * - `version`: the manifest, and reading it back with every digest recomputed; `remote-version`: the same from another node;
 *   `import-version`, `ask-node`: keeping a copy of that
 * - `publication`, `datanet`: what goes on chain, safe to run again after a crash at any step
 * - `registry`, `registry-contract`: what this room needs of the `DatanetRegistry` contract
 * - `licenses`: the licences a Datanet may carry
 * - `withdrawal`: taking examples back; `diff`: what two versions do not share; `export/`: a version for other programs
 * - `service`, `routes`, `schemas`: the room's functions, and the same over HTTP
 *
 * A row is marked `train` or `heldout` when it is contributed. Training rows are the leaves of a version's tree. Held-out
 * rows are in its manifest only: they are never trained on, evaluate releases and give attribution its null rows. An example
 * is accepted once in a Datanet, whichever split it came in.
 */
export type {
  ContributionInput,
  ContributionReport,
  RowReference,
  RowReport,
  Split,
} from "./contribution.ts";
export { type Card, cardSchema, type Datanet } from "./datanet.ts";
export type { DiffRow, VersionDiff } from "./diff.ts";
export { DatanetError, type DatanetErrorCode } from "./errors.ts";
export type { ConvertedRow, Source } from "./formats/source.ts";
export { findLicense, type License, licenses } from "./licenses.ts";
export type { VersionSummary } from "./publication.ts";
export type { RegisteredDatanet, RegisteredVersion, Registry } from "./registry.ts";
export { contractRegistry } from "./registry-contract.ts";
export {
  type CarriedVersion,
  fetchVersion,
  openVersion,
  type WantedVersion,
} from "./remote-version.ts";
export { type DatanetRoutesOptions, datanetRoutes } from "./routes.ts";
export { createDatanets, type Datanets, type DatanetsDependencies } from "./service.ts";
export { readUpload, type UploadLimits, type UploadRow, uploadLimits } from "./upload.ts";
export {
  type HeldoutRow,
  type VersionContent,
  type VersionManifest,
  type VersionRow,
  versionManifestSchema,
} from "./version.ts";
export type { WithdrawalInput, WithdrawalReport, WithdrawnRow } from "./withdrawal.ts";
