import { join } from "node:path";
import type { Abi, Address, ContractFunctionName, LocalAccount, TransactionReceipt } from "viem";
import {
  type ChainReader,
  type ChainWriter,
  type ContractWrite,
  chainClients,
  localNetwork,
  type Network,
  type ProtocolContracts,
  protocolAbis,
  protocolContracts,
} from "../chain/index.ts";
import { toHex } from "../protocol/index.ts";
import { formatOpen } from "./amount.ts";
import { explainRevert } from "./contract-errors.ts";
import { CliError, exitCodes } from "./errors.ts";
import type { NodeClient } from "./http.ts";
import type { Io } from "./io.ts";
import { walletAccount } from "./wallet-account.ts";

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

/** The node's chain to read from, through its JSON-RPC, and who operates the node. */
export type ChainView = ChainReader & { readonly contracts: ProtocolContracts; readonly operator: Address };

/** The user's account on the node's chain: it signs here, and sends through the node's JSON-RPC. */
export type Purse = ChainWriter & ChainView & { readonly name: string };

/** What is read of the chain is read as of now, not as of the last block: windows end between blocks. */
export const now = { blockTag: "pending" } as const;

/** @throws CliError when the node is on another chain, whatever it says over HTTP */
export async function openChain(node: NodeClient): Promise<ChainView> {
  const { source, contracts, operator } = await chainOf(node);
  return { ...explaining(chainClients(source)), contracts, operator };
}

/** As {@link openChain}, with an account to sign by: of the user's wallet, unless another is given. */
export async function openPurse(
  node: NodeClient,
  name: string,
  io: Io,
  account: LocalAccount = walletAccount(node.settings, name, io),
): Promise<Purse> {
  const { source, contracts, operator } = await chainOf(node);
  const writer = chainClients({ ...source, account });
  return { ...explaining(writer), contracts, operator, name };
}

/** The same, in which a view that refuses says so in a sentence. */
function explaining<const Reader extends ChainReader>(reader: Reader): Reader {
  const { public: client, explain } = reader;
  const readContract = (async (call) => {
    try {
      return await client.readContract(call as never);
    } catch (error) {
      throw explainRevert(explain(error, call.functionName));
    }
  }) as typeof client.readContract;
  return {
    ...reader,
    public: client.extend(() => ({ readContract })),
    explain: (error, what) => (error instanceof CliError ? (error.cause ?? error) : explain(error, what)),
  };
}

async function chainOf(node: NodeClient) {
  const { network, operator } = await networkOf(node);
  const { result } = await node.post<{ result?: string }>("/rpc", {
    jsonrpc: "2.0",
    id: 1,
    method: "eth_chainId",
    params: [],
  });
  assertChain(node, Number(result));
  const rpcUrl = `${node.url}/rpc`;
  const { chainId, contracts } = network;
  return {
    operator,
    contracts: contractsOf(contracts),
    source: {
      rpcUrl,
      network: localNetwork({ chainId, rpcUrls: [rpcUrl], contracts }),
      abis: protocolAbis,
    },
  };
}

/** The contracts at a network's addresses. @throws CliError when it lacks one that this program knows */
export function contractsOf(addresses: Readonly<Record<string, Address>>): ProtocolContracts {
  const contracts = protocolContracts(addresses as Parameters<typeof protocolContracts>[0]);
  const missing = Object.keys(contracts).filter((name) => addresses[name] === undefined);
  if (missing.length === 0) return contracts;
  throw new CliError("This network was made by another release of OpenLedger.", {
    expected: `the contracts ${missing.join(", ")} as well`,
    actual: Object.keys(addresses).join(", "),
    exitCode: exitCodes.unfit,
    code: "other-release",
  });
}

/** For gas, beside what is sent: far more than any of these transactions takes. */
const gasWei = 10n ** 15n;

/** @throws CliError when the account cannot send this much, in so many transactions, and pay for their gas */
export async function assertFunds(
  { account, public: chain, name }: Purse,
  wei: bigint,
  transactions = 1,
): Promise<void> {
  const balance = await chain.getBalance({ address: account.address });
  const needed = wei + gasWei * BigInt(transactions);
  if (balance >= needed) return;
  throw new CliError(`Your account "${name}" (${toHex(account.address)}) has too little OPEN.`, {
    expected: `${formatOpen(needed)} OPEN, gas included`,
    actual: `${formatOpen(balance)} OPEN`,
    fix: [
      `On a local network: ./openledger wallet faucet ${name === "me" ? "" : `--as ${name} `}${faucetAmount(wei)}`,
    ],
    code: "insufficient-funds",
  });
}

/** Whole OPEN that cover an amount and its gas, 100 at least. */
function faucetAmount(wei: bigint): bigint {
  const needed = wei / 10n ** 18n + 1n;
  return needed < 100n ? 100n : needed;
}

/**
 * Calls a contract from the user's account and waits until it is in a block.
 *
 * @throws CliError in words, when the account has too little or the contract refuses
 */
export async function transact<
  const abi extends Abi | readonly unknown[],
  name extends ContractFunctionName<abi, "nonpayable" | "payable">,
>(purse: Purse, call: ContractWrite<abi, name>): Promise<TransactionReceipt> {
  await assertFunds(purse, call.value ?? 0n);
  try {
    return await purse.write(call);
  } catch (error) {
    throw explainRevert(error);
  }
}
