import type { CollectEnd, CollectResult } from "../payments/index.ts";
import { buildBatch, type Digest, encodeScores, hashReceipt, toHex, zeroDigest } from "../protocol/index.ts";
import type { Blobs, Database, Transaction } from "../store/index.ts";
import {
  type BatchRow,
  getBalances,
  intervalsText,
  lastStanding,
  putBalances,
  putContent,
  readBatch,
} from "./batch.ts";
import { SettlementError } from "./errors.ts";
import type { Ledger } from "./ledger.ts";
import { recordSettled, refresh, restoreUndone, unfinished } from "./standing.ts";
import { chainTime, pickWaiting, type Skipped, undoneMax, type Waiting } from "./waiting.ts";

/** How much one batch takes at most. */
export type SettleLimits = {
  /** Building a batch of 1,024 receipts with ten payments each takes half a second in which nothing else runs. */
  readonly receipts: number;
  /** Channels settled for the first time cost 29,000 gas each, and a block holds 8 million: 192 of them took 5.6 million. */
  readonly channels: number;
  /** Payments in all receipts together. */
  readonly journalLines: number;
};

export const settleLimits: SettleLimits = { receipts: 1_024, channels: 192, journalLines: 16_384 };

/** Batches of one attester that may wait to be final, as the chain has it; the next one is made when the oldest is. */
const pendingMax = 128;

export type SettleParts = {
  readonly database: Database;
  readonly blobs: Blobs;
  readonly ledger: Ledger;
  readonly chainId: number;
  readonly limits: SettleLimits;
  /** Added to the bond beyond what is needed, basis points of it, so that not every batch needs a deposit. */
  readonly bondMarginBps: number;
  /** Kept back for gas when the bond is raised, wei. */
  readonly gasReserveWei: bigint;
  readonly collect: (ends: readonly CollectEnd[]) => Promise<CollectResult>;
  /** Whether a batch settled then, seconds, may hold receipts of the release. */
  readonly settleable: (releaseId: Digest, at: bigint) => Promise<boolean>;
  /** Asks the chain for a block at this time, seconds, so that windows end when nobody else sends anything. */
  readonly scheduleBlockAt?: (timestampSec: number) => Promise<void>;
  readonly now: () => number;
  readonly log: (level: "info" | "warn", message: string) => void;
};

export type SettleResult = {
  /** Null when nothing waited, or nothing that waited could be settled. */
  readonly batch: BatchRow | null;
  /** Channels that were left out, and why. */
  readonly skipped: readonly { readonly channelId: Digest; readonly reason: string }[];
  readonly gas: { readonly collect: bigint; readonly bond: bigint; readonly settle: bigint };
  /** All of it, divided by the receipts; null without a batch. */
  readonly gasPerReceipt: number | null;
};

/**
 * Settles what waits, at most one batch: collects its vouchers, stores the batch, then sends it. Run again after a crash at any
 * step it takes up where it was, and there is one batch on chain. Must not run twice at once.
 *
 * @throws SettlementError `bond-unaffordable`, `chain-conflict`, `database-behind`
 */
export async function settleOnce(parts: SettleParts): Promise<SettleResult> {
  const attester = await restoreUndone(parts, await refresh(parts));
  const before = await unfinished(parts, attester);
  if (before?.next === "send") return send(parts, before.batch, []);
  if (before?.next === "recorded") {
    const batch = await readBatch(parts.database, before.batch.batchId);
    await schedule(parts, batch.finalAtSec);
    return resultOf(batch, [], 0n);
  }
  if (attester.batches - attester.finalised >= pendingMax) return nothing([], 0n);
  const skipped: Skipped = [];
  await passDisputed(parts);
  const picked = await collectable(parts, await pickWaiting(parts, skipped), skipped);
  if (picked.receipts.length === 0) return nothing(skipped, picked.gasUsed);
  const batch = await prepare(parts, attester.batches, picked);
  return send(parts, batch, skipped);
}

function nothing(skipped: SettleResult["skipped"], collect: bigint): SettleResult {
  return { batch: null, skipped, gas: { collect, bond: 0n, settle: 0n }, gasPerReceipt: null };
}

function resultOf(batch: BatchRow, skipped: SettleResult["skipped"], bond: bigint): SettleResult {
  const gas = { collect: BigInt(batch.collectGas), bond, settle: BigInt(batch.gasUsed ?? 0) };
  const total = Number(gas.collect + gas.bond + gas.settle);
  return { batch, skipped, gas, gasPerReceipt: Math.round(total / batch.receipts.count) };
}

type Picked = { readonly receipts: readonly Waiting[]; readonly gasUsed: bigint };

/** Brings the vouchers to the chain and keeps the receipts they cover, of channels whose pointer is where their receipts start. */
async function collectable(
  parts: SettleParts,
  waiting: readonly Waiting[],
  skipped: Skipped,
): Promise<Picked> {
  const ends = new Map<Digest, bigint>();
  const starts = new Map<Digest, bigint>();
  for (const { channelId, to, bundle } of waiting) {
    if (!starts.has(channelId)) starts.set(channelId, bundle.receipt.from);
    ends.set(channelId, to);
  }
  if (ends.size === 0) return { receipts: [], gasUsed: 0n };
  // What was taken over from another attester is collected already.
  const third = new Set(
    (
      await parts.database.query<{ id: Digest }>(
        "select channel_id as id from settlement.channels where third",
      )
    ).map(({ id }) => id),
  );
  const own = [...ends].filter(([channelId]) => !third.has(channelId));
  const result = await parts.collect(own.map(([channelId, atLeast]) => ({ channelId, atLeast })));
  const covered = new Map(result.collected);
  for (const [channelId, end] of ends) if (third.has(channelId)) covered.set(channelId, end);
  for (const { channelId, reason, lost, collectedWei } of result.failures) {
    covered.set(channelId, collectedWei);
    skipped.push({ channelId, reason });
    if (lost) await markLost(parts, channelId, collectedWei, reason);
  }
  for (const [channelId, from] of starts) {
    const end = covered.get(channelId) ?? 0n;
    const { settled, undone, reopenedTo, payeeFirstUntil } = await parts.ledger.channelState(channelId);
    // What fell is settled again first, and no further at once.
    if (settled === from && undone === 1 && reopenedTo < end) covered.set(channelId, reopenedTo);
    const payeeFirst = undone === 1 && third.has(channelId) && payeeFirstUntil > (await chainTime(parts));
    const isOpen = (undone === 1 && !payeeFirst) || (undone === 0 && !third.has(channelId));
    if (settled === from && isOpen) continue;
    covered.set(channelId, 0n);
    const reason =
      settled === from
        ? undone === 0 || payeeFirst
          ? `only its payee settles it${payeeFirst ? ` before ${payeeFirstUntil}` : ""}`
          : "what was settled of it fell twice: nobody settles it, and its payer is refunded"
        : `the chain has settled it up to ${settled} wei; its first receipt that waits starts at ${from}`;
    skipped.push({ channelId, reason });
    if (settled > from) await markPassed(parts, channelId, settled);
    else parts.log("warn", `Channel ${channelId} cannot be settled: ${reason}.`);
  }
  const receipts = waiting.filter(({ channelId, to }) => to <= (covered.get(channelId) ?? 0n));
  return { receipts, gasUsed: result.gasUsed };
}

/** The pointer went past receipts that wait here: somebody else settled what fell, or the payer was refunded. */
async function markPassed({ database, log }: SettleParts, channelId: Digest, settled: bigint): Promise<void> {
  const passed = await database.query(
    `update settlement.receipts set lost = true where channel_id = $1 and batch_id is null and not lost and from_wei < $2
     returning seq`,
    [channelId, settled],
  );
  log(
    "warn",
    `${passed.length} receipts of channel ${channelId} below ${settled} wei were settled by another attester or refunded to its payer.`,
  );
}

/** Receipts that fell twice wait until their channel's payer has been refunded. */
async function passDisputed(parts: SettleParts): Promise<void> {
  const channels = await parts.database.query<{ channelId: Digest; from: bigint }>(
    `select channel_id as "channelId", min(from_wei) as "from" from settlement.receipts
     where batch_id is null and not lost and undone >= $1 group by channel_id limit $2`,
    [undoneMax, parts.limits.channels],
  );
  for (const { channelId, from } of channels) {
    const { settled } = await parts.ledger.channelState(channelId);
    if (settled > from) await markPassed(parts, channelId, settled);
  }
}

async function markLost(
  { database, log }: SettleParts,
  channelId: Digest,
  collectedWei: bigint,
  reason: string,
): Promise<void> {
  const lost = await database.query<{ fee: bigint }>(
    `update settlement.receipts set lost = true where channel_id = $1 and batch_id is null and not lost and to_wei > $2
     returning to_wei - from_wei as fee`,
    [channelId, collectedWei],
  );
  const wei = lost.reduce((sum, { fee }) => sum + fee, 0n);
  log("warn", `${lost.length} receipts of channel ${channelId}, ${wei} wei, are lost: ${reason}.`);
}

/** Builds the batch and stores it, whole, before anything of it is sent. */
async function prepare(parts: SettleParts, number: number, picked: Picked): Promise<BatchRow> {
  const { database, blobs, ledger, chainId, now } = parts;
  const previous = await lastStanding(database);
  const before = previous === undefined ? [] : await getBalances(blobs, previous.balancesDigest);
  const bundles = new Map(picked.receipts.map(({ id, bundle }) => [id, bundle]));
  const batch = buildBatch(before, [...bundles.values()]);
  const ids = batch.receipts.map(({ receipt }) => hashReceipt(receipt));
  const openings = ids.map((id) => {
    const { receipt, signature, query, scores, payments } = bundles.get(id)!;
    return { receipt, signature, query, scores: toHex(encodeScores(scores)), payments };
  });
  const balancesDigest = await putBalances(blobs, batch.balances);
  const header = { chainId, ledger: ledger.address, attester: ledger.attester, number };
  const contentDigest = await putContent(blobs, header, batch, openings, before);
  const block = await ledger.blockNumber();
  const batchId = await database.transaction(async (tx) => {
    const [row] = await tx.query<{ id: number }>(
      `insert into settlement.batches (number, state, receipts_root, receipt_count, journal_root, journal_count, balances_root,
         balance_count, previous_balances_root, total, intervals, content_digest, balances_digest, prepared_at_ms, prepared_at_block, collect_gas)
       values ($1, 'prepared', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) returning id`,
      [
        number,
        batch.receiptTree.root,
        batch.receiptTree.count,
        batch.journalTree.root,
        batch.journalTree.count,
        batch.balanceTree.root,
        batch.balanceTree.count,
        previous?.balances.root ?? zeroDigest,
        batch.total,
        intervalsText(batch.channels),
        contentDigest,
        balancesDigest,
        now(),
        Number(block),
        Number(picked.gasUsed),
      ],
    );
    await placeReceipts(tx, row!.id, ids);
    return row!.id;
  });
  return readBatch(database, batchId);
}

/** Each receipt takes its place in one batch; one that has a place already stops everything. */
async function placeReceipts(tx: Transaction, batchId: number, ids: readonly Digest[]): Promise<void> {
  const placed = await tx.query(
    `update settlement.receipts r set batch_id = $1, position = list.at - 1
     from jsonb_array_elements_text($2::jsonb) with ordinality as list (id, at)
     where r.id = list.id and r.batch_id is null and not r.lost returning r.seq`,
    [batchId, JSON.stringify(ids)],
  );
  if (placed.length !== ids.length)
    throw new Error(
      `A batch of ${ids.length} receipts found ${placed.length} of them free: settle() runs twice at once.`,
    );
}

async function send(
  parts: SettleParts,
  batch: BatchRow,
  skipped: SettleResult["skipped"],
): Promise<SettleResult> {
  const bondGas = await ensureBond(parts, batch.total);
  const { number, previousBalancesRoot, receipts, journal, balances, total } = batch;
  const commitments = { number, previousBalancesRoot, receipts, journal, balances, total };
  const mined = await parts.ledger.settle(commitments, batch.intervals);
  await recordSettled(parts, batch, mined);
  parts.log(
    "info",
    `Batch ${number} is on chain: ${receipts.count} receipts of ${batch.intervals.length} channels, ${total} wei, final at ${mined.finalAtSec}.`,
  );
  await schedule(parts, mined.finalAtSec);
  return resultOf(await readBatch(parts.database, batch.batchId), skipped, bondGas);
}

async function schedule({ scheduleBlockAt }: SettleParts, finalAtSec: number | null): Promise<void> {
  if (finalAtSec !== null) await scheduleBlockAt?.(finalAtSec);
}

/** The operator's bond must cover everything that is not final yet, this batch included. */
async function ensureBond(parts: SettleParts, total: bigint): Promise<bigint> {
  const { ledger, bondMarginBps, gasReserveWei, log } = parts;
  const { bond, pending } = await ledger.attesterOf();
  const minimum = await ledger.minimumBond();
  // Above what is pending the minimum stays free, and once more while the operator has demands open against others.
  const needed = pending + total + minimum * ((await ledger.locks()) > 0 ? 2n : 1n);
  if (bond >= needed) return 0n;
  const balance = await ledger.operatorBalance();
  const affordable = balance - gasReserveWei;
  if (affordable < needed - bond) {
    throw new SettlementError(
      "bond-unaffordable",
      `The operator's bond must be ${needed} wei (${pending} in batches that are not final, ${total} in this one, and ${minimum} above it); it is ` +
        `${bond} wei, and ${ledger.attester} owns ${balance} wei. Send it ${needed - bond + gasReserveWei - balance} wei, or wait until batches are final.`,
    );
  }
  const wanted = needed + (needed * BigInt(bondMarginBps)) / 10_000n - bond;
  const deposit = wanted < affordable ? wanted : affordable;
  const { gasUsed } = await ledger.depositBond(deposit);
  log("info", `The operator's bond was raised by ${deposit} wei to ${bond + deposit} wei.`);
  return gasUsed;
}
