import { hashStruct } from "viem/utils";
import type { Address, Digest, Hex } from "./bytes.ts";
import type { Domain, Signer, TypedData } from "./eip712.ts";
import { recoverTypedData, signTypedData } from "./eip712.ts";

/** What somebody signs to read a Datanet that is not open to all: that it is they who ask, and that they accept its terms. */
export type AccessRequest = {
  readonly datanetId: bigint;
  readonly reader: Address;
  /** `textDigest` of the terms as they stood. */
  readonly termsDigest: Digest;
  /** Seconds since the epoch. */
  readonly signedAt: bigint;
  /** 32 random bytes: a request opens one pass. */
  readonly nonce: Digest;
};

export const accessRequestTypes = {
  AccessRequest: [
    { name: "datanetId", type: "uint256" },
    { name: "reader", type: "address" },
    { name: "termsDigest", type: "bytes32" },
    { name: "signedAt", type: "uint64" },
    { name: "nonce", type: "bytes32" },
  ],
} as const;

/** @returns the EIP-712 struct hash: the request's identity */
export function hashAccessRequest(request: AccessRequest): Digest {
  return hashStruct({ types: accessRequestTypes, primaryType: "AccessRequest", data: request });
}

export function signAccessRequest(domain: Domain, request: AccessRequest, signer: Signer): Promise<Hex> {
  return signTypedData(typedData(domain, request), signer);
}

/** @returns who signed, to be compared with `request.reader` */
export function recoverAccessRequest(
  domain: Domain,
  request: AccessRequest,
  signature: Hex,
): Promise<Address> {
  return recoverTypedData(typedData(domain, request), signature);
}

function typedData(domain: Domain, request: AccessRequest): TypedData {
  return { domain, types: accessRequestTypes, primaryType: "AccessRequest", message: request };
}
