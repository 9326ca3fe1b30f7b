/** What this room needs of rooms it may not know; the composition root plugs them in. */
import type {
  Address,
  Digest,
  Domain,
  FeeSplit,
  HeadPayees,
  Manifest,
  ReceiptBundle,
} from "../protocol/index.ts";
import type { Transaction } from "../store/index.ts";

/** A release that can be asked. */
export type ServedRelease = {
  readonly id: Digest;
  /** The name it is asked for by; its newest release answers. */
  readonly model: string;
  readonly manifest: Manifest;
  /** Payees of the pay index's contributor rows, by row. */
  readonly contributors: readonly Address[];
  readonly createdAtMs: number;
};

/** What a list of models says of a release. */
export type ListedRelease = Pick<ServedRelease, "id" | "model" | "createdAtMs"> & {
  readonly manifest: Pick<Manifest, "developer" | "adapter" | "price" | "calibration">;
};

export type Releases = {
  /** By model name (its newest release) or release id. A release once found must be found by its id for ever. */
  find(nameOrId: string): Promise<ServedRelease | undefined>;
  /** The newest release of every model. */
  list(): Promise<readonly ListedRelease[]>;
};

/** What the chain says about who is paid for an answer of a release. */
export type ReceiptTerms = {
  /** Of the `AttributionLedger`. */
  readonly domain: Domain;
  /** Seconds: a time that has begun on the chain, so that what is said here for it never changes. */
  readonly issuedAt: bigint;
  /** In force at `issuedAt`, like everything below: a Datanet or model that was sold pays its owner of that time. */
  readonly split: FeeSplit;
  readonly payees: HeadPayees;
  /** One per Datanet version of the manifest, in its order. */
  readonly datanets: readonly { readonly owner: Address; readonly pool: Address }[];
};

/** @param nowSec - seconds; the terms are those of about now, and say of when exactly */
export type ReadTerms = (
  release: Pick<ServedRelease, "id" | "manifest">,
  nowSec: bigint,
) => Promise<ReceiptTerms>;

/** Whether receipts of a release can be settled, now and soon: where a network asks for it, only once validators attested the release. */
export type MaySell = (releaseId: Digest) => Promise<boolean>;

/**
 * Hands a finished receipt on, once, inside the transaction that ends its request. It must only write to the database.
 */
export type DeliverReceipt = (tx: Transaction, bundle: ReceiptBundle) => Promise<void>;
