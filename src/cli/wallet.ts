import type { Command } from "commander";
import type { Address } from "viem";
import { toHex } from "../protocol/index.ts";
import { formatOpen, parsePositiveOpen } from "./amount.ts";
import { CliError } from "./errors.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { settingsFromEnvironment } from "./settings.ts";
import { subcommand } from "./subcommand.ts";
import {
  addressArgument,
  assertFunds,
  networkOf,
  openPurse,
  walletAccount,
  withAccount,
} from "./wallet-account.ts";

/** `openledger wallet address|send|faucet`: your own accounts. */
export function define(command: Command, io: Io): void {
  withAccount(
    subcommand(command, "address", "Show the address of an account of your wallet"),
    "account",
  ).action(({ as }: { as: string }) => {
    const address = toHex(walletAccount(settingsFromEnvironment(), as, io).address);
    io.result({ name: as, address }, address);
  });
  withAccount(subcommand(command, "send", "Send OPEN"))
    .argument("<address>", "who receives it", addressArgument)
    .argument("<amount>", "how much OPEN", parsePositiveOpen)
    .action((to: Address, wei: bigint, { as }: { as: string }) => send(io, to, wei, as));
  withAccount(
    subcommand(command, "faucet", "Get OPEN on a local network, as the node's operator"),
    "account that receives it",
  )
    .argument("[amount]", "how much OPEN; 100 unless given", parsePositiveOpen)
    .option("--to <address>", "somebody else receives it", addressArgument)
    .action((wei: bigint | undefined, { as, to }: { as: string; to?: Address }) =>
      faucet(io, wei ?? parsePositiveOpen("100"), as, to),
    );
}

async function send(io: Io, to: Address, wei: bigint, as: string): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  await assertFunds(purse, wei, as);
  const transactionHash = await purse.send({ to, value: wei });
  const receipt = await purse.waitForReceipt(transactionHash);
  if (receipt.status !== "success")
    throw new CliError(`The transaction ${transactionHash} reverted: ${to} does not take it.`);
  io.result(
    { from: toHex(purse.account.address), to, amountWei: wei, transactionHash },
    `Sent ${formatOpen(wei)} OPEN to ${to} in ${transactionHash}.`,
  );
}

async function faucet(io: Io, wei: bigint, as: string, to?: Address): Promise<void> {
  const node = connect();
  await networkOf(node);
  const address = to ?? toHex(walletAccount(node.settings, as, io).address);
  const given = await node.post<{ address: string; amountWei: string }>(
    "/v1/faucet",
    { address, amountWei: wei.toString() },
    { operator: true },
  );
  io.result(given, `${formatOpen(wei)} OPEN went to ${address}.`);
}
