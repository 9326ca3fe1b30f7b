/** What waits to be settled, and what of it the next batch may hold. */
import type { Digest, ReceiptBundle } from "../protocol/index.ts";
import { decodeBundle } from "./receipt.ts";
import type { SettleParts } from "./settle.ts";

/** Receipts that were in this many undone batches wait for a person: to settle a lie again costs the bond again. */
export const undoneMax = 2;

/** A receipt that waits. */
export type Waiting = {
  readonly seq: number;
  readonly id: Digest;
  readonly channelId: Digest;
  readonly to: bigint;
  readonly bundle: ReceiptBundle;
};

/** Channels that are left out of a batch, and why. */
export type Skipped = { readonly channelId: Digest; readonly reason: string }[];

/** The least that the settling block's time can be, seconds: blocks made on demand carry the wall clock's, others at least the latest one's. */
export async function chainTime({ ledger, now, scheduleBlockAt }: SettleParts): Promise<bigint> {
  const latest = await ledger.blockTime();
  const wallClock = BigInt(Math.floor(now() / 1_000));
  return scheduleBlockAt !== undefined && wallClock > latest ? wallClock : latest;
}

/** How long a settlement may take from here to its place in the chain, seconds. */
const settleSeconds = 60n;

/** The latest time at which a batch that is made now is settled, seconds. */
export const settlesWithin = (nowSec: bigint): bigint => nowSec + settleSeconds;

/** Receipts that a batch made now may hold: the oldest within the limits, attested, and issued before it can be settled. */
export async function pickWaiting(parts: SettleParts, skipped: Skipped): Promise<Waiting[]> {
  return issuedBefore(parts, await pick(parts, skipped), skipped);
}

/**
 * The oldest receipts that wait, within the limits. Receipts are accepted in the order of their channel, so the first ones of
 * the whole list are also the first ones of each channel. A channel waits from its first receipt of an unattested release on.
 */
async function pick(parts: SettleParts, skipped: Skipped): Promise<Waiting[]> {
  const { database, limits } = parts;
  const releases = JSON.stringify(await unattested(parts));
  const held = await database.query<{ channelId: Digest; releaseId: Digest }>(
    `select distinct on (channel_id) channel_id as "channelId", release_id as "releaseId" from settlement.receipts
     where batch_id is null and not lost and release_id in (select jsonb_array_elements_text($1::jsonb))
     order by channel_id, seq`,
    [releases],
  );
  for (const { channelId, releaseId } of held)
    skipped.push({
      channelId,
      reason: `validators have not attested release ${releaseId}, which this network asks for`,
    });
  const rows = await database.query<{
    seq: number;
    id: Digest;
    channelId: Digest;
    to: bigint;
    lines: number;
    bundle: string;
  }>(
    `with held as (
       select channel_id, min(seq) as seq from settlement.receipts
       where batch_id is null and not lost and release_id in (select jsonb_array_elements_text($4::jsonb)) group by channel_id),
     waiting as (
       select r.seq, id, r.channel_id, to_wei, payment_count, bundle from settlement.receipts r
       left join held on held.channel_id = r.channel_id
       where batch_id is null and not lost and (held.seq is null or r.seq < held.seq) and r.channel_id not in
         (select channel_id from settlement.receipts where batch_id is null and not lost and undone >= $3)
       order by r.seq limit $1),
     chosen as (select channel_id from waiting group by channel_id order by min(seq) limit $2),
     counted as (select *, sum(payment_count) over (order by seq) as lines from waiting
       where channel_id in (select channel_id from chosen))
     select seq, id, channel_id as "channelId", to_wei as "to", lines::bigint as lines, bundle from counted order by seq`,
    [limits.receipts, limits.channels, undoneMax, releases],
  );
  return rows
    .filter(({ lines }, at) => lines <= limits.journalLines || at === 0)
    .map(({ bundle, ...row }) => ({ ...row, bundle: decodeBundle(bundle) }));
}

/** Releases of receipts that wait, which no batch made now may hold: not attested, where the network asks for that. */
async function unattested(parts: SettleParts): Promise<Digest[]> {
  const waiting = await parts.database.query<{ releaseId: Digest }>(
    `select distinct release_id as "releaseId" from settlement.receipts where batch_id is null and not lost`,
  );
  const until = settlesWithin(await chainTime(parts));
  const found: Digest[] = [];
  for (const { releaseId } of waiting) if (!(await parts.settleable(releaseId, until))) found.push(releaseId);
  return found;
}

/** Leaves out what the settling block could precede: a receipt issued after it would be a lie. */
async function issuedBefore(
  parts: SettleParts,
  waiting: readonly Waiting[],
  skipped: Skipped,
): Promise<Waiting[]> {
  const time = await chainTime(parts);
  const early = new Set<Digest>();
  return waiting.filter(({ channelId, bundle }) => {
    if (early.has(channelId)) return false;
    const { issuedAt } = bundle.receipt;
    if (issuedAt <= time) return true;
    early.add(channelId);
    skipped.push({ channelId, reason: `a receipt was issued at ${issuedAt}; the chain's time is ${time}` });
    return false;
  });
}
