import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import type { Address, LocalAccount } from "viem";
import {
  type ChainWriter,
  chainClients,
  localNetwork,
  type Network,
  openKeystore,
  type ProtocolContracts,
  protocolAbis,
  protocolContracts,
} from "../chain/index.ts";
import { toHex } from "../protocol/index.ts";
import { formatOpen } from "./amount.ts";
import { CliError, exitCodes } from "./errors.ts";
import type { NodeClient } from "./http.ts";
import type { Io } from "./io.ts";
import type { Settings } from "./settings.ts";

/** Checks the name of an account of the wallet. */
export function accountName(text: string): string {
  if (/^[a-z][a-z0-9-]{0,63}$/.test(text)) return text;
  throw new InvalidArgumentError(`An account's name has a–z, 0–9 and dashes, and begins with a letter.`);
}

/** Adds `--as <name>`: which account of the user's wallet acts. */
export function withAccount(command: Command, what = "account of your wallet that signs"): Command {
  return command.option("--as <name>", what, accountName, "me");
}

/** An address, lower-case. */
export function addressArgument(text: string): Address {
  if (/^0x[0-9a-fA-F]{40}$/.test(text)) return toHex(text as Address);
  throw new InvalidArgumentError("An address is 0x and 40 hex digits.");
}

/** The user's own accounts, in `<home>/wallet.json`: not the node's, though one home may hold both. Made when first asked for. */
export function walletAccount(settings: Settings, name: string, io: Io): LocalAccount {
  const file = join(settings.dataFolder, "wallet.json");
  const isNew = !existsSync(file);
  const account = openKeystore(file).account(name);
  if (isNew) io.note(`A new wallet was made: ${file}. Whoever has this file has what is in it; keep a copy.`);
  return account;
}

/** What `GET /v1/network` says. */
export type NetworkAnswer = { readonly network: Network; readonly operator: Address };

/**
 * The network of the running node, if it is the one this user means.
 *
 * @throws CliError when it is another chain: nothing is signed for it
 */
export async function networkOf(node: NodeClient): Promise<NetworkAnswer> {
  const answer = await node.get<NetworkAnswer>("/v1/network");
  assertChain(node, answer.network.chainId);
  return answer;
}

/** @throws CliError unless this is the chain of this home's configuration */
export function assertChain(node: NodeClient, chainId: number): void {
  const expected = node.settings.chainId;
  if (chainId === expected) return;
  throw new CliError(`The node at ${node.url} is on another chain; nothing was signed.`, {
    expected: `chain ${expected}`,
    actual: `chain ${chainId}`,
    fix: [
      `If you mean that chain, write {"chainId": ${chainId}} into ${join(node.settings.dataFolder, "config.json")}.`,
    ],
    exitCode: exitCodes.unfit,
    code: "wrong-chain",
  });
}

/** The user's account on the node's chain: it signs here, and sends through the node's JSON-RPC. */
export type Purse = ChainWriter & { readonly contracts: ProtocolContracts; readonly operator: Address };

/** @throws CliError when the node is on another chain, whatever it says over HTTP */
export async function openPurse(node: NodeClient, name: string, io: Io): Promise<Purse> {
  const { network, operator } = await networkOf(node);
  const { result } = await node.post<{ result?: string }>("/rpc", {
    jsonrpc: "2.0",
    id: 1,
    method: "eth_chainId",
    params: [],
  });
  assertChain(node, Number(result));
  const rpcUrl = `${node.url}/rpc`;
  const writer = chainClients({
    rpcUrl,
    network: localNetwork({ chainId: network.chainId, rpcUrls: [rpcUrl], contracts: network.contracts }),
    account: walletAccount(node.settings, name, io),
    abis: protocolAbis,
  });
  const contracts = protocolContracts(network.contracts as Parameters<typeof protocolContracts>[0]);
  return { ...writer, contracts, operator };
}

/** For gas, beside what is sent: far more than any of these transactions takes. */
const gasWei = 10n ** 15n;

/** @throws CliError when the account cannot send this much, and pay for gas */
export async function assertFunds(purse: Purse, wei: bigint, name: string): Promise<void> {
  const { address } = purse.account;
  const balance = await purse.public.getBalance({ address });
  if (balance >= wei + gasWei) return;
  throw new CliError(`Your account "${name}" (${toHex(address)}) has too little OPEN.`, {
    expected: `${formatOpen(wei + gasWei)} OPEN, gas included`,
    actual: `${formatOpen(balance)} OPEN`,
    fix: [`On a local network: ./openledger wallet faucet ${name === "me" ? "" : `--as ${name} `}100`],
    code: "insufficient-funds",
  });
}
