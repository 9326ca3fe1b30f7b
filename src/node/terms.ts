/** What the chain says of an answer that is sold: who is paid for it, at a time for which it will always say the same, and whether it may be. */

import type { MaySell, ReadTerms } from "../inference/index.ts";
import { type Digest, domain, toHex } from "../protocol/index.ts";
import { chainFacts } from "../settlement/index.ts";
import type { NodeNetwork } from "./network.ts";

export function chainTerms({ reader, contracts, network, accounts }: NodeNetwork): ReadTerms {
  const facts = chainFacts(reader, contracts);
  const ledger = domain(network.chainId, toHex(contracts.AttributionLedger.address));
  return async ({ id }, nowSec) => {
    const release = await facts.release(id);
    if (release === undefined)
      throw new Error(`Release ${id} is not on chain (yet): a receipt for it could be proven wrong.`);
    const issuedAt = await facts.issueTime(nowSec);
    return { domain: ledger, issuedAt, ...(await facts.terms(release, issuedAt, accounts.operator.address)) };
  };
}

/** What may be settled stays so for a settlement window at least, and this much is asked for; so long an answer of the chain is kept. */
const aheadSeconds = 60n;
const keptMs = 30_000;

/** Whether receipts of a release can be settled, now and a minute from now. What cannot is asked for again each time. */
export function chainSale({ reader, contracts }: Pick<NodeNetwork, "reader" | "contracts">): MaySell {
  const { settleable } = chainFacts(reader, contracts);
  const known = new Map<Digest, number>();
  return async (releaseId) => {
    const asked = known.get(releaseId);
    if (asked !== undefined && Date.now() - asked < keptMs) return true;
    known.delete(releaseId);
    const may = await settleable(releaseId, BigInt(Math.floor(Date.now() / 1_000)) + aheadSeconds);
    if (may) known.set(releaseId, Date.now());
    return may;
  };
}
