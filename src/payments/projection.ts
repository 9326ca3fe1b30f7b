import type { ProtocolContracts } from "../chain/index.ts";
import { type Address, sameHex, toHex } from "../protocol/index.ts";
import type { Jobs, Transaction } from "../store/index.ts";
import { applyEvent, type ChannelEvent, findChannel, isAtRisk, writeChannel } from "./channel.ts";

/** The kind of job that brings a channel's vouchers to the chain before they stop being good. */
export const collectJob = "payments.collect";

export type CollectPayload = { readonly channelId: `0x${string}` };

type Parts = { readonly operator: Address; readonly jobs: Jobs };

/**
 * Writes what the events of `PaymentChannels` say about channels whose payee is the operator, and asks for a collection
 * where money that was charged could be lost otherwise.
 */
export async function projectChannels(
  { operator, jobs }: Parts,
  events: readonly ChannelEvent[],
  tx: Transaction,
): Promise<void> {
  for (const event of events) {
    if (!("channelId" in event.args)) continue;
    if (event.eventName === "ChannelOpened" && !sameHex(event.args.payee, operator)) continue;
    const before = await findChannel(tx, toHex(event.args.channelId));
    const after = applyEvent(before, event);
    if (after === undefined) continue;
    await writeChannel(tx, after);
    const charged = before?.charged ?? 0n;
    if (isAtRisk(after, event.blockTimestampSec) && charged > after.collected)
      await askToCollect(jobs, tx, after.channelId, charged);
  }
}

/** Asked once for every amount: a channel that is charged again while it closes is collected again. */
export async function askToCollect(
  jobs: Jobs,
  tx: Transaction,
  channelId: `0x${string}`,
  charged: bigint,
): Promise<void> {
  const payload: CollectPayload = { channelId };
  await jobs.enqueue(tx, collectJob, `${channelId}:${charged}`, payload);
}

/** What is followed: to be spread into `followEvents`. */
export function followedChannels(contracts: Pick<ProtocolContracts, "PaymentChannels">) {
  return { PaymentChannels: contracts.PaymentChannels };
}
