/** Who has votes, the heaviest first. Amounts in wei. */
import type { Address } from "viem";
import { type ChainView, chainView, everyEvent, now } from "../chain/view.ts";

/** As many accounts as are looked at, those who came last; a screen shows no more. */
const votersMax = 200;

/** Everybody whose votes changed hands: who delegated, to whom, and who staked. */
async function readEvents(chain: ChainView) {
  const { GOPEN, OpenStaking, OpenGovernor } = chain.at;
  const strict = { strict: true } as const;
  return Promise.all([
    everyEvent(chain, (range) =>
      chain.public.getContractEvents({ ...GOPEN, eventName: "DelegateChanged", ...strict, ...range }),
    ),
    everyEvent(chain, (range) =>
      chain.public.getContractEvents({ ...OpenStaking, eventName: "Delegated", ...strict, ...range }),
    ),
    everyEvent(chain, (range) =>
      chain.public.getContractEvents({ ...OpenGovernor, eventName: "VoteCast", ...strict, ...range }),
    ),
  ]);
}

const lower = (address: string) => address.toLowerCase() as Address;

async function readVoter(chain: ChainView, account: Address, second: bigint) {
  const past = { args: [account, second], ...now } as const;
  const [votesWei, delegatedWei] = await Promise.all([
    chain.public.readContract({ ...chain.at.OpenGovernor, functionName: "getVotes", ...past }),
    chain.public.readContract({ ...chain.at.GOPEN, functionName: "getPastVotes", ...past }),
  ]);
  return { account, votesWei, delegatedWei, stakedWei: votesWei - delegatedWei };
}

/** Accounts that have votes, with whose they are and how often they were cast. */
export async function readVoters() {
  const chain = await chainView();
  const [changes, stakes, casts] = await readEvents(chain);
  const delegateeOf = new Map(
    changes.map(({ args }) => [lower(args.delegator), lower(args.toDelegate)] as const),
  );
  const accounts = new Set([
    ...stakes.map(({ args }) => lower(args.account)),
    ...changes.map(({ args }) => lower(args.toDelegate)),
  ]);
  const { timestamp } = await chain.public.getBlock(now);
  const voters = await Promise.all(
    [...accounts].slice(-votersMax).map((account) => readVoter(chain, account, timestamp - 1n)),
  );
  return voters
    .filter(({ votesWei }) => votesWei > 0n)
    .sort((a, b) => (a.votesWei < b.votesWei ? 1 : -1))
    .map((voter) => ({
      ...voter,
      /** Others whose GOPEN votes by this account. */
      delegators: [...delegateeOf].filter(([from, to]) => to === voter.account && from !== to).length,
      cast: casts.filter(({ args }) => lower(args.voter) === voter.account).length,
    }));
}

export type Voter = Awaited<ReturnType<typeof readVoters>>[number];
