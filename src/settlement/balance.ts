import { type Address, type Digest, toHex } from "../protocol/index.ts";
import type { Database, Queries } from "../store/index.ts";
import { findBatch, lastStanding, type TreeCache } from "./batch.ts";
import type { Ledger } from "./ledger.ts";

/** What a payee has earned from this operator's answers, by how far it has come; wei. */
export type PayeeBalance = {
  readonly payee: Address;
  /** In receipts that are not on chain yet. */
  readonly pendingWei: bigint;
  /** In batches on chain that may still be challenged. */
  readonly settledWei: bigint;
  /** In final batches, not yet claimed. */
  readonly claimableWei: bigint;
  readonly claimedWei: bigint;
};

/** @returns zeros for an address that nothing was ever paid to */
export async function readBalance(
  { database, ledger, trees }: { database: Database; ledger: Ledger; trees: TreeCache },
  address: Address,
): Promise<PayeeBalance> {
  const payee = toHex(address);
  const cumulativeIn = async (balancesDigest: `0x${string}` | undefined) => {
    if (balancesDigest === undefined) return 0n;
    const { balances } = await trees.balances(balancesDigest);
    return balances.find((balance) => balance.payee === payee)?.cumulative ?? 0n;
  };
  const [waiting] = await database.query<{ wei: bigint }>(
    `select coalesce(sum(p.amount), 0) as wei from settlement.receipts r
       join settlement.payments p on p.receipt_seq = r.seq
       left join settlement.batches b on b.id = r.batch_id
     where not r.lost and (r.batch_id is null or b.state = 'prepared') and p.payee = $1`,
    [payee],
  );
  const final = await findBatch(database, "state = 'final' order by number desc");
  const inFinal = await cumulativeIn(final?.balancesDigest);
  const inAll = await cumulativeIn((await lastStanding(database))?.balancesDigest);
  const claimedWei = await ledger.claimedOf(payee);
  return {
    payee,
    pendingWei: waiting?.wei ?? 0n,
    settledWei: inAll - inFinal,
    claimableWei: inFinal - claimedWei,
    claimedWei,
  };
}

/** Somebody whom receipts pay. */
export type Earner = {
  readonly payee: Address;
  /** What all its receipts pay it, whatever their state, wei. */
  readonly earnedWei: bigint;
  /** How many receipts pay it. */
  readonly receipts: number;
  readonly lastAtMs: number;
};

/** Whom this operator's receipts pay, who is paid most first; receipts that are lost pay nobody. */
export async function listEarners(
  queries: Queries,
  { limit, releaseId }: { limit: number; releaseId?: Digest },
): Promise<Earner[]> {
  return queries.query<Earner>(
    `select p.payee, sum(p.amount) as "earnedWei", count(distinct r.seq)::int as receipts,
            max(r.accepted_at_ms) as "lastAtMs"
       from settlement.payments p join settlement.receipts r on r.seq = p.receipt_seq
      where not r.lost and ($2::text is null or r.release_id = $2)
      group by p.payee order by sum(p.amount) desc, p.payee limit $1`,
    [limit, releaseId ?? null],
  );
}
