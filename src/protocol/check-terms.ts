import { apportion, type FeeSplit, splitFee } from "./apportion.ts";
import type { Check } from "./check.ts";
import { compare, unchecked } from "./check.ts";
import { jsonDigest } from "./digest.ts";
import type { Manifest } from "./manifest.ts";
import type { DatanetPayee, HeadPayees } from "./payout.ts";
import type { ReceiptBundle } from "./receipt.ts";

/** What the chain says was in force when a receipt was issued. */
export type ChainTerms = {
  readonly split: FeeSplit;
  readonly payees: HeadPayees;
  /** One per Datanet version of the release, in its order. */
  readonly datanets: readonly Pick<DatanetPayee, "owner" | "pool">[];
};

/**
 * The terms are the chain's word, which no signature covers. What of them shows in a payment is checked with the payments; the rest (the
 * pools where contributors were paid, whoever got nothing) only a chain can tell, and offline it stays unchecked, named.
 *
 * @param chain what the chain says was in force at `issuedAt`, where there is one to ask
 */
export function checkTerms(bundle: ReceiptBundle, manifest: Manifest, chain: ChainTerms | undefined): Check {
  const { terms } = bundle;
  if (chain !== undefined) {
    const { split, payees } = chain;
    const datanets = chain.datanets.map(({ owner, pool }) => ({ owner, pool }));
    return compare("terms", digestOf({ split, payees, datanets }), digestOf(terms));
  }
  const unseen = unseenTerms(bundle, manifest);
  if (unseen.length > 0) return unchecked("terms", `the chain's word on ${unseen.join(", ")}`);
  return compare("terms", "shown by the payments", "shown by the payments");
}

/** A list of a thousand Datanets is compared as one line. */
const digestOf = (terms: ChainTerms): string => jsonDigest(JSON.parse(JSON.stringify(terms).toLowerCase()));

function unseenTerms({ receipt, terms, scores }: ReceiptBundle, manifest: Manifest): string[] {
  const { split, payees, datanets } = terms;
  const fee = receipt.to - receipt.from;
  const name = (at: number) => `Datanet ${manifest.datanets[at]?.datanetId ?? `at position ${at}`}`;
  try {
    const heads = splitFee(fee, split);
    const counts = datanets.map((_, at) => BigInt(manifest.datanets[at]?.count ?? 0));
    const owners = apportion(heads.owners, counts);
    const pools = scores.length > 0 ? counts.map(() => 0n) : apportion(heads.influence, counts);
    // A hundredth of a per cent of less than this may be less than a wei.
    const tooSmall = fee < 10_000n || heads.owners + heads.influence < 10_000n;
    return [
      ...(tooSmall ? ["the split of so small a fee"] : []),
      ...(["treasury", "developer", "stakers"] as const).filter((head) => heads[head] === 0n && payees[head]),
      ...owners.flatMap((amount, at) => (amount === 0n ? [`the owner of ${name(at)}`] : [])),
      ...pools.flatMap((amount, at) => (amount === 0n ? [`the pool of ${name(at)}`] : [])),
    ];
  } catch {
    return ["all terms: these divide no fee"];
  }
}
