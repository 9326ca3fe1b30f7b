import { queryOptions } from "@tanstack/react-query";
import type { Address } from "viem";
import { chainView } from "../chain/view.ts";
import { readRewards, readSlashes, readStakeOverTime } from "./history.ts";
import { parsePool } from "./name.ts";
import { readDelegators, readHoldings, readPool, readStaking } from "./pools.ts";

/** Blocks come when something happens; what depends on the clock is asked again this often, milliseconds. */
const live = 5_000;

/** All pools, and what holds for all stake. */
export const stakingQuery = queryOptions({
  queryKey: ["staking"],
  queryFn: readStaking,
  refetchInterval: live,
});

/** What an account has in pools. */
export const holdingsQuery = (account: Address | undefined) =>
  queryOptions({
    queryKey: ["stake of", account],
    queryFn: () => readHoldings(account as Address),
    enabled: account !== undefined,
    refetchInterval: live,
  });

/** One pool by its name, with who has stake in it. */
export const poolQuery = (name: string) =>
  queryOptions({
    queryKey: ["pool", name],
    queryFn: async () => {
      const poolId = parsePool(name);
      const chain = await chainView();
      const [pool, delegators] = await Promise.all([readPool(chain, poolId), readDelegators(chain, poolId)]);
      if (!pool.opened) throw new Error(`Nobody has opened the pool ${pool.name}.`);
      return { pool, delegators };
    },
    refetchInterval: live,
  });

/** Rewards of a pool, or of all. */
export const rewardsQuery = (poolId?: bigint) =>
  queryOptions({ queryKey: ["rewards", String(poolId)], queryFn: () => readRewards(poolId) });

/** Slashes of a pool, or of all. */
export const slashesQuery = (poolId?: bigint) =>
  queryOptions({
    queryKey: ["slashes", String(poolId)],
    queryFn: () => readSlashes(poolId),
    refetchInterval: live,
  });

/** A pool's stake over time. */
export const stakeOverTimeQuery = (poolId: bigint) =>
  queryOptions({ queryKey: ["stake over time", String(poolId)], queryFn: () => readStakeOverTime(poolId) });
