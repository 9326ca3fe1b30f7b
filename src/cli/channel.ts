import { setTimeout as pause } from "node:timers/promises";
import { type Command, InvalidArgumentError } from "commander";
import type { Address } from "viem";
import { formatVoucher, openChannel } from "../payments/index.ts";
import { type Digest, domain, sameHex, signVoucher, toHex } from "../protocol/index.ts";
import { formatOpen, parsePositiveOpen } from "./amount.ts";
import { defineRefund } from "./channel-refund.ts";
import {
  type ChannelJson,
  channelArgument,
  channelPairs,
  leftWei,
  readChannel,
  showState,
} from "./channel-view.ts";
import { explainRevert } from "./contract-errors.ts";
import { showTime } from "./dates.ts";
import { CliError } from "./errors.ts";
import { ApiError, connect, type NodeClient } from "./http.ts";
import type { Io } from "./io.ts";
import { everyEvent } from "./logs.ts";
import { assertFunds, now, openChain, openPurse, type Purse, transact } from "./purse.ts";
import { subcommand } from "./subcommand.ts";
import { pairs, table } from "./table.ts";
import { addressArgument, asOption, knownAddress, withAccount } from "./wallet-account.ts";

/** `openledger channel open|list|show|topup|spend|close|refund`: deposits that are spent by signatures. */
export function define(command: Command, io: Io): void {
  command.addHelpText(
    "after",
    "\nA channel is a deposit. A voucher says how much of it, in total, the payee may collect; a later voucher replaces an earlier\none. An API key is a channel too: './openledger key create' opens it with a signer that the node holds.",
  );
  withAccount(subcommand(command, "open", "Open a channel with a deposit"), "account that pays")
    .argument("<payee>", "who may collect: 'operator', or an address", payeeArgument)
    .argument("<amount>", "OPEN that goes in; what is not collected comes back", parsePositiveOpen)
    .action((payee: Address | "operator", wei: bigint, { as }: { as: string }) => open(io, payee, wei, as));
  withAccount(subcommand(command, "list", "List your channels"), "account that pays")
    .option("--payer <address>", "somebody else's", addressArgument)
    .action((options: { as: string; payer?: Address }) => list(io, options));
  subcommand(command, "show", "Show a channel, on chain and at the node")
    .argument("<channel>", "the channel's id", channelArgument)
    .action((id: Digest) => show(io, id));
  withAccount(subcommand(command, "topup", "Add to a channel's deposit"), "account that pays")
    .argument("<channel>", "the channel's id", channelArgument)
    .argument("<amount>", "how much OPEN", parsePositiveOpen)
    .action((id: Digest, wei: bigint, { as }: { as: string }) => topUp(io, id, wei, as));
  withAccount(subcommand(command, "spend", "Sign a voucher by hand, and print it"), "payer or signer")
    .argument("<channel>", "the channel's id", channelArgument)
    .argument(
      "<amount>",
      "OPEN that may have been collected in total, since the channel was opened",
      parsePositiveOpen,
    )
    .option("--on-top", "the amount comes on top of what the node says it has charged so far")
    .addHelpText("after", "\nSend what it prints as the header OpenLedger-Voucher along with a request.")
    .action((id: Digest, wei: bigint, options: { as: string; onTop?: boolean }) =>
      spend(io, id, wei, options),
    );
  withAccount(subcommand(command, "close", "Ask to close a channel; after the timeout, close it"), "payer")
    .argument("<channel>", "the channel's id", channelArgument)
    .option("--wait", "wait for the timeout, then close")
    .action((id: Digest, options: { as: string; wait?: boolean }) => close(io, id, options));
  defineRefund(command, io);
}

function payeeArgument(text: string): Address | "operator" {
  if (text === "operator") return text;
  try {
    return addressArgument(text);
  } catch {
    throw new InvalidArgumentError("A payee is 'operator', or 0x and 40 hex digits.");
  }
}

async function open(io: Io, given: Address | "operator", depositWei: bigint, as: string): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  await assertFunds(purse, depositWei);
  const payee = given === "operator" ? purse.operator : given;
  const { channelId, transactionHash } = await openChannel(purse, purse.contracts, {
    payee,
    depositWei,
  }).catch((error) => {
    throw explainRevert(error);
  });
  io.result(
    { channelId, payee, depositWei, transactionHash },
    `Channel ${channelId} to ${payee} holds ${formatOpen(depositWei)} OPEN.\n→ ./openledger channel spend ${channelId} 1${asOption(as)}`,
  );
}

async function list(io: Io, { as, payer: given }: { as: string; payer?: Address }): Promise<void> {
  const node = connect();
  const chain = await openChain(node);
  const payer = given ?? knownAddress(node.settings, as, io);
  const opened = await everyEvent(chain, (range) =>
    chain.public.getContractEvents({
      ...chain.contracts.PaymentChannels,
      eventName: "ChannelOpened",
      args: { payer },
      strict: true,
      ...range,
    }),
  );
  const channels = await Promise.all(opened.map(({ args }) => readChannel(chain, toHex(args.channelId))));
  io.result(
    { payer, channels },
    channels.length === 0
      ? `${payer} has no channel.\n→ ./openledger channel open operator 10${asOption(as)}`
      : table(channels, [
          ["Channel", ({ channelId }) => channelId],
          ["Payee", ({ payee }) => (sameHex(payee, chain.operator) ? "operator" : payee)],
          ["Deposit", ({ depositWei }) => formatOpen(depositWei), "number"],
          ["Left", (channel) => formatOpen(leftWei(channel)), "number"],
          ["State", showState],
        ]),
  );
}

/** What the node keeps beside a channel that pays its operator; `undefined` for any other. */
type AtNode = { readonly chargedWei: string; readonly reservedWei: string };

async function atNode(node: NodeClient, id: Digest): Promise<AtNode | undefined> {
  try {
    return await node.get<AtNode>(`/v1/channels/${id}`);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

async function show(io: Io, id: Digest): Promise<void> {
  const node = connect();
  const chain = await openChain(node);
  const [channel, kept] = await Promise.all([readChannel(chain, id), atNode(node, id)]);
  const { chargedWei = null, reservedWei = null } = kept ?? {};
  const own: [string, string][] =
    chargedWei === null || reservedWei === null
      ? []
      : [
          ["charged", `${formatOpen(BigInt(chargedWei))} OPEN by this node`],
          ["reserved", `${formatOpen(BigInt(reservedWei))} OPEN for requests under way`],
        ];
  io.result({ ...channel, chargedWei, reservedWei }, pairs([...channelPairs(channel), ...own]));
}

async function topUp(io: Io, id: Digest, wei: bigint, as: string): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  await readChannel(purse, id);
  const { transactionHash } = await transact(purse, {
    ...purse.contracts.PaymentChannels,
    functionName: "topUp",
    args: [id],
    value: wei,
  });
  const channel = await readChannel(purse, id);
  io.result(
    { ...channel, transactionHash },
    `Channel ${id} holds ${formatOpen(channel.depositWei)} OPEN; ${formatOpen(leftWei(channel))} of them are left.`,
  );
}

async function spend(
  io: Io,
  id: Digest,
  wei: bigint,
  { as, onTop = false }: { as: string; onTop?: boolean },
) {
  const node = connect();
  const purse = await openPurse(node, as, io);
  const channel = await readChannel(purse, id);
  assertMaySign(channel, purse);
  const charged = onTop ? BigInt((await atNode(node, id))?.chargedWei ?? channel.collectedWei) : 0n;
  const cumulative = charged + wei;
  const bySigner = channel.signer !== null && sameHex(channel.signer, purse.account.address);
  const limit = bySigner ? least(channel.signerLimitWei, channel.depositWei) : channel.depositWei;
  if (cumulative > limit)
    throw new CliError("The voucher would be worth more than can be collected with it.", {
      expected: `at most ${formatOpen(limit)} OPEN in total`,
      actual: `${formatOpen(cumulative)} OPEN${onTop ? `, of which ${formatOpen(charged)} were charged before` : ""}`,
      fix: [`./openledger channel topup ${id} <amount>${asOption(as)}`],
      code: "beyond-deposit",
    });
  const voucherDomain = domain(purse.chain.id, toHex(purse.contracts.PaymentChannels.address));
  const signature = await signVoucher(voucherDomain, { channelId: id, cumulative }, purse.account as never);
  const voucher = formatVoucher({ channelId: id, cumulative, signature });
  io.note(`Worth ${formatOpen(cumulative)} OPEN in total.`);
  io.result({ channelId: id, cumulativeWei: cumulative, signature, voucher }, voucher);
}

const least = (a: bigint, b: bigint) => (a < b ? a : b);

function assertMaySign({ payer, signer }: ChannelJson, { account, name }: Purse): void {
  if (sameHex(payer, account.address) || (signer !== null && sameHex(signer, account.address))) return;
  throw new CliError(`Your account "${name}" may not sign for this channel.`, {
    expected: signer === null ? `the payer ${payer}` : `the payer ${payer} or the signer ${signer}`,
    actual: toHex(account.address),
    fix: ["Name the payer's account of your wallet with --as."],
    code: "not-payer",
  });
}

async function close(
  io: Io,
  id: Digest,
  { as, wait = false }: { as: string; wait?: boolean },
): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  let channel = await readChannel(purse, id);
  if (channel.state === "open") {
    await transact(purse, { ...purse.contracts.PaymentChannels, functionName: "requestClose", args: [id] });
    channel = await readChannel(purse, id);
  } else if (channel.state === "closed")
    throw new CliError(`Channel ${id} is closed already.`, { code: "channel-closed" });
  const { timestamp } = await purse.public.getBlock(now);
  const waitSeconds = (channel.closesAtSec as number) - Number(timestamp);
  if (waitSeconds > 0 && !wait) {
    io.result(
      channel,
      `Channel ${id} can be closed from ${showTime(channel.closesAtSec as number)}; until then its payee may collect.\n→ ./openledger channel close ${id} --wait${asOption(as)}`,
    );
    return;
  }
  if (waitSeconds > 0) {
    io.note(`Waiting until ${showTime(channel.closesAtSec as number)} …`);
    await pause(waitSeconds * 1_000 + 500);
  }
  const refundWei = leftWei(await readChannel(purse, id));
  const { transactionHash } = await transact(purse, {
    ...purse.contracts.PaymentChannels,
    functionName: "close",
    args: [id],
  });
  io.result(
    { ...(await readChannel(purse, id)), refundWei, transactionHash },
    `Channel ${id} is closed; ${formatOpen(refundWei)} OPEN went back to ${channel.payer}.`,
  );
}
