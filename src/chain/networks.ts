import { type Address, type Chain, defineChain, type Hex, numberToHex } from "viem";

/** The chain id of every local OpenLedger network. */
export const localChainId = 161612;

/** OPEN, the gas token of every OpenLedger network. */
export const openCurrency = { name: "OPEN", symbol: "OPEN", decimals: 18 } as const;

/** Names and addresses of the protocol's contracts on one network. */
export type ContractAddresses = Readonly<Record<string, Address>>;

/** An OpenLedger network: a value that says all a client needs to reach it. */
export type Network = {
  readonly chainId: number;
  readonly name: string;
  readonly rpcUrls: readonly string[];
  readonly nativeCurrency: typeof openCurrency;
  readonly contracts: ContractAddresses;
  readonly blockExplorerUrls?: readonly string[];
};

/**
 * The network of a node on this machine.
 *
 * @example
 * localNetwork({ rpcUrls: ["http://127.0.0.1:4321/rpc"], contracts: {} }).chainId // 161612
 */
export function localNetwork({
  rpcUrls,
  contracts,
  chainId = localChainId,
}: {
  rpcUrls: readonly string[];
  contracts: ContractAddresses;
  chainId?: number;
}): Network {
  return { chainId, name: "OpenLedger local", rpcUrls, nativeCurrency: openCurrency, contracts };
}

/** The network as a viem `Chain`; its contracts as `chain.contracts[name].address`. */
export function viemChain(network: Network): Chain {
  return defineChain({
    id: network.chainId,
    name: network.name,
    nativeCurrency: network.nativeCurrency,
    rpcUrls: { default: { http: network.rpcUrls } },
    contracts: Object.fromEntries(
      Object.entries(network.contracts).map(([name, address]) => [name, { address }]),
    ),
    // The base fee is 0 for ever; without this viem would multiply it and still be right, but this says so.
    fees: { baseFeeMultiplier: 1 },
  });
}

/** What a wallet's `wallet_addEthereumChain` takes (EIP-3085). */
export type AddEthereumChainParameter = {
  readonly chainId: Hex;
  readonly chainName: string;
  readonly nativeCurrency: { readonly name: string; readonly symbol: string; readonly decimals: number };
  readonly rpcUrls: readonly string[];
  readonly blockExplorerUrls?: readonly string[];
};

/** The network as EIP-3085 describes it, for a wallet's "add network". */
export function addEthereumChainParameter(network: Network): AddEthereumChainParameter {
  return {
    chainId: numberToHex(network.chainId),
    chainName: network.name,
    nativeCurrency: network.nativeCurrency,
    rpcUrls: network.rpcUrls,
    ...(network.blockExplorerUrls === undefined ? {} : { blockExplorerUrls: network.blockExplorerUrls }),
  };
}
