/**
 * # store: what is kept
 *
 * Three ports and their embedded adapters. Everything durable in a node goes through one of them, so that one machine can be
 * outgrown by a new adapter and nothing else.
 *
 * - **Blobs**: bytes named by their Keccak-256 digest. {@link openBlobFolder}: a folder; writes survive a loss of power.
 *   {@link openS3Blobs}: a bucket of an S3-compatible service. {@link openBlobs}: whichever the node is told.
 *   {@link openSealedBlobs}: encrypted with each owner's key from {@link openDataKeys}, above any of them.
 * - **Database**: PostgreSQL's SQL, one schema per room. {@link openDatabase}: PGlite in a folder that one process holds.
 * - **Jobs**: work promised inside a transaction, done at least once. {@link openJobs}: a table of the same database.
 *
 * Each port has one conformance suite (`*-suite.ts`) that every adapter must pass.
 *
 * Room "store" keeps `store.migrations`; room "jobs" (the queue) keeps `jobs.queue`; room "sealing" keeps data keys and which sealed blob is which. Amounts are `numeric(78,0)` columns, read
 * and written as bigint wei.
 */
export type { Blobs, Digest, StoredBlob } from "./blobs.ts";
export { openBlobFolder } from "./blobs-folder.ts";
export { openS3Blobs, probeS3Blobs } from "./blobs-s3.ts";
export { readerOf } from "./chunks.ts";
export { type DataKeys, openDataKeys } from "./data-keys.ts";
export type { Database, Queries, Transaction } from "./database.ts";
export { weiColumn } from "./database.ts";
export { digestOf, fileDigest } from "./digest.ts";
export { isStoreError, StoreError, type StoreErrorCode } from "./errors.ts";
export { type Collected, type CollectOptions, collectGarbage, unnamedOf } from "./garbage.ts";
export type { Job, JobRecord, JobState, Jobs, WorkOptions } from "./jobs.ts";
export { openJobs } from "./jobs-database.ts";
export { type FolderLock, folderHolder, lockFiles, lockFolder } from "./lock.ts";
export { openBlobs } from "./open-blobs.ts";
export { isPassphraseSealed, sealWithPassphrase, unsealWithPassphrase } from "./passphrase.ts";
export { openDatabase } from "./pglite.ts";
export { parseS3Address } from "./s3-address.ts";
export { openScratchDatabase } from "./scratch.ts";
export { openSealedBlobs, type SealedBlobs } from "./sealed-blobs.ts";
export { readTar, type TarEntry, writeTar } from "./tar.ts";
export { temporaryFolder } from "./temporary.ts";
