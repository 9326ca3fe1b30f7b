/** Payment channels of an account: what the chain holds, what the node has charged, and what their payer can do with them. */
import { queryOptions } from "@tanstack/react-query";
import type { Address, Hex } from "viem";
import { ApiError, api, ask } from "../../api/client.ts";
import { type ChainView, chainView, everyEvent, now, transact } from "../../chain/view.ts";
import type { Channel } from "./channel.ts";

const nobody: Address = "0x0000000000000000000000000000000000000000";

async function chargedOf(channelId: Hex) {
  try {
    const path = { params: { path: { channelId } } };
    const { chargedWei, reservedWei } = await ask(api.GET("/v1/channels/{channelId}", path));
    return { charged: BigInt(chargedWei), reserved: BigInt(reservedWei) };
  } catch (error) {
    // It pays somebody else, or this node has not heard of it yet.
    if (error instanceof ApiError && error.status === 404) return { charged: 0n, reserved: 0n };
    throw error;
  }
}

async function read(view: ChainView, channelId: Hex): Promise<Channel> {
  const { at, operator } = view;
  const args = [channelId] as const;
  const [found, [{ settled, refundAt }], { charged, reserved }] = await Promise.all([
    view.public.readContract({ ...at.PaymentChannels, functionName: "channel", args, ...now }),
    view.public.readContract({ ...at.AttributionLedger, functionName: "channelState", args, ...now }),
    chargedOf(channelId),
  ]);
  const { payee, deposit, collected, signer, signerLimit, previousUntil, closesAt, closed } = found;
  return {
    ...{ channelId, payee, deposit, collected, signerLimit, previousUntil, closesAt, closed, reserved },
    here: payee.toLowerCase() === operator.toLowerCase(),
    spent: charged > collected && !closed ? charged : collected,
    signer: signer === nobody ? null : signer,
    unsettled: collected - settled,
    refundAt,
  };
}

/** The channels that an account has opened, the newest first, and how long a closing takes, seconds. */
export const channelsQuery = (payer: Address) =>
  queryOptions({
    queryKey: ["channels of", payer],
    queryFn: async () => {
      const view = await chainView();
      const { PaymentChannels, ProtocolParameters } = view.at;
      const [opened, closing] = await Promise.all([
        everyEvent(view, (range) =>
          view.public.getContractEvents({
            ...PaymentChannels,
            eventName: "ChannelOpened",
            args: { payer },
            strict: true,
            ...range,
          }),
        ),
        view.public.readContract({ ...ProtocolParameters, functionName: "closeTimeoutSeconds", ...now }),
      ]);
      const ids = opened.map(({ args }) => args.channelId).reverse();
      return {
        channels: await Promise.all(ids.map((id) => read(view, id))),
        closingSeconds: Number(closing),
      };
    },
    refetchInterval: 15_000,
  });

/** Adds to the deposit. */
export async function topUp(channelId: Hex, wei: bigint): Promise<void> {
  await transact((await chainView()).at.PaymentChannels, "topUp", [channelId], wei);
}

/** Says how much the key may have spent in all; with nobody, takes it away. */
export async function setLimit(channelId: Hex, signer: Address | null, limitWei: bigint): Promise<void> {
  const { at } = await chainView();
  await transact(at.PaymentChannels, "setSigner", [channelId, signer ?? nobody, limitWei]);
}

export async function askToClose(channelId: Hex): Promise<void> {
  await transact((await chainView()).at.PaymentChannels, "requestClose", [channelId]);
}

/** Closes it once its time has come: what was not collected comes back. */
export async function close(channelId: Hex): Promise<void> {
  await transact((await chainView()).at.PaymentChannels, "close", [channelId]);
}

/** Begins the wait after which what was collected and never settled comes back. */
export async function startRefund(channelId: Hex): Promise<void> {
  await transact((await chainView()).at.AttributionLedger, "startRefund", [channelId]);
}

/** Takes back what was collected and never settled. */
export async function takeRefund(channelId: Hex, payer: Address): Promise<void> {
  const { at } = await chainView();
  await transact(at.AttributionLedger, "refund", [channelId]);
  await transact(at.AttributionLedger, "withdrawCredit", [payer]);
}
