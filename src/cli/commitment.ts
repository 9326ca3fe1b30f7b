/** Committing to rows on chain before a node, and its curators, see them. */
import { randomBytes } from "node:crypto";
import type { PrivateKeyAccount } from "viem/accounts";
import {
  type Consent,
  contributionCommitment,
  type Digest,
  type Domain,
  signCommitmentRequest,
  toHex,
} from "../protocol/index.ts";
import type { NodeClient } from "./http.ts";

/**
 * Where a Datanet's rows are reviewed, has the node put a commitment to these on chain; the contributor needs no OPEN.
 *
 * @returns the salt to send with the rows; undefined where nobody reviews them
 */
export async function commitFirst(
  node: NodeClient,
  domain: Domain,
  consent: Pick<Consent, "datanetId" | "contributor" | "examplesDigest">,
  account: Pick<PrivateKeyAccount, "signTypedData">,
): Promise<Digest | undefined> {
  const { datanetId, contributor, examplesDigest } = consent;
  const { overlap } = await node.get<{ overlap: number | null }>(`/v1/datanets/${datanetId}/review`);
  if (overlap === null) return undefined;
  const salt = toHex(new Uint8Array(randomBytes(32)));
  const commitment = contributionCommitment(contributor, examplesDigest, salt);
  const request = { datanetId, commitment, contributor, signedAt: BigInt(Math.floor(Date.now() / 1_000)) };
  const signature = await signCommitmentRequest(domain, request, (data) =>
    account.signTypedData(data as Parameters<typeof account.signTypedData>[0]),
  );
  await node.post("/v1/relays/commitments", {
    ...{ datanetId: String(datanetId), commitment, contributor },
    ...{ signedAt: String(request.signedAt), signature },
  });
  return salt;
}
