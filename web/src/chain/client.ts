import { type Address, type Chain, createPublicClient, defineChain, http, type PublicClient } from "viem";
import { api, ask } from "../api/client.ts";

/** The chain id of every local network, whose OPEN is for trying things out. */
const localChainId = 161_612;

export type Network = {
  chain: Chain;
  local: boolean;
  contracts: Readonly<Record<string, Address>>;
  operator: Address;
  /** What a wallet needs to add the network (EIP-3085). */
  addEthereumChain: Record<string, unknown>;
  public: PublicClient;
};

let known: Promise<Network> | undefined;

/** The node's chain: its contracts' addresses and a client that reads it, asked for once. */
export function network(): Promise<Network> {
  known ??= load().catch((error: unknown) => {
    known = undefined;
    throw error;
  });
  return known;
}

async function load(): Promise<Network> {
  const { network, addEthereumChain, operator } = await ask(api.GET("/v1/network"));
  const rpc = `${location.origin}/rpc`;
  const chain = defineChain({
    id: network.chainId,
    name: network.name,
    nativeCurrency: network.nativeCurrency,
    rpcUrls: { default: { http: [rpc] } },
  });
  return {
    chain,
    local: network.chainId === localChainId,
    contracts: network.contracts as Record<string, Address>,
    operator: operator as Address,
    addEthereumChain: { ...addEthereumChain, rpcUrls: [rpc] },
    public: createPublicClient({
      chain,
      transport: http(rpc),
      batch: { multicall: false },
      pollingInterval: 500,
    }),
  };
}
