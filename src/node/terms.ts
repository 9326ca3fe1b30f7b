/** What the chain says about who is paid for an answer, at a time for which it will always say the same. */

import type { ReadTerms } from "../inference/index.ts";
import { domain, toHex } from "../protocol/index.ts";
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
