import type { Command } from "commander";
import type { Address } from "viem";
import type { AddEthereumChainParameter } from "../chain/index.ts";
import { toHex } from "../protocol/index.ts";
import { formatOpen, parsePositiveOpen } from "./amount.ts";
import { CliError } from "./errors.ts";
import { readVotes } from "./gov-votes.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import {
  assertChain,
  assertFunds,
  type NetworkAnswer,
  networkOf,
  now,
  openChain,
  openPurse,
} from "./purse.ts";
import { settingsFromEnvironment } from "./settings.ts";
import { readPositions } from "./stake-pool.ts";
import { subcommand } from "./subcommand.ts";
import { pairs, table } from "./table.ts";
import {
  addressArgument,
  knownAddress,
  recipientArgument,
  walletAccount,
  walletAccounts,
  withAccount,
} from "./wallet-account.ts";
import { defineKeyCommands } from "./wallet-key.ts";

/** `openledger wallet address|balance|list|send|faucet|network|export|import`: your own accounts. */
export function define(command: Command, io: Io): void {
  withAccount(
    subcommand(command, "address", "Show the address of an account of your wallet"),
    "account",
  ).action(({ as }: { as: string }) => {
    const address = toHex(walletAccount(settingsFromEnvironment(), as, io).address);
    io.result({ name: as, address }, address);
  });
  withAccount(
    subcommand(command, "balance", "Show what an account has: OPEN, its tokens, votes, stake"),
    "account, unless an address is given",
  )
    .argument("[address]", "whose", addressArgument)
    .action((address: Address | undefined, { as }: { as: string }) => balance(io, address, as));
  subcommand(command, "list", "List the accounts of your wallet and what they have").action(() => list(io));
  withAccount(subcommand(command, "send", "Send OPEN"))
    .argument("<address>", "who receives it", recipientArgument)
    .argument("<amount>", "how much OPEN", parsePositiveOpen)
    .action((to: Address, wei: bigint, { as }: { as: string }) => send(io, to, wei, as));
  withAccount(
    subcommand(command, "faucet", "Get OPEN on a local network, as the node's operator"),
    "account that receives it",
  )
    .argument("[amount]", "how much OPEN; 100 unless given", parsePositiveOpen)
    .option("--to <address>", "somebody else receives it", recipientArgument)
    .action((wei: bigint | undefined, { as, to }: { as: string; to?: Address }) =>
      faucet(io, wei ?? parsePositiveOpen("100"), as, to),
    );
  subcommand(command, "network", "Show what a browser wallet needs to add this network (EIP-3085)").action(
    () => network(io),
  );
  defineKeyCommands(command, io);
}

async function balance(io: Io, given: Address | undefined, as: string): Promise<void> {
  const node = connect();
  const chain = await openChain(node);
  const address = given ?? knownAddress(node.settings, as, io);
  const { WOPEN } = chain.contracts;
  const [balanceWei, wopenWei, votes, positions] = await Promise.all([
    chain.public.getBalance({ address, ...now }),
    chain.public.readContract({ ...WOPEN, functionName: "balanceOf", args: [address], ...now }),
    readVotes(chain, address),
    readPositions(chain, address),
  ]);
  const stakedWei = positions.reduce((sum, { bondedWei }) => sum + bondedWei, 0n);
  const leavingWei = positions.reduce((sum, { unbondingWei }) => sum + unbondingWei, 0n);
  io.result(
    {
      address,
      balanceWei,
      wopenWei,
      gopenWei: votes.lockedWei,
      votesWei: votes.votesWei,
      stakedWei,
      leavingWei,
    },
    pairs([
      ["account", address],
      ["OPEN", formatOpen(balanceWei)],
      ["WOPEN", formatOpen(wopenWei)],
      ["GOPEN", formatOpen(votes.lockedWei)],
      ["votes", formatOpen(votes.votesWei)],
      ["staked", formatOpen(stakedWei)],
      ["leaving a pool", formatOpen(leavingWei)],
    ]),
  );
}

async function list(io: Io): Promise<void> {
  const node = connect();
  const chain = await openChain(node);
  const accounts = await Promise.all(
    walletAccounts(node.settings).map(async (account) => ({
      ...account,
      balanceWei: await chain.public.getBalance({ address: account.address }),
    })),
  );
  io.result(
    { accounts },
    accounts.length === 0
      ? "Your wallet has no account yet.\n→ ./openledger wallet address"
      : table(accounts, [
          ["Name", ({ name, imported }) => (imported ? `${name} (imported)` : name)],
          ["Address", ({ address }) => address],
          ["OPEN", ({ balanceWei }) => formatOpen(balanceWei), "number"],
        ]),
  );
}

async function send(io: Io, to: Address, wei: bigint, as: string): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  await assertFunds(purse, wei);
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

type NetworkJson = NetworkAnswer & { readonly addEthereumChain: AddEthereumChainParameter };

async function network(io: Io): Promise<void> {
  const node = connect();
  const { network, addEthereumChain } = await node.get<NetworkJson>("/v1/network");
  assertChain(node, network.chainId);
  // As this machine reaches the node: what the node listens on may be another name.
  const rpcUrl = `${node.url}/rpc`;
  const webSocketUrl = rpcUrl.replace(/^http/, "ws");
  const parameter = { ...addEthereumChain, rpcUrls: [rpcUrl] };
  io.result(
    {
      addEthereumChain: parameter,
      rpcUrl,
      webSocketUrl,
      chainId: network.chainId,
      contracts: network.contracts,
    },
    [
      pairs([
        ["network", network.name],
        ["chain id", network.chainId],
        ["RPC", rpcUrl],
        ["WebSocket", webSocketUrl],
        ["currency", `${network.nativeCurrency.symbol}, ${network.nativeCurrency.decimals} decimals`],
        ...Object.entries(network.contracts),
      ]),
      "",
      "For wallet_addEthereumChain (EIP-3085):",
      JSON.stringify(parameter),
    ].join("\n"),
  );
}
