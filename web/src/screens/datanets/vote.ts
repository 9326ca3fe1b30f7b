/** A vote for a curator, by signature. */
import type { Address } from "viem";
import { api, ask } from "../../api/client.ts";
import type { Schema } from "../../api/types.ts";
import { signTypedData } from "../../wallet/wallet.ts";
import type { Election } from "./elections.ts";

/** Votes with all examples that a contributor has in the election's version; the node brings it to the chain. */
export async function vote(
  { datanetId, electionId }: Pick<Election, "datanetId" | "electionId">,
  signing: Schema<"SigningDomain">,
  contributor: Address,
  candidate: Address,
): Promise<{ added: number; election: Election }> {
  const { domain, signCuratorVote } = await import("../../../../src/protocol/index.ts");
  const signature = await signCuratorVote(
    domain(signing.chainId, signing.verifyingContract as Address),
    { electionId: BigInt(electionId), contributor, candidate },
    (data) => signTypedData(data as never),
  );
  return ask(
    api.POST("/v1/datanets/{datanetId}/elections/{electionId}/votes", {
      params: { path: { datanetId, electionId } },
      body: { contributor, candidate, signature },
    }),
  );
}
