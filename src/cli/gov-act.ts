/** `openledger gov list|show|vote|queue|execute|cancel`: from a proposal to its effect. */
import { setTimeout as pause } from "node:timers/promises";
import { type Command, Option } from "commander";
import { toHex } from "../protocol/index.ts";
import { formatOpen } from "./amount.ts";
import { stateWords } from "./contract-errors.ts";
import { showTime } from "./dates.ts";
import { CliError } from "./errors.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { positiveInteger } from "./numbers.ts";
import { findProposal, nextStep, type Proposal, proposalArgs, readProposals } from "./proposal.ts";
import { now, openChain, openPurse, type Purse, transact } from "./purse.ts";
import { subcommand } from "./subcommand.ts";
import { oneLine, pairs, table } from "./table.ts";
import { asOption, withAccount } from "./wallet-account.ts";

/** In the order of `GovernorCountingSimple.VoteType`. */
const supports = ["against", "for", "abstain"] as const;
type Support = (typeof supports)[number];
type Options = { as: string; wait?: boolean };

export function defineActing(command: Command, io: Io): void {
  subcommand(command, "list", "List every proposal, newest first").action(() => list(io));
  subcommand(command, "show", "Show a proposal: what it does, how the vote stands, what comes next")
    .argument("<proposal>", "its number, or its whole id", positiveInteger)
    .action(async (which: bigint) => {
      const proposal = await findProposal(await openChain(connect()), which);
      io.result(proposal, show(proposal));
    });
  const acting = (name: string, summary: string) =>
    withAccount(subcommand(command, name, summary))
      .argument("<proposal>", "its number, or its whole id", positiveInteger)
      .addOption(new Option("--wait", "wait until it is time for this"));
  acting("vote", "Vote on a proposal")
    .argument("<support>", supports.join(", "), (text: string) => {
      if ((supports as readonly string[]).includes(text)) return text as Support;
      throw new CliError(`A vote is one of ${supports.join(", ")}.`, { actual: text, exitCode: 2 });
    })
    .option("--reason <text>", "why, for everyone to read on chain", "")
    .action((which: bigint, support: Support, options: Options & { reason: string }) =>
      vote(io, which, support, options),
    );
  acting("queue", "Queue a proposal that passed in the timelock").action((which: bigint, options: Options) =>
    queue(io, which, options),
  );
  acting("execute", "Carry out a proposal whose timelock has ended; anyone may").action(
    (which: bigint, options: Options) => execute(io, which, options),
  );
  withAccount(subcommand(command, "cancel", "Take back your own proposal before its vote begins"))
    .argument("<proposal>", "its number, or its whole id", positiveInteger)
    .action((which: bigint, options: Options) => cancel(io, which, options));
}

async function list(io: Io): Promise<void> {
  const proposals = (await readProposals(await openChain(connect()))).reverse();
  io.result(
    { proposals },
    proposals.length === 0
      ? "No proposal yet.\n→ ./openledger gov propose set <parameter> <value>"
      : table(proposals, [
          ["Proposal", ({ number }) => number, "number"],
          ["What", ({ description }) => oneLine(description, 50)],
          ["State", ({ state }) => state],
          ["For", ({ votes }) => formatOpen(votes.forWei), "number"],
          ["Against", ({ votes }) => formatOpen(votes.againstWei), "number"],
          ["Next", nextStep],
        ]),
  );
}

function show(proposal: Proposal): string {
  const { number, id, state, proposer, description, calls, votes, quorumWei } = proposal;
  const counted = votes.forWei + votes.abstainWei;
  return [
    pairs([
      [`proposal ${number}`, oneLine(description, 200)],
      ["id", id],
      ["by", proposer],
      ["state", state],
      ["for", formatOpen(votes.forWei)],
      ["against", formatOpen(votes.againstWei)],
      ["abstain", formatOpen(votes.abstainWei)],
      [
        "quorum",
        `${formatOpen(counted)} of ${formatOpen(quorumWei)}${counted >= quorumWei ? ", reached" : ""}`,
      ],
      ["vote begins", showTime(proposal.voteStartsSec)],
      ["vote ends", showTime(proposal.voteEndsSec)],
      ...(proposal.executableAtSec === null
        ? []
        : ([["executable", showTime(proposal.executableAtSec)]] as const)),
      ["next", nextStep(proposal)],
    ]),
    "",
    "It calls:",
    ...calls.map(({ text }) => `  ${oneLine(text, 400)}`),
  ].join("\n");
}

/** Reads the proposal, and with `--wait` reads it again once its next date has passed. */
async function proposalAt(
  io: Io,
  purse: Purse,
  which: bigint,
  wait: boolean,
  dateOf: (proposal: Proposal) => number | null,
): Promise<Proposal> {
  const proposal = await findProposal(purse, which);
  const at = wait ? dateOf(proposal) : null;
  const { timestamp } = await purse.public.getBlock(now);
  if (at === null || timestamp > BigInt(at)) return proposal;
  io.note(`Waiting until ${showTime(at)} …`);
  await pause((at - Number(timestamp)) * 1_000 + 1_100);
  return findProposal(purse, which);
}

async function vote(
  io: Io,
  which: bigint,
  support: Support,
  { as, wait = false, reason }: Options & { reason: string },
): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  const { OpenGovernor } = purse.contracts;
  const { id, number, voteStartsSec } = await proposalAt(io, purse, which, wait, (proposal) =>
    proposal.state === "pending" ? proposal.voteStartsSec : null,
  );
  const voter = toHex(purse.account.address);
  const { timestamp } = await purse.public.getBlock(now);
  const weightWei =
    BigInt(voteStartsSec) < timestamp
      ? await purse.public.readContract({
          ...OpenGovernor,
          functionName: "getVotes",
          args: [voter, BigInt(voteStartsSec)],
          ...now,
        })
      : null;
  if (weightWei === 0n)
    throw new CliError(`Your account "${as}" had no votes when the vote on proposal ${number} began.`, {
      expected: `GOPEN delegated to it, or stake, at ${showTime(voteStartsSec)}`,
      actual: "0",
      fix: ["For the next proposal: ./openledger gov lock <amount>, then ./openledger gov delegate"],
      code: "no-votes",
    });
  const { transactionHash } = await transact(purse, {
    ...OpenGovernor,
    functionName: "castVoteWithReason",
    args: [id, supports.indexOf(support), reason],
  });
  const proposal = await findProposal(purse, id);
  io.result(
    { proposal, voter, support, reason, weightWei, transactionHash },
    `Voted ${support} proposal ${number} with ${formatOpen(weightWei ?? 0n)}.\nThe vote ends after ${showTime(proposal.voteEndsSec)}.\n→ ./openledger gov queue ${number} --wait${asOption(as)}`,
  );
}

async function queue(io: Io, which: bigint, { as, wait = false }: Options): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  const proposal = await proposalAt(io, purse, which, wait, ({ state, voteEndsSec }) =>
    state === "pending" || state === "active" ? voteEndsSec : null,
  );
  const { transactionHash } = await transact(purse, {
    ...purse.contracts.OpenGovernor,
    functionName: "queue",
    args: proposalArgs(proposal),
  });
  const queued = await findProposal(purse, proposal.id);
  io.result(
    { ...queued, transactionHash },
    `Proposal ${queued.number} is queued: ${nextStep(queued)}.\n→ ./openledger gov execute ${queued.number} --wait${asOption(as)}`,
  );
}

async function execute(io: Io, which: bigint, { as, wait = false }: Options): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  const proposal = await proposalAt(io, purse, which, wait, ({ executableAtSec }) => executableAtSec);
  const { transactionHash } = await transact(purse, {
    ...purse.contracts.OpenGovernor,
    functionName: "execute",
    args: proposalArgs(proposal),
  });
  const done = await findProposal(purse, proposal.id);
  io.result(
    { ...done, transactionHash },
    [`Proposal ${done.number} is done:`, ...done.calls.map(({ text }) => `  ${text}`)].join("\n"),
  );
}

async function cancel(io: Io, which: bigint, { as }: Options): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  const proposal = await findProposal(purse, which);
  if (proposal.state !== "pending")
    throw new CliError(`Proposal ${proposal.number} cannot be taken back any more.`, {
      expected: "a vote that has not begun",
      actual: stateWords(proposal.state),
      code: "too-late-to-cancel",
    });
  const { transactionHash } = await transact(purse, {
    ...purse.contracts.OpenGovernor,
    functionName: "cancel",
    args: proposalArgs(proposal),
  });
  io.result(
    { ...(await findProposal(purse, proposal.id)), transactionHash },
    `Proposal ${proposal.number} is taken back.`,
  );
}
