import type { Command } from "commander";
import type { Address } from "viem";
import { toHex } from "../protocol/index.ts";
import { formatOpen } from "./amount.ts";
import { CliError } from "./errors.ts";
import { connect, type NodeClient } from "./http.ts";
import type { Io } from "./io.ts";
import { networkOf } from "./purse.ts";
import { pairs, table } from "./table.ts";
import { addressArgument, knownAddress, withAccount } from "./wallet-account.ts";

type BalanceJson = {
  readonly payee: string;
  readonly pendingWei: string;
  readonly settledWei: string;
  readonly claimableWei: string;
  readonly claimedWei: string;
  readonly claims: readonly {
    readonly transactionHash: string;
    readonly number: number;
    readonly amountWei: string;
    readonly claimedAtSec: number;
  }[];
};

/** `openledger balance`: what an account has, and what it has earned. */
export function define(command: Command, io: Io): void {
  withAccount(command, "account of your wallet, unless an address is given")
    .argument("[address]", "whose balance", addressArgument)
    .action(async (given: Address | undefined, { as }: { as: string }) => {
      const node = connect();
      await networkOf(node);
      const address = given ?? knownAddress(node.settings, as, io);
      const [wei, earned] = await Promise.all([
        balanceOf(node, address),
        node.get<BalanceJson>(`/v1/balances/${address}`),
      ]);
      io.result({ address, balanceWei: wei, ...earned }, show(address, wei, earned));
    });
}

/** What final batches owe an address and nobody has claimed for it yet, wei. */
export async function unclaimedWei(node: NodeClient, address: Address): Promise<bigint> {
  const { claimableWei } = await node.get<BalanceJson>(`/v1/balances/${toHex(address)}`);
  return BigInt(claimableWei);
}

/** What to do about it before a contract can divide it: nothing to say when nothing waits. */
export const unclaimedLines = (address: Address, wei: bigint): string[] =>
  wei === 0n
    ? []
    : [
        `${formatOpen(wei)} OPEN wait in the ledger to be divided here; anyone may bring them:`,
        `./openledger claim ${toHex(address)}`,
      ];

async function balanceOf(node: NodeClient, address: Address): Promise<bigint> {
  const { result, error } = await node.post<{ result?: string; error?: { message?: string } }>("/rpc", {
    jsonrpc: "2.0",
    id: 1,
    method: "eth_getBalance",
    params: [address, "latest"],
  });
  if (typeof result !== "string")
    throw new CliError(`The chain does not tell the balance of ${address}.`, {
      actual: error?.message ?? "no result",
    });
  return BigInt(result);
}

function show(address: string, wei: bigint, earned: BalanceJson): string {
  const open = (text: string) => `${formatOpen(BigInt(text))} OPEN`;
  const claims = table(earned.claims, [
    ["Claimed, OPEN", ({ amountWei }) => formatOpen(BigInt(amountWei)), "number"],
    ["Batch", ({ number }) => number, "number"],
    [
      "Time",
      ({ claimedAtSec }) => new Date(claimedAtSec * 1_000).toISOString().slice(0, 19).replace("T", " "),
    ],
    ["Transaction", ({ transactionHash }) => transactionHash],
  ]);
  return [
    pairs([
      ["account", address],
      ["has", `${formatOpen(wei)} OPEN`],
      ["earned, not settled", open(earned.pendingWei)],
      ["earned, not final", open(earned.settledWei)],
      ["to be claimed", open(earned.claimableWei)],
      ["claimed", open(earned.claimedWei)],
    ]),
    ...(earned.claims.length === 0 ? [] : ["", claims]),
    ...(BigInt(earned.claimableWei) > 0n ? ["", `→ ./openledger claim ${address}`] : []),
  ].join("\n");
}
