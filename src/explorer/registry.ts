import type { Abi, Address, Hex } from "viem";
import { keccak256, stringToHex } from "viem";
import { commonPoolAbi, type FollowedContracts, revenueSharesAbi } from "../chain/index.ts";
import type { Decoded, Decoder } from "./decode.ts";
import { decodeError, decoderOf } from "./decode.ts";

/** Contracts that a listed contract creates, known by the event that names them. */
export type InstanceRule = {
  /** Name of the listed contract that emits the event. */
  readonly by: string;
  readonly event: string;
  /** The event's argument with the new contract's address. */
  readonly argument: string;
  /** What each of them is called. */
  readonly name: string;
  readonly abi: Abi;
};

/** What the protocol's own contracts create. A rule whose contract is not listed does nothing. */
export const protocolInstances: readonly InstanceRule[] = [
  {
    by: "DatanetRegistry",
    event: "DatanetCreated",
    argument: "pool",
    name: "CommonPool",
    abi: commonPoolAbi,
  },
  {
    by: "RevenueSharesFactory",
    event: "SharesCreated",
    argument: "shares",
    name: "RevenueShares",
    abi: revenueSharesAbi,
  },
];

/** Names and ABIs by which calls, events and errors are put into words. */
export type Registry = {
  /** Name of a listed contract, by lower-case address. */
  nameOf(address: Address): string | undefined;
  addressOf(name: string): Address | undefined;
  abiOf(name: string): Abi | undefined;
  /** Decoder of a name: a listed contract's or an instance's. */
  decoder(name: string | undefined): Decoder | undefined;
  error(data: Hex): Decoded | undefined;
  /** The contract an event of a listed contract says it has made. */
  created(by: string, event: Decoded): { readonly address: Address; readonly name: string } | undefined;
  readonly listed: readonly { readonly name: string; readonly address: Address }[];
  /** Changes whenever what is decoded could: rows made under another one are made anew. */
  readonly digest: Hex;
};

/** Raised by hand when rows are made differently from the same blocks. */
const rowsVersion = 1;

export function registryOf(
  contracts: FollowedContracts,
  instances: readonly InstanceRule[] = protocolInstances,
): Registry {
  const listed = Object.entries(contracts).map(([name, { address, abi }]) => ({
    name,
    address: address.toLowerCase() as Address,
    abi,
  }));
  const rules = instances.filter(({ by }) => Object.hasOwn(contracts, by));
  const names = new Map(listed.map(({ name, address }) => [address, name]));
  const abis = new Map([...rules, ...listed].map(({ name, abi }) => [name, abi]));
  const decoders = new Map([...abis].map(([name, abi]) => [name, decoderOf(abi)]));
  return {
    nameOf: (address) => names.get(address),
    addressOf: (name) => listed.find((one) => one.name === name)?.address,
    abiOf: (name) => abis.get(name),
    decoder: (name) => (name === undefined ? undefined : decoders.get(name)),
    error: (data) => decodeError(decoders.values(), data),
    created(by, event) {
      for (const rule of rules) {
        if (rule.by !== by || rule.event !== event.name) continue;
        const made = event.arguments.find(({ name }) => name === rule.argument)?.value;
        if (typeof made === "string") return { address: made as Address, name: rule.name };
      }
      return undefined;
    },
    listed,
    digest: keccak256(stringToHex(JSON.stringify([rowsVersion, listed, rules]))),
  };
}
