/**
 * # protocol
 *
 * The only place that says what is hashed, signed or paid. Pure functions over integers and bytes: no I/O, no clock, no
 * floating point in anything hashed or paid; it runs in a browser as in Node. `docs/protocol.md` is the specification,
 * `contracts/src/` implements the parts a chain checks, and `vectors.json` (written by `scripts/vectors.ts`) is read by
 * the tests of both.
 *
 * - `bytes`, `digest`, `error`: hex, ABI words, canonical JSON and Keccak-256
 * - `positional`: trees in which the position is the path; `version`: the tree of a Datanet version
 * - `example`, `consent`, `withdrawal`: what contributors give and sign; `curator-vote`: how they elect; `access`: what readers do
 * - `row`: pay-index rows, queries and exact scores
 * - `apportion`, `payout`: how one fee is divided, to the wei
 * - `manifest`: what a release is made from; its digest is the release id
 * - `calibration`: what a manifest says about how right its scores are; `standing`: what is proven, attested, or neither
 * - `voucher`, `receipt`, `eip712`: what payers and operators sign
 * - `job`: what a fine-tuning job's payment is held for, and how it is divided
 * - `relay`: what is signed so that a node sends it and pays for it
 * - `check`, `check-influence`, `check-terms`: everything about a receipt that can be verified offline
 * - `batch`: receipts → the three trees that a settlement commits to
 * - `shingles`, `bands`: how alike two texts are, and finding those that are, for near duplicates
 * - `published`, `lies`: what a batch published, and every lie in it with the evidence a chain takes
 * - `schema`: the Zod pieces (digests, addresses, wei) that other rooms validate with at their edges
 *
 * Amounts are `bigint` wei. Addresses and digests come out lower-case. Structs that are signed have the shape viem gives
 * contract arguments, so that one value is hashed here and passed to a contract unchanged.
 */
export * from "./access.ts";
export * from "./apportion.ts";
export * from "./audit.ts";
export * from "./bands.ts";
export * from "./batch.ts";
export * from "./bytes.ts";
export * from "./calibration.ts";
export * from "./check.ts";
export * from "./consent.ts";
export * from "./curator-vote.ts";
export * from "./digest.ts";
export * from "./eip712.ts";
export * from "./error.ts";
export * from "./example.ts";
export * from "./job.ts";
export * from "./lies.ts";
export { listLies } from "./lies-lists.ts";
export { receiptLies } from "./lies-receipt.ts";
export * from "./manifest.ts";
export * from "./payout.ts";
export * from "./positional.ts";
export * from "./published.ts";
export * from "./receipt.ts";
export * from "./relay.ts";
export * from "./row.ts";
export * from "./schema.ts";
export * from "./shingles.ts";
export * from "./standing.ts";
export * from "./version.ts";
export * from "./voucher.ts";
export * from "./withdrawal.ts";
