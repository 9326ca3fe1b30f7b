import type { Account } from "viem";
import type { Address, Digest, Domain, Hex } from "../protocol/index.ts";

/** A Datanet as the chain knows it. */
export type RegisteredDatanet = {
  readonly datanetId: bigint;
  readonly owner: Address;
  /** `keccak256(utf8(SPDX identifier))`. */
  readonly licenseDigest: Digest;
  /** Digest of its card: name, description, domain and licence. */
  readonly cardDigest: Digest;
  /** Where its common part of fees goes. */
  readonly pool: Address;
  /** How many versions have been published; they count from 1. */
  readonly versions: number;
};

/** A published version as the chain knows it. */
export type RegisteredVersion = {
  readonly version: number;
  readonly root: Digest;
  readonly count: number;
  readonly licenseDigest: Digest;
  readonly manifestDigest: Digest;
};

/** What a transaction would take: gas, and the fee for it at the price of now, in wei. */
export type PublicationCost = { readonly gas: bigint; readonly feeWei: bigint };

/** What this room needs of the `DatanetRegistry` contract. A transaction whose hash is returned has been mined and was not reverted. */
export type Registry = {
  /** Where consents are signed for. */
  readonly domain: Domain;
  /** Creates a Datanet owned by `owner`, who pays the registration fee. */
  create(
    owner: Account,
    datanet: { readonly license: string; readonly cardDigest: Digest },
  ): Promise<{ readonly datanetId: bigint; readonly transactionHash: Hex }>;
  /** The Datanets that `owner` has created with this card, oldest first. */
  created(
    owner: Address,
    cardDigest: Digest,
  ): Promise<{ readonly datanetId: bigint; readonly transactionHash: Hex }[]>;
  /** Undefined where there is no such Datanet. */
  datanet(datanetId: bigint): Promise<RegisteredDatanet | undefined>;
  /** Undefined where there is no such version. */
  version(datanetId: bigint, version: number): Promise<RegisteredVersion | undefined>;
  /** Appends a version; `publisher` is the owner or a curator. */
  publish(
    publisher: Account,
    version: { readonly datanetId: bigint } & Omit<RegisteredVersion, "version">,
  ): Promise<{ readonly version: number; readonly transactionHash: Hex }>;
  /** What appending a version would cost its publisher. */
  publicationCost(
    publisher: Address,
    version: { readonly datanetId: bigint } & Pick<RegisteredVersion, "count" | "licenseDigest">,
  ): Promise<PublicationCost>;
  /** Whom the Datanet's owner has named as curators, in the order named. */
  curators(datanetId: bigint): Promise<Address[]>;
  /** When something was committed to in a Datanet, seconds; 0 where it was not. */
  committedAt(datanetId: bigint, commitment: Digest): Promise<bigint>;
  /** How much of a token an account holds: base units of an ERC-20, the number of ERC-721. @throws Error where there is no such token */
  balanceOf(token: Address, account: Address): Promise<bigint>;
  /** What an account has bonded in all pools of `OpenStaking`, wei. */
  stakeOf(account: Address): Promise<bigint>;
  /** Names a curator, or takes the name away. @throws Error where `owner` does not own the Datanet */
  setCurator(owner: Account, datanetId: bigint, curator: Address, allowed: boolean): Promise<Hex>;
  /** Whether `account` may publish. */
  mayPublish(datanetId: bigint, account: Address): Promise<boolean>;
};
