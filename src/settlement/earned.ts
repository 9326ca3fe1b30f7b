/** What the receipts of some releases came to, and whom they pay. */
import type { Address, Digest } from "../protocol/index.ts";
import type { Queries } from "../store/index.ts";

/** A release's answers that were paid for. */
export type ReleaseIncome = {
  readonly releaseId: Digest;
  readonly receipts: number;
  readonly feesWei: bigint;
};

export async function incomeOf(queries: Queries, releaseIds: readonly Digest[]): Promise<ReleaseIncome[]> {
  const rows = await queries.query<{ releaseId: Digest; receipts: string; feesWei: bigint }>(
    `select release_id as "releaseId", count(*) as receipts, sum(to_wei - from_wei) as "feesWei"
     from settlement.receipts where not lost and release_id = any($1) group by release_id`,
    [releaseIds],
  );
  return rows.map(({ receipts, ...row }) => ({
    ...row,
    feesWei: BigInt(row.feesWei),
    receipts: Number(receipts),
  }));
}

/** What payees have been given by these releases' receipts, settled or not, wei; nothing for those who have not. */
export async function paidBy(
  queries: Queries,
  releaseIds: readonly Digest[],
  payees: readonly Address[],
): Promise<{ readonly payee: Address; readonly wei: bigint }[]> {
  const rows = await queries.query<{ payee: Address; wei: bigint }>(
    `select p.payee, sum(p.amount) as wei from settlement.payments p join settlement.receipts r on r.seq = p.receipt_seq
     where p.payee = any($2) and not r.lost and r.release_id = any($1) group by p.payee`,
    [releaseIds, payees],
  );
  return rows.map(({ payee, wei }) => ({ payee, wei: BigInt(wei) }));
}
