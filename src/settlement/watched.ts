import { z } from "zod";
import {
  type Address,
  type CommittedBatch,
  type Digest,
  digestSchema,
  noBalances,
  sameHex,
  toHex,
  uint32Schema,
  weiSchema,
  zeroDigest,
} from "../protocol/index.ts";
import type { Queries, Transaction } from "../store/index.ts";
import type { DisputeEvent } from "./disputes.ts";

/**
 * What was found of another attester's batch: `unchecked` until its content was read; `unreadable` content is tried again;
 * `undone` and `final` ones need no checking any more.
 */
export type WatchState = "unchecked" | "unreadable" | "withheld" | "honest" | "lying" | "undone" | "final";

/** Another attester's batch as this node keeps it. */
export type WatchedBatch = {
  /** The transaction that settled it: a number is given again after its batch was undone. */
  readonly settledIn: Digest;
  readonly attester: Address;
  readonly number: number;
  readonly receiptsRoot: Digest;
  readonly state: WatchState;
  /** What was found, in words. */
  readonly detail: string | null;
  readonly settledAtSec: number;
  /** As it stood when the batch was settled; a demand moves it. */
  readonly finalAtSec: number;
  readonly checkedAtMs: number | null;
  /** Blob: its content as it was read, kept of batches that lie. */
  readonly contentDigest: Digest | null;
  /** Of the proof. */
  readonly proofHash: Digest | null;
};

const commitment = z.strictObject({ root: digestSchema, count: uint32Schema });
const committedSchema = z.strictObject({
  receipts: commitment,
  journal: commitment,
  balances: commitment,
  previousBalancesRoot: digestSchema,
  intervals: z.array(z.strictObject({ channelId: digestSchema, from: weiSchema, to: weiSchema })),
});

/** Writes down what the ledger says of others' batches. */
export async function projectWatched(
  operator: Address,
  events: readonly DisputeEvent[],
  tx: Transaction,
): Promise<void> {
  for (const event of events) {
    if (event.eventName === "BatchSettled" && !sameHex(event.args.attester, operator)) {
      const { attester, number, batch, finalAt, intervals } = event.args;
      const committed = z.encode(committedSchema, {
        receipts: { ...batch.receipts },
        journal: { ...batch.journal },
        balances: { ...batch.balances },
        previousBalancesRoot: batch.previousBalancesRoot,
        intervals: intervals.map((interval) => ({ ...interval })),
      });
      await tx.query(
        `insert into settlement.watched (attester, number, receipts_root, committed, settled_at_sec, final_at_sec, settled_in)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict (settled_in) do nothing`,
        [
          toHex(attester),
          Number(number),
          batch.receipts.root,
          JSON.stringify(committed),
          event.blockTimestampSec,
          Number(finalAt),
          event.transactionHash,
        ],
      );
    }
    if (event.eventName === "BatchesUndone")
      await tx.query(
        "update settlement.watched set state = 'undone' where attester = $1 and number >= $2 and state <> 'final'",
        [toHex(event.args.attester), Number(event.args.number)],
      );
  }
}

type Row = WatchedBatch & { committed: string };

const columns = `settled_in as "settledIn", attester, number, receipts_root as "receiptsRoot", state, detail, settled_at_sec as "settledAtSec",
  final_at_sec as "finalAtSec", checked_at_ms as "checkedAtMs", content_digest as "contentDigest", proof_hash as "proofHash", committed`;

/** Newest first. */
export async function listWatched(
  queries: Queries,
  where: string,
  params: readonly unknown[],
  limit: number,
): Promise<(WatchedBatch & { readonly chain: z.output<typeof committedSchema> })[]> {
  const rows = await queries.query<Row>(
    `select ${columns} from settlement.watched where ${where} order by settled_at_sec desc, number desc limit ${limit}`,
    params,
  );
  return rows.map(({ committed, ...row }) => ({
    ...row,
    chain: z.decode(committedSchema, JSON.parse(committed)),
  }));
}

/** What the chain holds of a watched batch, to open its content against. */
export function committedOf(
  watched: Awaited<ReturnType<typeof listWatched>>[number],
  previousCount: number,
): CommittedBatch {
  const { attester, number, chain, settledAtSec } = watched;
  const { previousBalancesRoot, ...lists } = chain;
  return {
    attester,
    number,
    ...lists,
    previousBalances:
      previousBalancesRoot === zeroDigest ? noBalances : { root: previousBalancesRoot, count: previousCount },
    settledAt: BigInt(settledAtSec),
  };
}

/** Writes what was found, unless the batch has been undone meanwhile. */
export async function recordFinding(
  queries: Queries,
  { settledIn }: Pick<WatchedBatch, "settledIn">,
  found: {
    readonly state: WatchState;
    readonly detail: string | null;
    readonly atMs: number;
    readonly contentDigest?: Digest;
    readonly proofHash?: Digest;
  },
): Promise<void> {
  await queries.query(
    `update settlement.watched set state = case when state = 'undone' then state else $2 end, detail = $3, checked_at_ms = $4,
       content_digest = coalesce($5, content_digest), proof_hash = coalesce($6, proof_hash)
     where settled_in = $1`,
    [settledIn, found.state, found.detail, found.atMs, found.contentDigest ?? null, found.proofHash ?? null],
  );
}
