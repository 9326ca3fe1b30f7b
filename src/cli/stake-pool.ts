/** Pools of stake, and an account's part in them, as the chain has them. Amounts in wei, times in seconds. */
import type { Address } from "viem";
import { toHex } from "../protocol/index.ts";
import { showTime } from "./dates.ts";
import { everyEvent } from "./logs.ts";
import { poolName } from "./pool-name.ts";
import { type ChainView, now } from "./purse.ts";

export async function readPool(chain: ChainView, poolId: bigint) {
  const pool = await chain.public.readContract({
    ...chain.contracts.OpenStaking,
    functionName: "poolOf",
    args: [poolId],
    ...now,
  });
  const pending = pool.nextCommissionAt === 0n ? null : Number(pool.nextCommissionAt);
  return {
    pool: poolName(poolId),
    poolId,
    operator: toHex(pool.operator),
    state: pool.closed ? ("closed" as const) : pool.active ? ("active" as const) : ("inactive" as const),
    bondedWei: pool.bonded,
    earningWei: pool.earning,
    ownStakeWei: pool.ownStake,
    unbondingWei: pool.unbonding,
    commissionBps: Number(pool.commissionBps),
    nextCommissionBps: pending === null ? null : Number(pool.nextCommissionBps),
    nextCommissionAtSec: pending,
    slashesUnderAppeal: Number(pool.slashesUnderAppeal),
    appealEndsSec: pool.slashesUnderAppeal === 0n ? null : Number(pool.appealEnds),
  };
}

export type PoolJson = Awaited<ReturnType<typeof readPool>>;

export async function readPools(chain: ChainView): Promise<PoolJson[]> {
  const { OpenStaking } = chain.contracts;
  const count = await chain.public.readContract({ ...OpenStaking, functionName: "poolCount", ...now });
  return Promise.all(
    Array.from({ length: Number(count) }, async (_, at) => {
      const poolId = await chain.public.readContract({
        ...OpenStaking,
        functionName: "poolAt",
        args: [BigInt(at)],
        ...now,
      });
      return readPool(chain, poolId);
    }),
  );
}

export async function readPosition(chain: ChainView, poolId: bigint, account: Address) {
  const position = await chain.public.readContract({
    ...chain.contracts.OpenStaking,
    functionName: "positionOf",
    args: [poolId, account],
    ...now,
  });
  return {
    pool: poolName(poolId),
    poolId,
    bondedWei: position.bonded,
    earningWei: position.earning,
    unbondingWei: position.unbonding,
    rewardWei: position.reward,
  };
}

export type PositionJson = Awaited<ReturnType<typeof readPosition>>;

/** An account's part in every pool it ever put stake into. */
export async function readPositions(chain: ChainView, account: Address): Promise<PositionJson[]> {
  const delegated = await everyEvent(chain, (range) =>
    chain.public.getContractEvents({
      ...chain.contracts.OpenStaking,
      eventName: "Delegated",
      args: { account },
      strict: true,
      ...range,
    }),
  );
  const pools = new Set(delegated.map(({ args }) => args.poolId));
  return Promise.all([...pools].map((poolId) => readPosition(chain, poolId, account)));
}

/** Stake that leaves, in the order it was taken out. */
export async function readUnbondings(chain: ChainView, account: Address) {
  const started = await everyEvent(chain, (range) =>
    chain.public.getContractEvents({
      ...chain.contracts.OpenStaking,
      eventName: "Unbonded",
      args: { account },
      strict: true,
      ...range,
    }),
  );
  const withdrawn = await everyEvent(chain, (range) =>
    chain.public.getContractEvents({
      ...chain.contracts.OpenStaking,
      eventName: "Withdrawn",
      args: { account },
      strict: true,
      ...range,
    }),
  );
  const gone = new Set(withdrawn.map(({ args }) => args.index));
  return Promise.all(
    started
      .map(({ args }) => args.index)
      .filter((index) => !gone.has(index))
      .map(async (index) => {
        const [poolId, amountWei, claimAt] = await chain.public.readContract({
          ...chain.contracts.OpenStaking,
          functionName: "unbondingOf",
          args: [account, index],
          ...now,
        });
        return { index: Number(index), pool: poolName(poolId), amountWei, claimAtSec: Number(claimAt) };
      }),
  );
}

export type UnbondingJson = Awaited<ReturnType<typeof readUnbondings>>[number];

/** In the order of `OpenStaking.SlashState`. */
const slashStates = ["none", "under appeal", "executed", "overturned"] as const;

export async function readSlash(chain: ChainView, slashId: bigint) {
  const { OpenStaking } = chain.contracts;
  const slash = await chain.public.readContract({
    ...OpenStaking,
    functionName: "slashOf",
    args: [slashId],
    ...now,
  });
  const reason = await chain.public.readContract({
    ...OpenStaking,
    functionName: "reasonText",
    args: [slash.reason],
  });
  return {
    slashId: Number(slashId),
    pool: poolName(slash.poolId),
    reason,
    state: slashStates[slash.state] as (typeof slashStates)[number],
    amountWei: slash.amount,
    reporter: toHex(slash.reporter),
    harmed: toHex(slash.harmed),
    harmWei: slash.harm,
    evidence: slash.evidence,
    executableAtSec: Number(slash.executableAt),
  };
}

export type SlashJson = Awaited<ReturnType<typeof readSlash>>;

export async function readSlashes(chain: ChainView): Promise<SlashJson[]> {
  const count = await chain.public.readContract({
    ...chain.contracts.OpenStaking,
    functionName: "slashCount",
    ...now,
  });
  return Promise.all(Array.from({ length: Number(count) }, (_, at) => readSlash(chain, BigInt(at + 1))));
}

/** What can be done about a slash, and until when. */
export function slashNext({ slashId, state, executableAtSec }: SlashJson): string {
  if (state === "overturned") return "governance gave it back";
  if (state === "executed") return "it is paid out";
  return executableAtSec * 1_000 > Date.now()
    ? `governance may overturn it until ${showTime(executableAtSec)}`
    : `./openledger stake execute ${slashId}`;
}
