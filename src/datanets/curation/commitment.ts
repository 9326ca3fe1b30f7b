/** What a contributor put on chain before anybody here saw its texts: nobody who sees them afterwards can claim to have had them first. */
import { type Consent, contributionCommitment, type Digest } from "../../protocol/index.ts";
import { DatanetError } from "../errors.ts";
import type { Registry } from "../registry.ts";

/** @returns when it was committed, seconds. @throws DatanetError `not-committed` */
export async function committedAt(
  registry: Pick<Registry, "committedAt">,
  { datanetId, contributor, examplesDigest }: Consent,
  salt: Digest | undefined,
): Promise<bigint> {
  if (salt === undefined)
    throw new DatanetError(
      "not-committed",
      `Curators see what is given to Datanet ${datanetId}: commit to it on chain first, and send the salt of the commitment with the rows.`,
    );
  const commitment = contributionCommitment(contributor, examplesDigest, salt);
  const at = await registry.committedAt(datanetId, commitment);
  if (at > 0n) return at;
  throw new DatanetError(
    "not-committed",
    `The chain has no commitment ${commitment} to Datanet ${datanetId}: it is that of ${contributor}, of examples ${examplesDigest} and of this salt. ` +
      "Commit first (POST /v1/relays/commitments needs no OPEN), then send the rows.",
  );
}
