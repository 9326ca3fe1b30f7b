/** What happened to stake: rewards that came in and slashes that went out, newest first. Amounts in wei, times in milliseconds. */
import { type Address, type Hex, zeroAddress } from "viem";
import { blockTimeMs, type ChainView, chainView, contractName, everyEvent, now } from "../chain/view.ts";

/** As many events as a screen shows. */
const shownMax = 100;

/** Where a reward came from, by the contract that paid it. */
const sources: Readonly<Record<string, string>> = {
  AttributionLedger: "fees of paid answers: the stakers' part",
  Demands: "the fee of a demand",
  Verdicts: "fees of draws",
  ReleaseVerdicts: "the bond of a release",
  AgentRegistry: "an agent's orders",
  OpenTimelock: "the treasury",
};

/** Since when a pool can have earned: the block it was opened in. */
async function openedIn(chain: ChainView, poolId: bigint): Promise<bigint> {
  const [opened] = await everyEvent(chain, (range) =>
    chain.public.getContractEvents({
      ...chain.at.OpenStaking,
      eventName: "PoolOpened",
      args: { poolId },
      strict: true,
      ...range,
    }),
  );
  return opened?.blockNumber ?? 0n;
}

/** Rewards with what paid them: all, or those that a pool can have had a part of. A reward for all active stake names pool 0. */
export async function readRewards(poolId?: bigint) {
  const chain = await chainView();
  const since = poolId === undefined ? 0n : await openedIn(chain, poolId);
  const events = await everyEvent(chain, (range) =>
    chain.public.getContractEvents({
      ...chain.at.OpenStaking,
      eventName: "Rewarded",
      ...(poolId === undefined ? {} : { args: { poolId: [0n, poolId] as never } }),
      strict: true,
      ...range,
    }),
  );
  return Promise.all(
    events
      .filter(({ blockNumber }) => blockNumber >= since)
      .slice(-shownMax)
      .reverse()
      .map(async ({ args, blockNumber, transactionHash, logIndex }) => {
        const contract = contractName(chain, args.from);
        return {
          key: `${transactionHash}:${logIndex}`,
          poolId: args.poolId,
          amountWei: args.amount,
          from: args.from.toLowerCase() as Address,
          source: contract === undefined ? "sent by an account" : (sources[contract] ?? contract),
          atMs: await blockTimeMs(chain, blockNumber),
          transactionHash: transactionHash as Hex,
        };
      }),
  );
}

export type Reward = Awaited<ReturnType<typeof readRewards>>[number];

/** In the order of `OpenStaking.SlashState`. */
const slashStates = ["none", "under appeal", "executed", "overturned"] as const;

async function readSlash(chain: ChainView, slashId: bigint) {
  const { OpenStaking } = chain.at;
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
    slashId,
    poolId: slash.poolId,
    reason,
    state: slashStates[slash.state] ?? "none",
    amountWei: slash.amount,
    reporter: slash.reporter === zeroAddress ? null : slash.reporter,
    harmed: slash.harmed === zeroAddress ? null : slash.harmed,
    harmWei: slash.harm,
    evidence: slash.evidence,
    executableAtMs: Number(slash.executableAt) * 1_000,
  };
}

export type Slash = Awaited<ReturnType<typeof readSlash>>;

/** Slashes of one pool, or of all. */
export async function readSlashes(poolId?: bigint): Promise<Slash[]> {
  const chain = await chainView();
  const total = await chain.public.readContract({
    ...chain.at.OpenStaking,
    functionName: "slashCount",
    ...now,
  });
  const slashes = await Promise.all(
    Array.from({ length: Number(total) }, (_, at) => readSlash(chain, total - BigInt(at))),
  );
  return poolId === undefined ? slashes : slashes.filter((slash) => slash.poolId === poolId);
}

/** A pool's stake after each of its changes, oldest first: seconds and wei. */
export async function readStakeOverTime(poolId: bigint) {
  const chain = await chainView();
  const { OpenStaking } = chain.at;
  const of = { args: { poolId }, strict: true } as const;
  const lists = await Promise.all([
    everyEvent(chain, (range) =>
      chain.public.getContractEvents({ ...OpenStaking, eventName: "Delegated", ...of, ...range }),
    ),
    everyEvent(chain, (range) =>
      chain.public.getContractEvents({ ...OpenStaking, eventName: "Unbonded", ...of, ...range }),
    ),
    everyEvent(chain, (range) =>
      chain.public.getContractEvents({ ...OpenStaking, eventName: "Slashed", ...of, ...range }),
    ),
  ]);
  const blocks = [...new Set(lists.flat().map(({ blockNumber }) => blockNumber))]
    .sort((a, b) => (a < b ? -1 : 1))
    .slice(-shownMax);
  return Promise.all(
    blocks.map(async (blockNumber) => {
      const seconds = (await blockTimeMs(chain, blockNumber)) / 1_000;
      const stakeWei = await chain.public.readContract({
        ...OpenStaking,
        functionName: "stakeAt",
        args: [poolId, BigInt(seconds)],
        ...now,
      });
      return { seconds, stakeWei };
    }),
  );
}
