import type { Address, Hex } from "viem";
import type { Queries } from "../store/index.ts";
import type { Argument } from "./abi.ts";
import { perBlock } from "./tables.ts";

/** An event that a known contract emitted. */
export type EventSince = {
  readonly block: number;
  readonly timestampSec: number;
  readonly transactionHash: Hex;
  readonly address: Address;
  readonly contract: string;
  readonly event: string;
  readonly arguments: readonly Argument[];
};

/** Blocks that came in, as one. */
export type BlocksSince = {
  readonly from: number;
  readonly to: number;
  /** Of the last. */
  readonly hash: Hex;
  readonly timestampSec: number;
  readonly transactions: number;
};

/**
 * What the index has that somebody has not seen, oldest first. The order is the chain's, so an index that is made anew repeats nothing.
 *
 * @param after the cursor of an earlier call; null: nothing, and the cursor from now on
 */
export async function eventsAfter(
  queries: Queries,
  after: number | null,
  limit: number,
): Promise<{ events: EventSince[]; cursor: number; more: boolean }> {
  const [last] = await queries.query<{ position: number }>(
    "select coalesce(max(position), -1) as position from explorer.logs",
  );
  const head = last?.position ?? -1;
  if (after === null || head <= after) return { events: [], cursor: after ?? head, more: false };
  const rows = await queries.query<EventSince & { position: number }>(
    `select l.position, l.position / ${perBlock} as block, b.timestamp_sec as "timestampSec", t.hash as "transactionHash",
       l.address, l.contract, l.event, l.arguments
     from explorer.logs l join explorer.transactions t on t.position = l.transaction
       join explorer.blocks b on b.number = l.position / ${perBlock}
     where l.position > $1 and l.position <= $3 and l.contract is not null and l.event is not null and l.arguments is not null
     order by l.position limit $2`,
    [after, limit, head],
  );
  const more = rows.length === limit;
  // Beyond what was found as well: what nobody knows the contract of is not looked at again.
  return {
    events: rows.map(({ position: _, ...event }) => event),
    cursor: more ? (rows.at(-1)?.position ?? head) : head,
    more,
  };
}

/** Blocks after `after`, or undefined if there are none; null: the cursor from now on, as a block of its own. */
export async function blocksAfter(queries: Queries, after: number | null): Promise<BlocksSince | undefined> {
  const [found] = await queries.query<BlocksSince>(
    `select b.number as "to", b.hash, b.timestamp_sec as "timestampSec", sums."from", sums.transactions
     from explorer.blocks b, (select min(number) as "from", sum(transactions)::bigint as transactions
       from explorer.blocks where number > $1) as sums
     where b.number > $1 order by b.number desc limit 1`,
    [after ?? -1],
  );
  return found;
}
