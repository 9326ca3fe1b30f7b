/** A contributor's vote for a curator: what `CuratorElections` counts when anyone brings it. */
import type { Address, Hex } from "./bytes.ts";
import type { Domain, Signer, TypedData } from "./eip712.ts";
import { recoverTypedData, signTypedData } from "./eip712.ts";

/** Says nothing about which examples vote: whoever brings it proves them. It counts until the election closes. */
export type CuratorVote = {
  readonly electionId: bigint;
  readonly contributor: Address;
  readonly candidate: Address;
};

export const curatorVoteTypes = {
  Vote: [
    { name: "electionId", type: "uint256" },
    { name: "contributor", type: "address" },
    { name: "candidate", type: "address" },
  ],
} as const;

/** @param domain of the `CuratorElections` contract */
export function signCuratorVote(domain: Domain, vote: CuratorVote, signer: Signer): Promise<Hex> {
  return signTypedData(typedData(domain, vote), signer);
}

/** @returns who signed, to be compared with `vote.contributor` */
export function recoverCuratorVote(domain: Domain, vote: CuratorVote, signature: Hex): Promise<Address> {
  return recoverTypedData(typedData(domain, vote), signature);
}

function typedData(domain: Domain, vote: CuratorVote): TypedData {
  return { domain, types: curatorVoteTypes, primaryType: "Vote", message: vote };
}
