/** A proposal as the chain has it: what it would do, how the vote stands, and what happens next. */
import { type Abi, type Address, decodeFunctionData, type Hex, keccak256, stringToBytes } from "viem";
import { showArguments } from "../chain/index.ts";
import { toHex } from "../protocol/index.ts";
import { formatOpen } from "./amount.ts";
import { proposalStates } from "./contract-errors.ts";
import { showTime } from "./dates.ts";
import { CliError } from "./errors.ts";
import { everyEvent } from "./logs.ts";
import { type FeeHead, feeHeads, parameterName, showParameter, unitOf } from "./parameter.ts";
import { type ChainView, now } from "./purse.ts";

export type ProposalState = (typeof proposalStates)[number];

/** One call of a proposal. */
export type Call = { readonly target: Address; readonly valueWei: bigint; readonly data: Hex };

export type Proposal = {
  /** The first proposal ever made is 1. */
  readonly number: number;
  readonly id: bigint;
  readonly proposer: Address;
  readonly description: string;
  readonly calls: readonly (Call & { readonly text: string })[];
  readonly state: ProposalState;
  readonly votes: { readonly forWei: bigint; readonly againstWei: bigint; readonly abstainWei: bigint };
  readonly quorumWei: bigint;
  /** Votes count as of this second, and can be cast from the next one on. */
  readonly voteStartsSec: number;
  readonly voteEndsSec: number;
  /** When it can be executed, once it is queued. */
  readonly executableAtSec: number | null;
  readonly createdIn: Hex;
};

/** How a call is shown: the contract's name, the function, its arguments; parameters in their units. */
export function showCall(chain: ChainView, { target, valueWei, data }: Call): string {
  const known = Object.entries(chain.contracts).find(([, { address }]) => toHex(address) === toHex(target));
  const name = known?.[0] ?? toHex(target);
  const paid = valueWei === 0n ? "" : ` with ${formatOpen(valueWei)} OPEN`;
  if (data === "0x") return `send ${formatOpen(valueWei)} OPEN to ${name}`;
  try {
    const abi = (known?.[1].abi ?? []) as Abi;
    const { functionName, args = [] } = decodeFunctionData({ abi, data });
    if (name === "ProtocolParameters" && functionName === "set") {
      const parameter = parameterName(args[0] as Hex);
      return `set ${parameter} to ${showParameter(parameter, args[1] as bigint)}`;
    }
    if (name === "ProtocolParameters" && functionName === "setFeeSplit") {
      const split = args[0] as Record<FeeHead, number>;
      return `divide fees: ${feeHeads.map((head) => `${head} ${split[head] / 100} %`).join(", ")} of data`;
    }
    return `${name}.${functionName}(${showArguments(abi, functionName, args)})${paid}`;
  } catch {
    return `${name}: ${data}${paid}`;
  }
}

async function createdProposals(chain: ChainView) {
  const events = await everyEvent(chain, (range) =>
    chain.public.getContractEvents({
      ...chain.contracts.OpenGovernor,
      eventName: "ProposalCreated",
      strict: true,
      ...range,
    }),
  );
  return events.map(({ args, transactionHash }, at) => ({ args, transactionHash, number: at + 1 }));
}

type Created = Awaited<ReturnType<typeof createdProposals>>[number];

async function readProposal(chain: ChainView, { args, transactionHash, number }: Created): Promise<Proposal> {
  const { OpenGovernor } = chain.contracts;
  const id = args.proposalId;
  const [state, [againstWei, forWei, abstainWei], quorumWei, start, deadline, eta] = await Promise.all([
    chain.public.readContract({ ...OpenGovernor, functionName: "state", args: [id], ...now }),
    chain.public.readContract({ ...OpenGovernor, functionName: "proposalVotes", args: [id], ...now }),
    chain.public.readContract({ ...OpenGovernor, functionName: "proposalQuorum", args: [id], ...now }),
    chain.public.readContract({ ...OpenGovernor, functionName: "proposalSnapshot", args: [id], ...now }),
    chain.public.readContract({ ...OpenGovernor, functionName: "proposalDeadline", args: [id], ...now }),
    chain.public.readContract({ ...OpenGovernor, functionName: "proposalEta", args: [id], ...now }),
  ]);
  const calls = args.targets.map((target, at) => {
    const call = {
      target: toHex(target),
      valueWei: args.values[at] as bigint,
      data: args.calldatas[at] as Hex,
    };
    return { ...call, text: showCall(chain, call) };
  });
  return {
    number,
    id,
    proposer: toHex(args.proposer),
    description: args.description,
    calls,
    state: proposalStates[state] as ProposalState,
    votes: { forWei, againstWei, abstainWei },
    quorumWei,
    voteStartsSec: Number(start),
    voteEndsSec: Number(deadline),
    executableAtSec: eta === 0n ? null : Number(eta),
    createdIn: toHex(transactionHash),
  };
}

/** Every proposal, the oldest first. */
export async function readProposals(chain: ChainView): Promise<Proposal[]> {
  return Promise.all((await createdProposals(chain)).map((created) => readProposal(chain, created)));
}

/** @param which its number, or its whole id. @throws CliError when there is none */
export async function findProposal(chain: ChainView, which: bigint): Promise<Proposal> {
  const all = await createdProposals(chain);
  const found = all.find(({ args, number }) => BigInt(number) === which || args.proposalId === which);
  if (found !== undefined) return readProposal(chain, found);
  throw new CliError(`There is no proposal ${which}.`, {
    actual: all.length === 0 ? "none was made yet" : `there are 1 to ${all.length}`,
    fix: ["./openledger gov list"],
    code: "unknown-proposal",
  });
}

/** What the governor takes to queue, execute or cancel a proposal. */
export function proposalArgs({ calls, description }: Pick<Proposal, "calls" | "description">) {
  return [
    calls.map(({ target }) => target),
    calls.map(({ valueWei }) => valueWei),
    calls.map(({ data }) => data),
    keccak256(stringToBytes(description)),
  ] as const;
}

/** What happens next, with its date, and the command for it. */
export function nextStep({
  number,
  state,
  voteStartsSec,
  voteEndsSec,
  executableAtSec,
  votes,
  quorumWei,
}: Proposal): string {
  switch (state) {
    case "pending":
      return `the vote begins after ${showTime(voteStartsSec)}`;
    case "active":
      return `the vote ends after ${showTime(voteEndsSec)}: ./openledger gov vote ${number} for`;
    case "succeeded":
      return `./openledger gov queue ${number}`;
    case "queued":
      return executableAtSec !== null && executableAtSec * 1_000 > Date.now()
        ? `it can be executed from ${showTime(executableAtSec)}`
        : `./openledger gov execute ${number}`;
    case "defeated": {
      const reached = votes.forWei + votes.abstainWei >= quorumWei;
      return reached ? "more were against it, or as many as for it" : "it did not reach its quorum";
    }
    case "canceled":
      return "it was taken back";
    case "expired":
      return "it was not executed in time";
    case "executed":
      return "it is done";
  }
}

/** Whether a parameter's new value is an address, for the reader of a description. */
export const describeSetting = (name: string, value: bigint): string =>
  unitOf(name) === "address"
    ? `Make ${showParameter(name, value)} the ${name}`
    : `Set ${name} to ${showParameter(name, value)}`;
