/** Proposals as the chain has them. Amounts in wei, times in milliseconds. */
import { type Address, type Hex, keccak256, stringToBytes } from "viem";
import { blockTimeMs, type ChainView, chainView, everyEvent, now } from "../chain/view.ts";
import { type Call, simulate, tell } from "./calls.ts";
import { parsePart } from "./which.ts";

/** In the order of OpenZeppelin's `IGovernor.ProposalState`. */
const states = [
  "pending",
  "active",
  "canceled",
  "defeated",
  "succeeded",
  "queued",
  "expired",
  "executed",
] as const;
export type ProposalState = (typeof states)[number];

/** In the order of `GovernorCountingSimple.VoteType`. */
export const supports = ["against", "for", "abstain"] as const;
export type Support = (typeof supports)[number];

async function created(chain: ChainView) {
  const events = await everyEvent(chain, (range) =>
    chain.public.getContractEvents({
      ...chain.at.OpenGovernor,
      eventName: "ProposalCreated",
      strict: true,
      ...range,
    }),
  );
  return events.map((event, at) => ({ ...event, number: at + 1 }));
}

type Created = Awaited<ReturnType<typeof created>>[number];

async function readProposal(chain: ChainView, { args, transactionHash, blockNumber, number }: Created) {
  const { OpenGovernor } = chain.at;
  const id = args.proposalId;
  const at = { ...OpenGovernor, args: [id], ...now } as const;
  const calls = args.targets.map(
    (target, index): Call => ({
      target,
      valueWei: args.values[index] as bigint,
      data: args.calldatas[index] as Hex,
    }),
  );
  const [state, [againstWei, forWei, abstainWei], quorumWei, start, end, eta, createdMs, told] =
    await Promise.all([
      chain.public.readContract({ ...at, functionName: "state" }),
      chain.public.readContract({ ...at, functionName: "proposalVotes" }),
      chain.public.readContract({ ...at, functionName: "proposalQuorum" }),
      chain.public.readContract({ ...at, functionName: "proposalSnapshot" }),
      chain.public.readContract({ ...at, functionName: "proposalDeadline" }),
      chain.public.readContract({ ...at, functionName: "proposalEta" }),
      blockTimeMs(chain, blockNumber),
      Promise.all(calls.map((call) => tell(chain, call))),
    ]);
  const [title = "", ...rest] = args.description.trim().split("\n");
  return {
    number,
    id,
    proposer: args.proposer.toLowerCase() as Address,
    description: args.description,
    title: title.replace(/^#+ */, "") || "Without a title",
    text: rest.join("\n").trim(),
    calls,
    told,
    state: (states[state] ?? "pending") as ProposalState,
    votes: { for: forWei, against: againstWei, abstain: abstainWei },
    quorumWei,
    createdMs,
    createdIn: transactionHash as Hex,
    createdBlock: blockNumber,
    /** Votes are what one had at the end of this second. */
    startsMs: Number(start) * 1_000,
    endsMs: Number(end) * 1_000,
    executableMs: eta === 0n ? null : Number(eta) * 1_000,
  };
}

export type Proposal = Awaited<ReturnType<typeof readProposal>>;

/** Every proposal, the newest first. */
export async function readProposals(): Promise<Proposal[]> {
  const chain = await chainView();
  return (await Promise.all((await created(chain)).map((one) => readProposal(chain, one)))).reverse();
}

/**
 * One proposal by its number or its whole id, with everything its page shows.
 *
 * @throws Error when there is none
 */
export async function findProposal(which: string, account: Address | undefined) {
  const chain = await chainView();
  const all = await created(chain);
  const wanted = parsePart(which);
  const found = all.find(({ args, number }) => BigInt(number) === wanted || args.proposalId === wanted);
  if (found === undefined)
    throw new Error(
      `There is no proposal ${which.slice(0, 40)}: ${all.length === 0 ? "none was made yet" : `there are 1 to ${all.length}`}.`,
    );
  const proposal = await readProposal(chain, found);
  const [ballots, own, milestones, simulated] = await Promise.all([
    readBallots(chain, proposal.id),
    account === undefined ? undefined : readOwnVote(chain, proposal, account),
    readMilestones(chain, proposal.id),
    ["executed", "canceled"].includes(proposal.state)
      ? undefined
      : Promise.all(proposal.calls.map((call) => simulate(chain, call))),
  ]);
  return { proposal, ballots, own, milestones, simulated };
}

export type Found = Awaited<ReturnType<typeof findProposal>>;

async function readBallots(chain: ChainView, id: bigint) {
  const events = await everyEvent(chain, (range) =>
    chain.public.getContractEvents({
      ...chain.at.OpenGovernor,
      eventName: "VoteCast",
      strict: true,
      ...range,
    }),
  );
  const cast = events.filter(({ args }) => args.proposalId === id).slice(-500);
  const ballots = await Promise.all(
    cast.map(async ({ args, blockNumber }) => ({
      voter: args.voter.toLowerCase() as Address,
      support: supports[args.support] ?? "abstain",
      weightWei: args.weight,
      reason: args.reason,
      atMs: await blockTimeMs(chain, blockNumber),
    })),
  );
  return ballots.sort((a, b) => (a.weightWei < b.weightWei ? 1 : -1));
}

/** Whether an account has voted, and with how much it can; before the snapshot, what it would be now. */
async function readOwnVote(chain: ChainView, { id, startsMs }: Proposal, account: Address) {
  const { OpenGovernor } = chain.at;
  const { timestamp } = await chain.public.getBlock(now);
  const start = BigInt(startsMs / 1_000);
  const [voted, weightWei] = await Promise.all([
    chain.public.readContract({
      ...OpenGovernor,
      functionName: "hasVoted",
      args: [id, account],
      ...now,
    }),
    chain.public.readContract({
      ...OpenGovernor,
      functionName: "getVotes",
      args: [account, start < timestamp ? start : timestamp - 1n],
      ...now,
    }),
  ]);
  return { voted, weightWei };
}

/** The transactions that queued, executed or cancelled a proposal. */
async function readMilestones(chain: ChainView, id: bigint) {
  const { OpenGovernor } = chain.at;
  const names = ["ProposalQueued", "ProposalExecuted", "ProposalCanceled"] as const;
  const found = await Promise.all(
    names.map(async (eventName) => {
      const events = await everyEvent(chain, (range) =>
        chain.public.getContractEvents({ ...OpenGovernor, eventName, strict: true, ...range }),
      );
      const event = events.find(({ args }) => args.proposalId === id);
      return event === undefined
        ? undefined
        : {
            atMs: await blockTimeMs(chain, event.blockNumber),
            transactionHash: event.transactionHash as Hex,
            block: event.blockNumber,
          };
    }),
  );
  return { queued: found[0], executed: found[1], canceled: found[2] };
}

/** What the governor takes to queue, execute or cancel a proposal. */
export const proposalArgs = ({ calls, description }: Pick<Proposal, "calls" | "description">) =>
  [
    calls.map(({ target }) => target),
    calls.map(({ valueWei }) => valueWei),
    calls.map(({ data }) => data),
    keccak256(stringToBytes(description)),
  ] as const;
