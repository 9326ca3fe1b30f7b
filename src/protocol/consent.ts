import { concat as concatHex, hashStruct } from "viem/utils";
import type { Address, Digest, Hex } from "./bytes.ts";
import { compareHex, toBytes, toHex, words } from "./bytes.ts";
import { bytesDigest } from "./digest.ts";
import type { Domain, Signer, TypedData } from "./eip712.ts";
import { recoverTypedData, signTypedData, typedDataDigest } from "./eip712.ts";
import { positionalTree } from "./positional.ts";

/** What a contributor signs: these examples, to this Datanet, under this licence. No OPEN is needed to sign it. */
export type Consent = {
  readonly datanetId: bigint;
  readonly contributor: Address;
  /** `examplesDigest` of the examples' digests in the order contributed. */
  readonly examplesDigest: Digest;
  readonly exampleCount: number;
  /** SPDX identifier. */
  readonly license: string;
  /** Seconds since the epoch. */
  readonly signedAt: bigint;
};

export const consentTypes = {
  Consent: [
    { name: "datanetId", type: "uint256" },
    { name: "contributor", type: "address" },
    { name: "examplesDigest", type: "bytes32" },
    { name: "exampleCount", type: "uint32" },
    { name: "license", type: "string" },
    { name: "signedAt", type: "uint64" },
  ],
} as const;

/** @returns `keccak256(digest_0 ‖ digest_1 ‖ …)` */
export function examplesDigest(digests: readonly Digest[]): Digest {
  return bytesDigest(concatHex(digests));
}

/**
 * What may be committed on chain before anyone sees the examples: `keccak256(abi.encode(contributor, examplesDigest, salt))`.
 *
 * @param salt - 32 random bytes, kept secret until the examples are shown
 */
export function contributionCommitment(contributor: Address, digest: Digest, salt: Digest): Digest {
  return bytesDigest(words(contributor, digest, salt));
}

/** @returns the EIP-712 struct hash: the consent's identity, named in the leaves of the version it covers. */
export function hashConsent(consent: Consent): Digest {
  return hashStruct({ types: consentTypes, primaryType: "Consent", data: consent });
}

/**
 * The root over a version's consents that a release manifest names: a positional tree of their struct hashes, sorted and
 * without repetition, so that a consent's absence can be shown by two neighbours.
 */
export function consentsRoot(consentDigests: readonly Digest[]): Digest {
  const distinct = [...new Set(consentDigests.map((digest) => toHex(digest)))].sort(compareHex);
  return positionalTree(distinct.map(toBytes)).root;
}

/** @returns the digest that is signed in this domain. */
export function consentDigest(domain: Domain, consent: Consent): Digest {
  return typedDataDigest(typedData(domain, consent));
}

export function signConsent(domain: Domain, consent: Consent, signer: Signer): Promise<Hex> {
  return signTypedData(typedData(domain, consent), signer);
}

/** @returns who signed, to be compared with `consent.contributor` */
export function recoverConsent(domain: Domain, consent: Consent, signature: Hex): Promise<Address> {
  return recoverTypedData(typedData(domain, consent), signature);
}

function typedData(domain: Domain, consent: Consent): TypedData {
  return { domain, types: consentTypes, primaryType: "Consent", message: consent };
}
