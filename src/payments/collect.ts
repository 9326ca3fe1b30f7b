import {
  CallRevertedError,
  type ChainWriter,
  type Keystore,
  type ProtocolContracts,
} from "../chain/index.ts";
import { type Digest, type Domain, sameHex, signVoucher, toHex } from "../protocol/index.ts";
import type { Database } from "../store/index.ts";
import { type Channel, findChannel } from "./channel.ts";
import { keysOfChannel, signerOfKey } from "./keys.ts";
import { type SignedVoucher, vouchersFrom } from "./voucher.ts";

/** How far a channel is to be collected, wei of its cumulative amount. */
export type CollectEnd = { readonly channelId: Digest; readonly atLeast: bigint };

/** `lost` if the channel can never be brought that far, because it is closed. */
export type CollectFailure = {
  readonly channelId: Digest;
  readonly reason: string;
  readonly lost: boolean;
  /** What is collected on chain, less than was asked for. */
  readonly collectedWei: bigint;
};

export type CollectResult = {
  /** By channel: what is collected on chain now. */
  readonly collected: ReadonlyMap<Digest, bigint>;
  /** Channels that could not be brought that far. */
  readonly failures: readonly CollectFailure[];
  readonly transactionHashes: readonly `0x${string}`[];
  readonly gasUsed: bigint;
};

export type CollectParts = {
  readonly database: Database;
  readonly keystore: Keystore;
  readonly chain: ChainWriter;
  readonly contracts: Pick<ProtocolContracts, "PaymentChannels">;
  readonly domain: Domain;
  readonly now: () => number;
};

/** Channels in one transaction: 128 first collections stay under half of a block's gas. */
const channelsAtOnce = 128;
/** A former signer's word must still count when the transaction is mined. */
const graceSec = 2;

/**
 * The voucher to collect: as small as there is one, because what is collected beyond the receipts stays in escrow for the
 * channel. A key's signer signs exactly `atLeast`; of the payer's own vouchers it is the smallest that covers it.
 *
 * @param atLeast all that was charged unless given
 * @returns undefined when nothing that is signed covers it
 */
export async function latestVoucher(
  parts: Pick<CollectParts, "database" | "keystore" | "domain" | "now">,
  channelId: Digest,
  atLeast?: bigint,
): Promise<SignedVoucher | undefined> {
  const channel = await findChannel(parts.database, channelId);
  if (channel === undefined) return undefined;
  return voucherFor(parts, channel, atLeast ?? channel.charged);
}

async function voucherFor(
  parts: Pick<CollectParts, "database" | "keystore" | "domain" | "now">,
  channel: Channel,
  cumulative: bigint,
): Promise<SignedVoucher | undefined> {
  const { database, keystore, domain, now } = parts;
  const { channelId } = channel;
  if (cumulative === 0n || cumulative > channel.deposit) return undefined;
  const nowSec = Math.floor(now() / 1000) + graceSec;
  const counts = (signer: `0x${string}`, amount: bigint) =>
    (sameHex(signer, channel.signer) && amount <= channel.signerLimit) ||
    (sameHex(signer, channel.previousSigner) &&
      amount <= channel.previousLimit &&
      nowSec < channel.previousUntilSec);
  for (const key of await keysOfChannel(database, channelId)) {
    if (!counts(key.signer, cumulative)) continue;
    const voucher = { channelId, cumulative };
    return { ...voucher, signature: await signVoucher(domain, voucher, signerOfKey(keystore, key.keyId)) };
  }
  const kept = await vouchersFrom(database, channelId, cumulative);
  return kept.find(
    (voucher) =>
      voucher.cumulative <= channel.deposit &&
      (sameHex(voucher.signedBy, channel.payer) || counts(voucher.signedBy, voucher.cumulative)),
  );
}

/**
 * Brings channels' vouchers to the chain, so that at least these amounts are in the ledger's escrow. Safe to run again: what is
 * collected already is left alone. One channel that fails does not keep the others from being collected.
 */
export async function collect(parts: CollectParts, ends: readonly CollectEnd[]): Promise<CollectResult> {
  const collected = new Map<Digest, bigint>();
  const failures: CollectFailure[] = [];
  const hashes: `0x${string}`[] = [];
  let gasUsed = 0n;
  const wanted: { end: CollectEnd; voucher: SignedVoucher }[] = [];

  for (const end of ends) {
    const found = await prepare(parts, end);
    if ("voucher" in found) wanted.push({ end, voucher: found.voucher });
    else if ("collected" in found) collected.set(end.channelId, found.collected);
    else failures.push({ channelId: end.channelId, ...found });
  }
  const send = async (part: typeof wanted) => {
    const receipt = await parts.chain.write({
      ...parts.contracts.PaymentChannels,
      functionName: "collectMany",
      args: [
        part.map(({ voucher: { channelId, cumulative } }) => ({ channelId, cumulative })),
        part.map(({ voucher }) => voucher.signature),
      ],
    });
    hashes.push(receipt.transactionHash);
    gasUsed += receipt.gasUsed;
    for (const { voucher } of part) collected.set(voucher.channelId, voucher.cumulative);
  };
  for (let at = 0; at < wanted.length; at += channelsAtOnce) {
    const part = wanted.slice(at, at + channelsAtOnce);
    await publish(parts.database, part);
    try {
      await send(part);
    } catch (error) {
      if (!(error instanceof CallRevertedError)) throw error;
      for (const one of part) {
        const result = await collectOne(parts, one, send);
        if (result === undefined) continue;
        if ("collected" in result) collected.set(one.end.channelId, result.collected);
        else failures.push({ channelId: one.end.channelId, ...result });
      }
    }
  }
  return { collected, failures, transactionHashes: hashes, gasUsed };
}

type Failed = Omit<CollectFailure, "channelId">;
type Prepared = { voucher: SignedVoucher; collectedWei: bigint } | { collected: bigint } | Failed;

async function prepare(parts: CollectParts, { channelId, atLeast }: CollectEnd): Promise<Prepared> {
  const kept = await findChannel(parts.database, channelId);
  if (kept === undefined) return { reason: "the channel is not known here", lost: false, collectedWei: 0n };
  const channel = await onChain(parts, kept);
  const collectedWei = channel.collected;
  if (channel.collected >= atLeast) return { collected: channel.collected };
  if (channel.closed) {
    const reason = `the channel was closed when ${channel.collected} of ${atLeast} wei were collected`;
    return { reason, lost: true, collectedWei };
  }
  const voucher = await voucherFor(parts, channel, atLeast);
  if (voucher !== undefined) return { voucher, collectedWei };
  return { reason: `no voucher that still counts covers ${atLeast} wei`, lost: false, collectedWei };
}

/** The chain's own word, because events may not have come through yet. */
async function onChain({ chain, contracts }: CollectParts, kept: Channel): Promise<Channel> {
  const now = await chain.public.readContract({
    ...contracts.PaymentChannels,
    functionName: "channel",
    args: [kept.channelId],
  });
  return {
    ...kept,
    deposit: now.deposit,
    collected: now.collected,
    signer: toHex(now.signer),
    signerLimit: now.signerLimit,
    previousSigner: toHex(now.previousSigner),
    previousLimit: now.previousLimit,
    previousUntilSec: now.previousUntil,
    closesAtSec: now.closesAt,
    closed: now.closed,
  };
}

/** A transaction makes its vouchers public even if it fails: from now on they prove nothing about who sends them. */
async function publish(
  database: Database,
  part: readonly { readonly voucher: SignedVoucher }[],
): Promise<void> {
  await database.transaction(async (tx) => {
    for (const { voucher } of part) {
      await tx.query(
        "update payments.channels set published = greatest(published, $2) where channel_id = $1",
        [voucher.channelId, voucher.cumulative],
      );
    }
  });
}

/** After a batch was refused as a whole: this one alone, on the chain's state as it is now. */
async function collectOne(
  parts: CollectParts,
  one: { end: CollectEnd; voucher: SignedVoucher },
  send: (part: { end: CollectEnd; voucher: SignedVoucher }[]) => Promise<void>,
): Promise<{ collected: bigint } | Failed | undefined> {
  const again = await prepare(parts, one.end);
  if (!("voucher" in again)) return again;
  try {
    await publish(parts.database, [again]);
    await send([{ end: one.end, voucher: again.voucher }]);
    return undefined;
  } catch (error) {
    if (!(error instanceof CallRevertedError)) throw error;
    return { reason: error.message, lost: false, collectedWei: again.collectedWei };
  }
}
