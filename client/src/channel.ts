import { encodeFunctionData } from "viem/utils";
import {
  type Address,
  channelId,
  type Digest,
  domain,
  type Hex,
  type Signer,
  sameHex,
  signVoucher,
  toHex,
  zeroAddress,
} from "../../src/protocol/index.ts";
import { type Channel, channelSchema, type Network } from "./answers.ts";
import type { Pay } from "./chat.ts";
import { OpenLedgerError } from "./errors.ts";
import { type Http, jsonBody, jsonType } from "./http.ts";

/** Paying by vouchers: for every answer the payer signs how much of the channel may have been collected in total. */
export type ChannelPayment = {
  readonly channelId: Digest;
  /** Signs for the payer: a viem account, or a function that asks a wallet. */
  readonly signer: Signer;
  /** What one answer may cost at most, wei; a voucher is for so much more than what was charged before. */
  readonly maxWeiPerAnswer: bigint;
  /** Nothing is ever signed beyond this cumulative amount, wei; the deposit unless given. */
  readonly limitWei?: bigint;
};

/** What opens a channel: hand it to any wallet as a transaction. */
export type ChannelCall = {
  readonly to: Address;
  readonly data: Hex;
  /** The deposit, wei. */
  readonly value: bigint;
  readonly chainId: number;
  /** The channel that it opens. */
  readonly channelId: Digest;
};

const openAbi = [
  {
    type: "function",
    name: "open",
    inputs: [
      { name: "payee", type: "address" },
      { name: "signer", type: "address" },
      { name: "signerLimit", type: "uint96" },
      { name: "salt", type: "bytes32" },
    ],
    outputs: [{ name: "channelId", type: "bytes32" }],
    stateMutability: "payable",
  },
] as const;

/**
 * The transaction that opens a payment channel to the network's operator.
 *
 * @param options.payer whose wallet sends it
 * @param options.depositWei what goes into the channel
 * @param options.signer who may sign besides the payer, up to `limitWei`: an API key's signer, or nobody
 * @param options.salt makes the channel's id unique; random unless given
 *
 * @example
 * const { channelId, ...transaction } = openChannelCall(await client.network(), { payer, depositWei: 10n ** 18n });
 * await wallet.sendTransaction(transaction);
 */
export function openChannelCall(
  network: Network,
  options: {
    readonly payer: Address;
    readonly depositWei: bigint;
    readonly signer?: Address;
    readonly limitWei?: bigint;
    readonly salt?: Digest;
  },
): ChannelCall {
  const { payer, depositWei, signer = zeroAddress, salt = randomSalt() } = options;
  const limitWei = options.limitWei ?? (signer === zeroAddress ? 0n : depositWei);
  const args = [network.operator, signer, limitWei, salt] as const;
  return {
    to: network.contracts.PaymentChannels,
    data: encodeFunctionData({ abi: openAbi, functionName: "open", args }),
    value: depositWei,
    chainId: network.chainId,
    channelId: channelId(toHex(payer), network.operator, salt),
  };
}

function randomSalt(): Digest {
  return toHex(crypto.getRandomValues(new Uint8Array(32)));
}

export function readChannel(http: Http, id: Digest): Promise<Channel> {
  return http.json(channelSchema, `/v1/channels/${id}`);
}

/** Signs a voucher for each request, never beyond the limit and never for another network. */
export function voucherPay(http: Http, network: () => Promise<Network>, payment: ChannelPayment): Pay {
  return async () => {
    const { maxWeiPerAnswer } = payment;
    const [channel, known] = await Promise.all([readChannel(http, payment.channelId), network()]);
    const wanted = channel.chargedWei + channel.reservedWei + maxWeiPerAnswer;
    const cap = least(payment.limitWei ?? channel.depositWei, channel.depositWei);
    const cumulative = least(wanted > channel.voucherAboveWei ? wanted : channel.voucherAboveWei + 1n, cap);
    if (cumulative <= channel.voucherAboveWei || cumulative <= channel.chargedWei + channel.reservedWei)
      throw new OpenLedgerError(
        0,
        "over-limit",
        `Channel ${channel.channelId} is used up: ${channel.chargedWei + channel.reservedWei} of ${cap} wei are spent or set aside. Open another, or raise limitWei.`,
        { details: { expectedWei: wanted.toString(), actualWei: cap.toString() } },
      );
    const { signature } = await sign(known, payment, cumulative);
    return { "openledger-voucher": `${payment.channelId}:${cumulative}:${signature}` };
  };
}

/** Signs for exactly `cumulative` and hands the voucher in, so that no larger one needs to be collected. */
export async function handInVoucher(
  http: Http,
  network: Network,
  payment: ChannelPayment,
  cumulative: bigint,
): Promise<Channel> {
  const { signature } = await sign(network, payment, cumulative);
  return http.json(channelSchema, `/v1/channels/${payment.channelId}/vouchers`, {
    method: "POST",
    headers: jsonType,
    body: jsonBody({ cumulative: cumulative.toString(), signature }),
  });
}

async function sign(
  network: Network,
  { channelId: id, signer, limitWei }: ChannelPayment,
  cumulative: bigint,
) {
  if (limitWei !== undefined && cumulative > limitWei)
    throw new OpenLedgerError(
      0,
      "over-limit",
      `A voucher for ${cumulative} wei is beyond the limit of ${limitWei} wei.`,
    );
  const voucher = { channelId: id, cumulative };
  const signature = await signVoucher(
    domain(network.chainId, network.contracts.PaymentChannels),
    voucher,
    signer,
  );
  return { ...voucher, signature };
}

/** @throws OpenLedgerError unless the node's network is the one that was meant */
export function assertNetwork(found: Network, expected: Partial<Network> | undefined): Network {
  if (expected === undefined) return found;
  const pairs: readonly (readonly [string, string | number | undefined, string | number])[] = [
    ["chain", expected.chainId, found.chainId],
    ["operator", expected.operator, found.operator],
    ["AttributionLedger", expected.contracts?.AttributionLedger, found.contracts.AttributionLedger],
    ["PaymentChannels", expected.contracts?.PaymentChannels, found.contracts.PaymentChannels],
    ["DatanetRegistry", expected.contracts?.DatanetRegistry, found.contracts.DatanetRegistry],
  ];
  for (const [what, wanted, got] of pairs) {
    const same = wanted === undefined || sameHex(String(wanted) as Hex, String(got) as Hex);
    if (!same)
      throw new OpenLedgerError(
        0,
        "wrong-network",
        `The node's ${what} is ${got}; expected ${wanted}. Nothing was signed.`,
        {
          details: { expected: String(wanted), actual: String(got) },
        },
      );
  }
  return found;
}

const least = (a: bigint, b: bigint) => (a < b ? a : b);
