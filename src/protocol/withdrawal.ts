import { hashStruct } from "viem/utils";
import type { Address, Digest, Hex } from "./bytes.ts";
import type { Domain, Signer, TypedData } from "./eip712.ts";
import { recoverTypedData, signTypedData } from "./eip712.ts";

/**
 * What a contributor signs to take examples back. It speaks of what was consented to until then: the same examples may be given again under
 * a later consent, and this signature cannot take those back.
 */
export type Withdrawal = {
  readonly datanetId: bigint;
  readonly contributor: Address;
  /** `examplesDigest` of the withdrawn examples' digests, in the order given. */
  readonly examplesDigest: Digest;
  readonly exampleCount: number;
  /** Seconds since the epoch. */
  readonly signedAt: bigint;
};

export const withdrawalTypes = {
  Withdrawal: [
    { name: "datanetId", type: "uint256" },
    { name: "contributor", type: "address" },
    { name: "examplesDigest", type: "bytes32" },
    { name: "exampleCount", type: "uint32" },
    { name: "signedAt", type: "uint64" },
  ],
} as const;

/** @returns the EIP-712 struct hash: the withdrawal's identity */
export function hashWithdrawal(withdrawal: Withdrawal): Digest {
  return hashStruct({ types: withdrawalTypes, primaryType: "Withdrawal", data: withdrawal });
}

export function signWithdrawal(domain: Domain, withdrawal: Withdrawal, signer: Signer): Promise<Hex> {
  return signTypedData(typedData(domain, withdrawal), signer);
}

/** @returns who signed, to be compared with `withdrawal.contributor` */
export function recoverWithdrawal(domain: Domain, withdrawal: Withdrawal, signature: Hex): Promise<Address> {
  return recoverTypedData(typedData(domain, withdrawal), signature);
}

function typedData(domain: Domain, withdrawal: Withdrawal): TypedData {
  return { domain, types: withdrawalTypes, primaryType: "Withdrawal", message: withdrawal };
}
