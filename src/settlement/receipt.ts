import { z } from "zod";
import {
  type Address,
  bytesDigest,
  type Digest,
  type Domain,
  hashReceipt,
  ProtocolError,
  queryBytes,
  type ReceiptBundle,
  type ReceiptBundleJson,
  receiptBundleSchema,
  recoverReceipt,
  sameHex,
  scoresDigest,
  splitDigest,
} from "../protocol/index.ts";
import type { Queries, Transaction } from "../store/index.ts";
import { SettlementError } from "./errors.ts";

/** How far a receipt has come: delivered, on chain but open to challenge, or final; `lost` ones are never settled. */
export type ReceiptState = "scored" | "batched" | "final" | "lost";

/** A receipt as it is kept, without its bundle. */
export type StoredReceipt = {
  readonly receiptId: Digest;
  /** Order of acceptance. */
  readonly seq: number;
  readonly channelId: Digest;
  readonly from: bigint;
  readonly to: bigint;
  readonly releaseId: Digest;
  readonly state: ReceiptState;
  readonly acceptedAtMs: number;
  /** Of the batch it is in, once that is stored. */
  readonly batchId: number | null;
  readonly batchNumber: number | null;
  readonly position: number | null;
  readonly transactionHash: Digest | null;
};

export type AcceptParts = { readonly domain: Domain; readonly operator: Address; readonly now: () => number };

/**
 * Takes a signed receipt, for good, inside the caller's transaction. The same receipt again changes nothing.
 *
 * Checked are the operator's signature, that the lists are what the receipt commits to, that the payments sum to the fee, and
 * that the receipt starts where the channel's last one ended. Whether scores and payments are right is what anyone can check
 * with `checkReceipt`, and what makes a batch be undone when they are not.
 *
 * @throws SettlementError `unsigned-receipt`, `bad-receipt`, `gap`, `receipt-conflict`
 */
export async function acceptReceipt(
  { domain, operator, now }: AcceptParts,
  tx: Transaction,
  bundle: ReceiptBundle,
): Promise<{ readonly receiptId: Digest; readonly created: boolean }> {
  const { receipt } = bundle;
  const receiptId = hashReceipt(receipt);
  const [before] = await tx.query("select 1 from settlement.receipts where id = $1", [receiptId]);
  if (before !== undefined) return { receiptId, created: false };
  checkBundle(bundle);
  await checkSignature(domain, operator, bundle);
  await extendChannel(tx, receipt);
  const [row] = await tx.query<{ seq: number }>(
    `insert into settlement.receipts (id, channel_id, from_wei, to_wei, release_id, bundle, payment_count, accepted_at_ms)
     values ($1, $2, $3, $4, $5, $6, $7, $8) returning seq`,
    [
      receiptId,
      receipt.channelId,
      receipt.from,
      receipt.to,
      receipt.releaseId,
      JSON.stringify(z.encode(receiptBundleSchema, bundle)),
      bundle.payments.length,
      now(),
    ],
  );
  const payments = bundle.payments.map(({ payee, amount }) => [payee, amount.toString()]);
  await tx.query(
    `insert into settlement.payments (receipt_seq, position, payee, amount)
     select $1, at - 1, payment ->> 0, (payment ->> 1)::numeric
     from jsonb_array_elements($2::jsonb) with ordinality as list (payment, at)`,
    [row!.seq, JSON.stringify(payments)],
  );
  return { receiptId, created: true };
}

function checkBundle(bundle: ReceiptBundle): void {
  const { receipt, payments, scores } = bundle;
  const fee = receipt.to - receipt.from;
  const paid = payments.reduce((sum, { amount }) => sum + amount, 0n);
  const expectations: readonly (readonly [string, string, string])[] = [
    ["sum of payments", String(fee), String(paid)],
    ["splitDigest", receipt.splitDigest, splitDigest(payments)],
    ["scoresDigest", receipt.scoresDigest, scoresDigest(scores)],
    ["queryDigest", receipt.queryDigest, bytesDigest(queryBytes(bundle))],
  ];
  if (fee <= 0n) throw bad(`it must spend something; its interval is [${receipt.from}, ${receipt.to})`);
  if (payments.some(({ amount }) => amount <= 0n)) throw bad("a payment of nothing is left out");
  for (const [what, expected, actual] of expectations)
    if (expected !== actual) throw bad(`its ${what} must be ${expected}; the bundle's gives ${actual}`);
}

function bad(why: string): SettlementError {
  return new SettlementError("bad-receipt", `The receipt was refused: ${why}.`);
}

async function checkSignature(domain: Domain, operator: Address, bundle: ReceiptBundle): Promise<void> {
  const by = await recoverReceipt(domain, bundle.receipt, bundle.signature).catch((error: unknown) => {
    if (error instanceof ProtocolError) return error.message;
    throw error;
  });
  if (by.startsWith("0x") && sameHex(by as Address, operator)) return;
  throw new SettlementError(
    "unsigned-receipt",
    `The receipt must be signed by the operator ${operator} for the ledger ${domain.verifyingContract}; got ${by}.`,
  );
}

/** The check reads the row it writes: two receipts at once cannot both follow the same one. */
async function extendChannel(
  tx: Transaction,
  { channelId, from, to }: { channelId: Digest; from: bigint; to: bigint },
): Promise<void> {
  await tx.query(
    "insert into settlement.channels (channel_id, accepted_to) values ($1, 0) on conflict (channel_id) do nothing",
    [channelId],
  );
  const moved = await tx.query(
    "update settlement.channels set accepted_to = $3 where channel_id = $1 and accepted_to = $2 returning channel_id",
    [channelId, from, to],
  );
  if (moved.length === 1) return;
  const [channel] = await tx.query<{ end: bigint }>(
    `select accepted_to as "end" from settlement.channels where channel_id = $1`,
    [channelId],
  );
  const end = channel?.end ?? 0n;
  throw new SettlementError(
    from < end ? "receipt-conflict" : "gap",
    `The next receipt of channel ${channelId} must start at ${end} wei; got [${from}, ${to}).`,
  );
}

const columns = `r.id as "receiptId", r.seq, r.channel_id as "channelId", r.from_wei as "from", r.to_wei as "to",
  r.release_id as "releaseId", r.accepted_at_ms as "acceptedAtMs", r.batch_id as "batchId", b.number as "batchNumber", r.position,
  b.transaction_hash as "transactionHash",
  case when r.lost then 'lost' when b.state = 'final' then 'final' when b.state = 'pending' then 'batched' else 'scored' end as state
  from settlement.receipts r left join settlement.batches b on b.id = r.batch_id`;

/** @throws SettlementError `unknown-receipt` */
export async function readReceipt(
  queries: Queries,
  receiptId: Digest,
): Promise<StoredReceipt & { readonly bundle: ReceiptBundle }> {
  const [row] = await queries.query<StoredReceipt & { bundle: string }>(
    `select r.bundle, ${columns} where r.id = $1`,
    [receiptId],
  );
  if (row === undefined)
    throw new SettlementError("unknown-receipt", `There is no receipt ${receiptId} here.`);
  return { ...row, bundle: decodeBundle(row.bundle) };
}

export function decodeBundle(text: string): ReceiptBundle {
  return z.decode(receiptBundleSchema, JSON.parse(text) as ReceiptBundleJson);
}

/** Which receipts: of a channel, a release, or that pay somebody; those before a place in the order, newest first. */
export type ReceiptFilter = {
  readonly channelId?: Digest | undefined;
  readonly releaseId?: Digest | undefined;
  readonly payee?: Address | undefined;
  readonly state?: ReceiptState | undefined;
  readonly before?: number | undefined;
  readonly limit: number;
};

/** A receipt in a list; `paidWei` is what it pays the payee that was asked for. */
export type ListedReceipt = StoredReceipt & { readonly paidWei: bigint | null };

/** Newest first. */
export function listReceipts(queries: Queries, filter: ReceiptFilter): Promise<ListedReceipt[]> {
  return queries.query<ListedReceipt>(
    `select * from (
       select case when $3::text is null then null else
         (select sum(p.amount) from settlement.payments p where p.receipt_seq = r.seq and p.payee = $3) end as "paidWei", ${columns}
       where ($1::text is null or r.channel_id = $1) and ($2::text is null or r.release_id = $2)
         and ($3::text is null or r.seq in (select p.receipt_seq from settlement.payments p where p.payee = $3))
         and ($4::bigint is null or r.seq < $4)
     ) as found
     where $5::text is null or state = $5 order by seq desc limit $6`,
    [
      filter.channelId ?? null,
      filter.releaseId ?? null,
      filter.payee ?? null,
      filter.before ?? null,
      filter.state ?? null,
      filter.limit,
    ],
  );
}
