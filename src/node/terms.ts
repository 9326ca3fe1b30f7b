/** What the chain says about who is paid for an answer: the fee split in force, the heads' payees, the Datanets' owners and pools. */

import type { ReadTerms } from "../inference/index.ts";
import { domain, type FeeSplit, type Manifest, toHex } from "../protocol/index.ts";
import type { NodeNetwork } from "./network.ts";

export function chainTerms({ reader, contracts, network, accounts }: NodeNetwork): ReadTerms {
  const read = reader.public;
  return async (manifest: Manifest, issuedAt) => {
    const [split, treasury, stakers, datanets] = await Promise.all([
      read.readContract({ ...contracts.ProtocolParameters, functionName: "feeSplitAt", args: [issuedAt] }),
      read.readContract({ ...contracts.ProtocolParameters, functionName: "treasury" }),
      read.readContract({ ...contracts.ProtocolParameters, functionName: "stakersPool" }),
      Promise.all(
        manifest.datanets.map(async ({ datanetId }) => {
          const id = BigInt(datanetId);
          const [owner, pool] = await Promise.all([
            read.readContract({ ...contracts.DatanetRegistry, functionName: "ownerOf", args: [id] }),
            read.readContract({ ...contracts.DatanetRegistry, functionName: "poolOf", args: [id] }),
          ]);
          return { owner: toHex(owner), pool: toHex(pool) };
        }),
      ),
    ]);
    return {
      domain: domain(network.chainId, toHex(contracts.AttributionLedger.address)),
      split: split as FeeSplit,
      payees: {
        operator: toHex(accounts.operator.address),
        treasury: toHex(treasury),
        developer: manifest.developer,
        stakers: toHex(stakers),
      },
      datanets,
    };
  };
}
