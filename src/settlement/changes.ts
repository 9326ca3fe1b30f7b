import type { Digest } from "../protocol/index.ts";
import type { Queries } from "../store/index.ts";
import type { BatchState } from "./batch.ts";

/** What became of receipts, for whoever follows along: nothing of it says what was asked or answered. */
export type SettlementChange =
  | {
      readonly kind: "scored";
      readonly atMs: number;
      readonly receiptId: Digest;
      readonly releaseId: Digest;
      readonly feeWei: bigint;
      /** What the receipt pays, and to how many. */
      readonly paidWei: bigint;
      readonly payees: number;
    }
  | {
      readonly kind: "batched" | "final" | "undone";
      readonly atMs: number;
      readonly number: number;
      readonly transactionHash: Digest | null;
      /** Some of its receipts, in order: a batch of many gives several changes. Empty once they left it. */
      readonly receiptIds: readonly Digest[];
    };

/** How far somebody has followed: the last receipt and batch seen, and the state in which each batch was that can still change. */
export type SettlementCursor = {
  readonly receipt: number;
  readonly batch: number;
  readonly open: Readonly<Record<string, BatchState>>;
};

const over: readonly BatchState[] = ["final", "undone", "dropped"];
const kindOf = { pending: "batched", final: "final", undone: "undone" } as const;
const receiptsPerChange = 200;

/**
 * Every receipt and every state of a batch once, in the order of this database, which has one connection: ids are in the order of commits.
 *
 * @param cursor null: from now on
 * @param limit receipts and batches at once, each
 */
export async function changesAfter(
  queries: Queries,
  cursor: SettlementCursor | null,
  limit: number,
): Promise<{ changes: SettlementChange[]; cursor: SettlementCursor; more: boolean }> {
  if (cursor === null) return { changes: [], cursor: await newest(queries), more: false };
  const receipts = await queries.query<{ seq: number } & Extract<SettlementChange, { kind: "scored" }>>(
    `select r.seq, 'scored' as kind, r.accepted_at_ms as "atMs", r.id as "receiptId", r.release_id as "releaseId",
       r.to_wei - r.from_wei as "feeWei", coalesce(sum(p.amount), 0) as "paidWei", count(distinct p.payee) as payees
     from settlement.receipts r left join settlement.payments p on p.receipt_seq = r.seq
     where r.seq > $1 group by r.seq order by r.seq limit $2`,
    [cursor.receipt, limit],
  );
  const batches = await queries.query<Batch>(
    `select id, number, state, transaction_hash as "transactionHash" from settlement.batches
     where id > $1 or id in (select value::bigint from jsonb_array_elements_text($2::jsonb)) order by id limit $3`,
    [cursor.batch, JSON.stringify(Object.keys(cursor.open)), limit + Object.keys(cursor.open).length],
  );
  const open = { ...cursor.open };
  const changes: SettlementChange[] = receipts.map(({ seq: _, ...change }) => change);
  for (const batch of batches) {
    const before = open[batch.id];
    if (over.includes(batch.state)) delete open[batch.id];
    else open[batch.id] = batch.state;
    if (batch.state !== before) changes.push(...(await changesOf(queries, batch, before)));
  }
  const next = {
    receipt: receipts.at(-1)?.seq ?? cursor.receipt,
    batch: Math.max(cursor.batch, ...batches.map(({ id }) => id)),
    open,
  };
  return { changes, cursor: next, more: receipts.length === limit || batches.length > limit };
}

type Batch = {
  readonly id: number;
  readonly number: number;
  readonly state: BatchState;
  readonly transactionHash: Digest | null;
};

/** A batch that was seen last before it was on chain, and is final now, was batched meanwhile. */
async function changesOf(
  queries: Queries,
  { id, number, state, transactionHash }: Batch,
  before: BatchState | undefined,
): Promise<SettlementChange[]> {
  if (state === "prepared" || state === "dropped") return [];
  const rows = await queries.query<{ id: Digest }>(
    "select id from settlement.receipts where batch_id = $1 order by position",
    [id],
  );
  const kinds =
    before === "pending" || state === "pending" ? [kindOf[state]] : (["batched", kindOf[state]] as const);
  const atMs = Date.now();
  return kinds.flatMap((kind) => {
    const parts: Digest[][] = rows.length === 0 ? [[]] : [];
    for (let at = 0; at < rows.length; at += receiptsPerChange)
      parts.push(rows.slice(at, at + receiptsPerChange).map((row) => row.id));
    return parts.map((receiptIds) => ({ kind, atMs, number, transactionHash, receiptIds }));
  });
}

async function newest(queries: Queries): Promise<SettlementCursor> {
  const [at] = await queries.query<{ receipt: number; batch: number }>(
    `select (select coalesce(max(seq), 0) from settlement.receipts) as receipt,
       (select coalesce(max(id), 0) from settlement.batches) as batch`,
  );
  const open = await queries.query<{ id: number; state: BatchState }>(
    "select id, state from settlement.batches where state in ('prepared', 'pending')",
  );
  return {
    receipt: at?.receipt ?? 0,
    batch: at?.batch ?? 0,
    open: Object.fromEntries(open.map(({ id, state }) => [id, state])),
  };
}
