import { InvalidArgumentError } from "commander";
import { toHex } from "../protocol/index.ts";
import { addressArgument } from "./wallet-account.ts";

/** A validator's pool is its address as a number; an agent's pool is its id above this. */
const agentPools = 1n << 160n;

/** Reads `0x…` as a validator's pool, `agent:3` as an agent's. */
export function poolArgument(text: string): bigint {
  if (/^0x[0-9a-fA-F]{40}$/.test(text)) return BigInt(addressArgument(text));
  const agent = /^agent:([1-9]\d{0,40})$/.exec(text)?.[1];
  if (agent !== undefined) return agentPools + BigInt(agent);
  throw new InvalidArgumentError("A pool is a validator's address, or agent:<id>.");
}

/** The same in words. */
export function poolName(poolId: bigint): string {
  if (poolId >= agentPools) return `agent:${poolId - agentPools}`;
  return toHex(`0x${poolId.toString(16).padStart(40, "0")}`);
}
