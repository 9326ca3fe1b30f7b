import type { Address, Digest, Hex } from "./bytes.ts";
import type { Domain, Signer, TypedData } from "./eip712.ts";
import { recoverTypedData, signTypedData } from "./eip712.ts";

/**
 * What a contributor signs so that somebody else puts its commitment on chain and pays for it. No contract reads it: it tells the
 * relaying node whose daily allowance to use. The domain is the `DatanetRegistry`'s.
 */
export type CommitmentRequest = {
  readonly datanetId: bigint;
  /** `contributionCommitment`. */
  readonly commitment: Digest;
  readonly contributor: Address;
  /** Seconds since the epoch. */
  readonly signedAt: bigint;
};

export const commitmentRequestTypes = {
  CommitmentRequest: [
    { name: "datanetId", type: "uint256" },
    { name: "commitment", type: "bytes32" },
    { name: "contributor", type: "address" },
    { name: "signedAt", type: "uint64" },
  ],
} as const;

export function signCommitmentRequest(
  domain: Domain,
  request: CommitmentRequest,
  signer: Signer,
): Promise<Hex> {
  return signTypedData(typedData(domain, request), signer);
}

/** @returns who signed, to be compared with `request.contributor` */
export function recoverCommitmentRequest(
  domain: Domain,
  request: CommitmentRequest,
  signature: Hex,
): Promise<Address> {
  return recoverTypedData(typedData(domain, request), signature);
}

function typedData(domain: Domain, message: CommitmentRequest): TypedData {
  return { domain, types: commitmentRequestTypes, primaryType: "CommitmentRequest", message };
}
