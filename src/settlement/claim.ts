import type { ChainEvent, ProtocolContracts } from "../chain/index.ts";
import { type Address, type Digest, type Hex, positionalProof, sameHex, toHex } from "../protocol/index.ts";
import type { Database, Queries, Transaction } from "../store/index.ts";
import { findBatch, type TreeCache } from "./batch.ts";
import type { Ledger } from "./ledger.ts";

/** A payee's leaf in a final batch: what the contract's `claim` takes. */
export type ClaimProof = {
  readonly attester: Address;
  readonly number: number;
  readonly index: number;
  readonly payee: Address;
  /** What the batch adds for the payee, wei. */
  readonly credit: bigint;
  /** All that the payee was ever credited in final batches, wei. */
  readonly cumulative: bigint;
  readonly proof: readonly Digest[];
};

export type ClaimResult = {
  readonly payee: Address;
  /** 0 when there was nothing to claim. */
  readonly claimedWei: bigint;
  readonly transactionHash: Hex | null;
};

type Parts = { readonly database: Database; readonly ledger: Ledger; readonly trees: TreeCache };

/** Undefined for a payee that no final batch credits. */
export async function claimProof(
  { database, ledger, trees }: Parts,
  payee: Address,
): Promise<ClaimProof | undefined> {
  const batch = await findBatch(database, "state = 'final' order by number desc");
  if (batch === undefined) return undefined;
  const { balances, tree } = await trees.balances(batch.balancesDigest);
  const index = balances.findIndex((balance) => sameHex(balance.payee, payee));
  if (index === -1) return undefined;
  return {
    attester: ledger.attester,
    number: batch.number,
    index,
    payee: toHex(payee),
    credit: balances[index]!.credit,
    cumulative: balances[index]!.cumulative,
    proof: positionalProof(tree, index),
  };
}

/** What a payee can claim now, wei. */
export async function claimable(parts: Parts, payee: Address): Promise<bigint> {
  const proof = await claimProof(parts, payee);
  if (proof === undefined) return 0n;
  const claimed = await parts.ledger.claimedOf(proof.payee);
  return proof.cumulative > claimed ? proof.cumulative - claimed : 0n;
}

/** Pays a payee what it can claim. The operator sends and pays the gas; the money goes to the payee. Safe to call again. */
export async function claimFor(parts: Parts, payee: Address): Promise<ClaimResult> {
  const proof = await claimProof(parts, payee);
  const claimed = proof === undefined ? 0n : await parts.ledger.claimedOf(proof.payee);
  if (proof === undefined || proof.cumulative <= claimed)
    return { payee: toHex(payee), claimedWei: 0n, transactionHash: null };
  const { transactionHash } = await parts.ledger.claim(proof);
  return { payee: proof.payee, claimedWei: proof.cumulative - claimed, transactionHash };
}

/** A balance in a final batch that is not claimed in full, wei. */
export type Unclaimed = { readonly payee: Address; readonly claimableWei: bigint };

/** Everyone who can claim at least `leastWei` from the latest final batch, the largest amounts first. */
export async function unclaimed(
  { database, ledger, trees }: Parts,
  { leastWei, limit }: { leastWei: bigint; limit: number },
): Promise<Unclaimed[]> {
  const batch = await findBatch(database, "state = 'final' order by number desc");
  if (batch === undefined) return [];
  const { balances } = await trees.balances(batch.balancesDigest);
  const claimed = await claimedInTables(database);
  const open: Unclaimed[] = [];
  for (const { payee, cumulative } of balances) {
    if (cumulative - (claimed.get(payee) ?? 0n) < leastWei) continue;
    const left = cumulative - (await ledger.claimedOf(payee));
    if (left >= leastWei && left > 0n) open.push({ payee, claimableWei: left });
  }
  return open
    .sort((a, b) => (a.claimableWei > b.claimableWei ? -1 : a.claimableWei < b.claimableWei ? 1 : 0))
    .slice(0, limit);
}

async function claimedInTables(queries: Queries): Promise<Map<Address, bigint>> {
  const rows = await queries.query<{ payee: Address; claimed: bigint }>(
    "select payee, max(cumulative) as claimed from settlement.claims group by payee",
  );
  return new Map(rows.map(({ payee, claimed }) => [payee, claimed]));
}

export type LedgerEvent = ChainEvent<Pick<ProtocolContracts, "AttributionLedger">>;

/** Writes down who claimed what from this operator's batches: anyone may send a claim. */
export async function projectClaims(
  operator: Address,
  events: readonly LedgerEvent[],
  tx: Transaction,
): Promise<void> {
  for (const event of events) {
    if (event.eventName !== "Claimed" || !sameHex(event.args.attester, operator)) continue;
    const { payee, number, amount, cumulative } = event.args;
    await tx.query(
      `insert into settlement.claims (transaction_hash, payee, number, amount, cumulative, claimed_at_sec)
       values ($1, $2, $3, $4, $5, $6) on conflict (payee, cumulative) do nothing`,
      [event.transactionHash, toHex(payee), Number(number), amount, cumulative, event.blockTimestampSec],
    );
  }
}

/** A claim that was paid out. */
export type Claim = {
  readonly transactionHash: Hex;
  readonly number: number;
  readonly amountWei: bigint;
  readonly claimedAtSec: number;
};

/** Newest first, at most `limit`. */
export function listClaims(queries: Queries, payee: Address, limit = 100): Promise<Claim[]> {
  return queries.query<Claim>(
    `select transaction_hash as "transactionHash", number, amount as "amountWei", claimed_at_sec as "claimedAtSec"
     from settlement.claims where payee = $1 order by cumulative desc limit $2`,
    [toHex(payee), limit],
  );
}
