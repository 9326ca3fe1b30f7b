import { InvalidArgumentError } from "commander";
import type { Address } from "viem";
import { type Digest, toHex, zeroAddress } from "../protocol/index.ts";
import { formatOpen } from "./amount.ts";
import { showTime } from "./dates.ts";
import { CliError } from "./errors.ts";
import type { ChainView } from "./purse.ts";

/** The id of a channel, lower-case. */
export function channelArgument(text: string): Digest {
  if (/^0x[0-9a-fA-F]{64}$/.test(text)) return text.toLowerCase() as Digest;
  throw new InvalidArgumentError("A channel is named by 0x and 64 hex digits.");
}

export type ChannelState = "open" | "closing" | "closed";

/** A channel as the contract has it. Amounts in wei, times in seconds. */
export type ChannelJson = {
  readonly channelId: Digest;
  readonly state: ChannelState;
  readonly payer: Address;
  readonly payee: Address;
  readonly depositWei: bigint;
  readonly collectedWei: bigint;
  /** Who may sign besides the payer. */
  readonly signer: Address | null;
  readonly signerLimitWei: bigint;
  readonly closesAtSec: number | null;
};

/** @throws CliError when there is no such channel */
export async function readChannel(chain: ChainView, channelId: Digest): Promise<ChannelJson> {
  const channel = await chain.public.readContract({
    ...chain.contracts.PaymentChannels,
    functionName: "channel",
    args: [channelId],
  });
  if (channel.payer === zeroAddress)
    throw new CliError(`There is no channel ${channelId}.`, {
      fix: ["./openledger channel list"],
      code: "unknown-channel",
    });
  return {
    channelId,
    state: channel.closed ? "closed" : channel.closesAt === 0 ? "open" : "closing",
    payer: toHex(channel.payer),
    payee: toHex(channel.payee),
    depositWei: channel.deposit,
    collectedWei: channel.collected,
    signer: channel.signer === zeroAddress ? null : toHex(channel.signer),
    signerLimitWei: channel.signerLimit,
    closesAtSec: channel.closesAt === 0 || channel.closed ? null : channel.closesAt,
  };
}

export const leftWei = ({ depositWei, collectedWei }: ChannelJson) => depositWei - collectedWei;

/** What a channel is in, in words. */
export function showState({ state, closesAtSec }: ChannelJson): string {
  return closesAtSec === null ? state : `closing, can be closed from ${showTime(closesAtSec)}`;
}

export function channelPairs(channel: ChannelJson): [string, string][] {
  const { channelId, payer, payee, depositWei, collectedWei, signer, signerLimitWei } = channel;
  return [
    ["channel", channelId],
    ["state", showState(channel)],
    ["payer", payer],
    ["payee", payee],
    ["deposit", `${formatOpen(depositWei)} OPEN`],
    ["collected", `${formatOpen(collectedWei)} OPEN`],
    ["left", `${formatOpen(leftWei(channel))} OPEN`],
    ["signer", signer === null ? "the payer alone" : `${signer}, up to ${formatOpen(signerLimitWei)} OPEN`],
  ];
}
