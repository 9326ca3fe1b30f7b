import type { ChainEvent, ProtocolContracts } from "../chain/index.ts";
import { type Address, type Digest, toHex, zeroAddress } from "../protocol/index.ts";
import type { Queries } from "../store/index.ts";

/** A channel as the contract `PaymentChannels` keeps it. Amounts in wei, times in seconds; no signer is the zero address. */
export type ChannelOnChain = {
  readonly channelId: Digest;
  readonly payer: Address;
  readonly payee: Address;
  readonly deposit: bigint;
  readonly collected: bigint;
  readonly signer: Address;
  readonly signerLimit: bigint;
  readonly previousSigner: Address;
  readonly previousLimit: bigint;
  readonly previousUntilSec: number;
  /** 0 while nobody asked to close. */
  readonly closesAtSec: number;
  readonly closed: boolean;
};

/** The same with what this node keeps beside it. */
export type Channel = ChannelOnChain & {
  /** Where the next charge starts, wei of the cumulative amount. */
  readonly charged: bigint;
  /** What requests under way may cost at most. */
  readonly reserved: bigint;
  /** The highest cumulative amount of a voucher that was sent to the chain. */
  readonly published: bigint;
};

export type ChannelEvent = ChainEvent<Pick<ProtocolContracts, "PaymentChannels">>;

/**
 * What an event makes of a channel: the contract's own rules, so that the events alone give what `channel()` returns.
 *
 * @returns undefined for an event of a channel whose opening was never seen
 */
export function applyEvent(
  before: ChannelOnChain | undefined,
  event: ChannelEvent,
): ChannelOnChain | undefined {
  if (event.eventName === "ChannelOpened") {
    const { channelId, payer, payee, deposit, signer, signerLimit } = event.args;
    return {
      channelId: toHex(channelId),
      payer: toHex(payer),
      payee: toHex(payee),
      deposit,
      collected: 0n,
      signer: toHex(signer),
      signerLimit,
      previousSigner: zeroAddress,
      previousLimit: 0n,
      previousUntilSec: 0,
      closesAtSec: 0,
      closed: false,
    };
  }
  if (before === undefined) return undefined;
  switch (event.eventName) {
    case "ToppedUp":
      return { ...before, deposit: event.args.deposit };
    case "SignerSet":
      return withSigner(before, event.args);
    case "Collected":
      return { ...before, collected: event.args.to };
    case "CloseRequested":
      return { ...before, closesAtSec: Number(event.args.closesAt) };
    case "ChannelClosedFor":
      return { ...before, deposit: before.collected, closed: true };
    default:
      return before;
  }
}

function withSigner(
  before: ChannelOnChain,
  { signer, signerLimit, previousUntil }: { signer: Address; signerLimit: bigint; previousUntil: bigint },
): ChannelOnChain {
  const next = { ...before, signer: toHex(signer), signerLimit };
  const raises =
    before.signer === zeroAddress || (before.signer === next.signer && signerLimit >= before.signerLimit);
  if (raises) return next;
  return {
    ...next,
    previousSigner: before.signer,
    previousLimit: before.signerLimit,
    previousUntilSec: Number(previousUntil),
  };
}

/** Whether what was charged may soon not be collectable any more: the channel closes, or a signer's word runs out. */
export function isAtRisk(channel: ChannelOnChain, nowSec: number): boolean {
  return !channel.closed && (channel.closesAtSec !== 0 || channel.previousUntilSec > nowSec);
}

export function leastWei(a: bigint, b: bigint): bigint {
  if (a < b) return a;
  return b;
}

/** What the node may still sell over this channel in the name of its session signer, wei. */
export function remainingOf(channel: Channel): bigint {
  if (channel.closed || channel.closesAtSec !== 0) return 0n;
  const limit = leastWei(channel.signerLimit, channel.deposit);
  const left = limit - channel.charged - channel.reserved;
  return left > 0n ? left : 0n;
}

const columns = `channel_id as "channelId", payer, payee, deposit, collected, signer, signer_limit as "signerLimit",
  previous_signer as "previousSigner", previous_limit as "previousLimit", previous_until_sec as "previousUntilSec",
  closes_at_sec as "closesAtSec", closed, charged, reserved, published`;

/** Undefined for a channel that is not on chain, or whose payee is somebody else. */
export async function findChannel(queries: Queries, channelId: Digest): Promise<Channel | undefined> {
  const [found] = await queries.query<Channel>(
    `select ${columns} from payments.channels where channel_id = $1`,
    [toHex(channelId)],
  );
  return found;
}

/** Writes what the chain says and leaves what this node keeps as it is. */
export async function writeChannel(queries: Queries, channel: ChannelOnChain): Promise<void> {
  await queries.query(
    `insert into payments.channels (channel_id, payer, payee, deposit, collected, signer, signer_limit, previous_signer,
       previous_limit, previous_until_sec, closes_at_sec, closed)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
     on conflict (channel_id) do update set deposit = excluded.deposit, collected = excluded.collected,
       signer = excluded.signer, signer_limit = excluded.signer_limit, previous_signer = excluded.previous_signer,
       previous_limit = excluded.previous_limit, previous_until_sec = excluded.previous_until_sec,
       closes_at_sec = excluded.closes_at_sec, closed = excluded.closed`,
    [
      channel.channelId,
      channel.payer,
      channel.payee,
      channel.deposit,
      channel.collected,
      channel.signer,
      channel.signerLimit,
      channel.previousSigner,
      channel.previousLimit,
      channel.previousUntilSec,
      channel.closesAtSec,
      channel.closed,
    ],
  );
}
