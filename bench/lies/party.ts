/** What every party's process begins with: a folder of its own, an account that nobody else holds, and the network it acts on. */
import { join } from "node:path";
import type { Address } from "viem";
import {
  type ChainWriter,
  chainClients,
  localNetwork,
  openKeystore,
  type ProtocolContracts,
  protocolAbis,
  protocolContracts,
} from "../../src/chain/index.ts";

/** The first arguments of every party's process. */
export type PartyArgs = readonly [home: string, url: string, contracts: string];

export type Party = { readonly chain: ChainWriter; readonly contracts: ProtocolContracts };

/** Reads the chain as a party or anyone sees it. @param url of the network, without a slash at its end */
export function networkAt(url: string, addresses: Record<string, Address>) {
  const rpcUrl = `${url}/rpc`;
  return {
    rpcUrl,
    network: localNetwork({ rpcUrls: [rpcUrl], contracts: addresses }),
    abis: protocolAbis,
  };
}

/** @param name of the account in the keystore of the folder */
export function openParty(argv: readonly string[], name: string): Party {
  const [home, url, addressesJson] = argv as unknown as PartyArgs;
  const addresses = JSON.parse(addressesJson) as Record<string, Address>;
  const account = openKeystore(join(home, "keys.json")).account(name);
  return {
    chain: chainClients({ ...networkAt(url, addresses), account }),
    contracts: protocolContracts(addresses as never),
  };
}
