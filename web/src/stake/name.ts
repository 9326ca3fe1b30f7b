/** A validator's pool is its address as a number; an agent's pool is its id above this. */
const agentPools = 1n << 160n;

/** How a pool is called in addresses: `0x…` for a validator's, `agent:3` for an agent's. */
export const poolName = (poolId: bigint): string =>
  poolId >= agentPools ? `agent:${poolId - agentPools}` : `0x${poolId.toString(16).padStart(40, "0")}`;

/** The same in a sentence. */
export const poolWords = (poolId: bigint): string =>
  poolId >= agentPools ? `agent ${poolId - agentPools}` : "validator";

/**
 * A pool's id by its name.
 *
 * @throws Error that says what a name looks like
 */
export function parsePool(name: string): bigint {
  if (/^0x[0-9a-fA-F]{40}$/.test(name)) return BigInt(name);
  const agent = /^agent:([1-9]\d{0,40})$/.exec(name)?.[1];
  if (agent !== undefined) return agentPools + BigInt(agent);
  throw new Error(`There is no pool "${name.slice(0, 60)}": expected a validator's address, or agent:<id>.`);
}
