/** Pools of stake, and an account's part in them, as the chain has them. Amounts in wei, times in milliseconds. */
import { type Address, zeroAddress, zeroHash } from "viem";
import { type ChainView, chainView, everyEvent, now } from "../chain/view.ts";
import { poolName } from "./name.ts";

const ms = (seconds: number | bigint) => Number(seconds) * 1_000;

/** What `OpenStaking` knows of a pool, and `Verdicts` of its validator. */
export async function readPool(chain: ChainView, poolId: bigint) {
  const { OpenStaking, Verdicts } = chain.at;
  const pool = await chain.public.readContract({
    ...OpenStaking,
    functionName: "poolOf",
    args: [poolId],
    ...now,
  });
  const name = poolName(poolId);
  const seat = name.startsWith("0x")
    ? await chain.public.readContract({
        ...Verdicts,
        functionName: "seatOf",
        args: [name as Address],
        ...now,
      })
    : undefined;
  return {
    poolId,
    name,
    operator: pool.operator.toLowerCase() as Address,
    opened: pool.operator !== zeroAddress,
    state: pool.closed ? "closed" : pool.active ? "active" : "inactive",
    bondedWei: pool.bonded,
    earningWei: pool.earning,
    ownStakeWei: pool.ownStake,
    unbondingWei: pool.unbonding,
    commissionBps: Number(pool.commissionBps),
    nextCommissionBps: Number(pool.nextCommissionBps),
    nextCommissionAtMs: pool.nextCommissionAt === 0n ? null : ms(pool.nextCommissionAt),
    slashesUnderAppeal: Number(pool.slashesUnderAppeal),
    appealEndsMs: pool.slashesUnderAppeal === 0n ? null : ms(pool.appealEnds),
    /** Draws it was to answer and did; nothing without a seat in the lottery. */
    seat:
      seat === undefined || seat.tip === zeroHash
        ? null
        : {
            sinceMs: ms(seat.registeredAt),
            assigned: Number(seat.assigned),
            answered: Number(seat.answered),
          },
  } as const;
}

export type Pool = Awaited<ReturnType<typeof readPool>>;

/** When the next epoch begins: the contract tells the end of the last one that anything happened in. */
const nextEpochMs = (endMs: number, lengthMs: number, atMs: number): number =>
  endMs + Math.max(0, Math.ceil((atMs - endMs) / lengthMs)) * lengthMs;

/** Every pool, the largest first, and what holds for all of them. */
export async function readStaking() {
  const chain = await chainView();
  const { OpenStaking, ProtocolParameters } = chain.at;
  const [poolCount, stakedWei, activeWei, epochEnds, unbonding, epoch, minimum] = await Promise.all([
    chain.public.readContract({ ...OpenStaking, functionName: "poolCount", ...now }),
    chain.public.readContract({ ...OpenStaking, functionName: "staked", ...now }),
    chain.public.readContract({ ...OpenStaking, functionName: "activeStake", ...now }),
    chain.public.readContract({ ...OpenStaking, functionName: "epochEnds", ...now }),
    chain.public.readContract({ ...ProtocolParameters, functionName: "unbondingSeconds", ...now }),
    chain.public.readContract({ ...ProtocolParameters, functionName: "epochSeconds", ...now }),
    chain.public.readContract({ ...ProtocolParameters, functionName: "minimumStakeWei", ...now }),
  ]);
  const pools = await Promise.all(
    Array.from({ length: Number(poolCount) }, async (_, position) =>
      readPool(
        chain,
        await chain.public.readContract({
          ...OpenStaking,
          functionName: "poolAt",
          args: [BigInt(position)],
          ...now,
        }),
      ),
    ),
  );
  return {
    staking: OpenStaking.address,
    pools: pools.sort((a, b) => (a.bondedWei < b.bondedWei ? 1 : -1)),
    stakedWei,
    activeWei,
    epochEndsMs: nextEpochMs(ms(epochEnds), ms(epoch), Date.now()),
    epochMs: ms(epoch),
    unbondingMs: ms(unbonding),
    minimumStakeWei: minimum,
  };
}

/** An account's part in one pool. */
export async function readPosition(chain: ChainView, poolId: bigint, account: Address) {
  const { bonded, earning, unbonding, reward } = await chain.public.readContract({
    ...chain.at.OpenStaking,
    functionName: "positionOf",
    args: [poolId, account],
    ...now,
  });
  return {
    poolId,
    account,
    bondedWei: bonded,
    earningWei: earning,
    unbondingWei: unbonding,
    rewardWei: reward,
  };
}

export type Position = Awaited<ReturnType<typeof readPosition>>;

const started = (chain: ChainView, args: { account?: Address; poolId?: bigint }) =>
  everyEvent(chain, (range) =>
    chain.public.getContractEvents({
      ...chain.at.OpenStaking,
      eventName: "Delegated",
      args,
      strict: true,
      ...range,
    }),
  );

/** Who has stake in a pool, the largest part first. */
export async function readDelegators(chain: ChainView, poolId: bigint): Promise<Position[]> {
  const accounts = new Set((await started(chain, { poolId })).map(({ args }) => args.account.toLowerCase()));
  const positions = await Promise.all(
    [...accounts].map((account) => readPosition(chain, poolId, account as Address)),
  );
  return positions
    .filter(({ bondedWei, unbondingWei }) => bondedWei + unbondingWei > 0n)
    .sort((a, b) => (a.bondedWei < b.bondedWei ? 1 : -1));
}

/** An account's part in every pool it ever put stake into, what leaves them and when, and what is credited to it. */
export async function readHoldings(account: Address) {
  const chain = await chainView();
  const { OpenStaking } = chain.at;
  const [delegated, creditWei, balanceWei] = await Promise.all([
    started(chain, { account }),
    chain.public.readContract({ ...OpenStaking, functionName: "creditOf", args: [account], ...now }),
    chain.public.getBalance({ address: account }),
  ]);
  const pools = new Set(delegated.map(({ args }) => args.poolId));
  const [positions, leaving] = await Promise.all([
    Promise.all([...pools].map((poolId) => readPosition(chain, poolId, account))),
    readLeaving(chain, account),
  ]);
  return { positions, leaving, creditWei, balanceWei };
}

export type Holdings = Awaited<ReturnType<typeof readHoldings>>;

async function readLeaving(chain: ChainView, account: Address) {
  const { OpenStaking } = chain.at;
  const of = { args: { account }, strict: true } as const;
  const [unbonded, withdrawn] = await Promise.all([
    everyEvent(chain, (range) =>
      chain.public.getContractEvents({ ...OpenStaking, eventName: "Unbonded", ...of, ...range }),
    ),
    everyEvent(chain, (range) =>
      chain.public.getContractEvents({ ...OpenStaking, eventName: "Withdrawn", ...of, ...range }),
    ),
  ]);
  const gone = new Set(withdrawn.map(({ args }) => args.index));
  const left = unbonded.map(({ args }) => args.index).filter((index) => !gone.has(index));
  return Promise.all(
    left.map(async (index) => {
      const [poolId, amountWei, claimAt] = await chain.public.readContract({
        ...OpenStaking,
        functionName: "unbondingOf",
        args: [account, index],
        ...now,
      });
      return { index, poolId, amountWei, claimAtMs: ms(claimAt) };
    }),
  );
}
