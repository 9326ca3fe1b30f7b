import { randomBytes } from "node:crypto";
import { type Address, getAddress } from "viem";
import { engineHardfork, engineVersion } from "./engine.ts";
import { ChainLogError } from "./errors.ts";
import { localChainId } from "./networks.ts";
import type { LogHeader } from "./record.ts";

/** All OPEN there is and ever will be: 10⁹ OPEN, 10²⁷ wei. */
export const totalSupplyWei = 10n ** 27n;

/** What a network is made with and keeps for good; the log's header holds it. */
export type NetworkRules = {
  /** {@link localChainId} unless given. */
  readonly chainId?: number;
  /** Address → wei at genesis; sums to {@link totalSupplyWei} exactly. */
  readonly genesis: Readonly<Record<Address, bigint>>;
  /** Receives every tip. */
  readonly feeCollector: Address;
  /** Gas of one block and of one transaction at most; 8 million unless given. */
  readonly blockGasLimit?: bigint;
};

const defaultBlockGasLimit = 8_000_000n;

/** The header of a new network. @throws ChainLogError unless its balances sum to the supply */
export function newHeader(rules: NetworkRules, nowMs: number): LogHeader {
  const total = Object.values(rules.genesis).reduce((sum, wei) => sum + wei, 0n);
  if (total !== totalSupplyWei) {
    throw new ChainLogError(
      `The genesis balances sum to ${total} wei; OPEN's supply is ${totalSupplyWei} wei exactly.`,
    );
  }
  return {
    format: 1,
    chainId: rules.chainId ?? localChainId,
    hardfork: engineHardfork,
    engine: engineVersion(),
    genesisTimestampSec: Math.floor(nowMs / 1000),
    genesis: Object.fromEntries(sortedGenesis(rules.genesis).map(([address, wei]) => [address, String(wei)])),
    feeCollector: getAddress(rules.feeCollector),
    blockGasLimit: String(rules.blockGasLimit ?? defaultBlockGasLimit),
    salt: `0x${randomBytes(16).toString("hex")}`,
  };
}

function sortedGenesis(genesis: Readonly<Record<Address, bigint>>): [Address, bigint][] {
  return Object.entries(genesis)
    .map(([address, wei]): [Address, bigint] => [getAddress(address), wei])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

export function genesisOf(header: LogHeader): Record<Address, bigint> {
  return Object.fromEntries(Object.entries(header.genesis).map(([address, wei]) => [address, BigInt(wei)]));
}

/** A log is of one chain for good: what is asked for now must be what it was made with. */
export function checkHeader(path: string, header: LogHeader, rules: NetworkRules): void {
  const genesis = Object.fromEntries(
    sortedGenesis(rules.genesis).map(([address, wei]) => [address, String(wei)]),
  );
  const checks: readonly (readonly [string, string, string])[] = [
    ["chain id", String(header.chainId), String(rules.chainId ?? localChainId)],
    ["genesis balances", JSON.stringify(header.genesis), JSON.stringify(genesis)],
    ["fee collector", header.feeCollector, getAddress(rules.feeCollector)],
    ["block gas limit", header.blockGasLimit, String(rules.blockGasLimit ?? header.blockGasLimit)],
    ["hardfork", header.hardfork, engineHardfork],
  ];
  for (const [what, found, expected] of checks) {
    if (found === expected) continue;
    throw new ChainLogError(
      `The block log ${path} was made with ${what} ${found}; this node asks for ${expected}. ` +
        `Give this network another folder, or set ${what} to what the log says.`,
    );
  }
}
