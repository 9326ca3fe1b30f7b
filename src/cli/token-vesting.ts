/** `openledger token vesting`: what is released over time, and when. */
import { type Command, InvalidArgumentError } from "commander";
import type { Address } from "viem";
import { toHex, zeroAddress } from "../protocol/index.ts";
import { formatOpen } from "./amount.ts";
import { showDate, showTime } from "./dates.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { type ChainView, now, openChain, openPurse, transact } from "./purse.ts";
import { subcommand } from "./subcommand.ts";
import { pairs } from "./table.ts";
import { addressArgument, withAccount } from "./wallet-account.ts";

const schedules = {
  community: "CommunityVesting",
  ecosystem: "EcosystemVesting",
  investors: "InvestorsVesting",
  team: "TeamVesting",
} as const;
type Schedule = keyof typeof schedules;

function scheduleArgument(text: string): Schedule {
  if (Object.hasOwn(schedules, text)) return text as Schedule;
  throw new InvalidArgumentError(`There are ${Object.keys(schedules).join(", ")}.`);
}

export function defineVesting(command: Command, io: Io): void {
  const vesting = subcommand(command, "vesting", "Show what is released over time, and when").action(() =>
    list(io),
  );
  withAccount(
    subcommand(vesting, "release", "Pay out what is vested, to the beneficiary"),
    "account that pays the gas; the beneficiary's for investors and team",
  )
    .argument("<schedule>", Object.keys(schedules).join(", "), scheduleArgument)
    .action((name: Schedule, { as }: { as: string }) => release(io, name, as));
  withAccount(
    subcommand(vesting, "delegate", "Delegate the votes of what is unreleased"),
    "the beneficiary's account",
  )
    .argument("<schedule>", Object.keys(schedules).join(", "), scheduleArgument)
    .argument("<address>", "who votes with them", addressArgument)
    .action((name: Schedule, to: Address, { as }: { as: string }) => delegate(io, name, to, as));
}

async function readVesting(chain: ChainView, name: Schedule) {
  const contract = chain.contracts[schedules[name]];
  const read = <const view extends "total" | "released" | "releasable" | "unreleased">(functionName: view) =>
    chain.public.readContract({ ...contract, functionName, ...now });
  const readTime = <const view extends "start" | "cliffSeconds" | "durationSeconds">(functionName: view) =>
    chain.public.readContract({ ...contract, functionName });
  const [totalWei, releasedWei, releasableWei, unreleasedWei] = await Promise.all([
    read("total"),
    read("released"),
    read("releasable"),
    read("unreleased"),
  ]);
  const [start, cliff, duration] = await Promise.all([
    readTime("start"),
    readTime("cliffSeconds"),
    readTime("durationSeconds"),
  ]);
  const [votes, beneficiary, delegatee] = await Promise.all([
    chain.public.readContract({ ...contract, functionName: "votes" }),
    chain.public.readContract({ ...contract, functionName: "beneficiary" }),
    chain.public.readContract({
      ...chain.contracts.GOPEN,
      functionName: "delegates",
      args: [contract.address],
    }),
  ]);
  return {
    name,
    address: toHex(contract.address),
    beneficiary: toHex(beneficiary),
    totalWei,
    releasedWei,
    releasableWei,
    unreleasedWei,
    startSec: Number(start),
    cliffEndsSec: Number(start + cliff),
    endsSec: Number(start + cliff + duration),
    votes,
    delegatee: delegatee === zeroAddress ? null : toHex(delegatee),
  };
}

type VestingJson = Awaited<ReturnType<typeof readVesting>>;

async function list(io: Io): Promise<void> {
  const chain = await openChain(connect());
  const { address: timelock } = chain.contracts.OpenTimelock;
  const vestings = await Promise.all(
    Object.keys(schedules).map((name) => readVesting(chain, name as Schedule)),
  );
  io.result({ vestings }, vestings.map((vesting) => show(vesting, timelock)).join("\n\n"));
}

function show(vesting: VestingJson, timelock: Address): string {
  const { name, beneficiary, startSec, cliffEndsSec, endsSec, votes, delegatee } = vesting;
  const open = (wei: bigint) => `${formatOpen(wei)} OPEN`;
  return pairs([
    [name, vesting.address],
    ["to", beneficiary === toHex(timelock) ? "the treasury" : beneficiary],
    ["total", open(vesting.totalWei)],
    ["released", open(vesting.releasedWei)],
    ["releasable now", open(vesting.releasableWei)],
    ["unreleased", open(vesting.unreleasedWei)],
    ["begins", showDate(startSec)],
    ["first release", showTime(cliffEndsSec)],
    ["ends", showTime(endsSec)],
    ["votes", votes ? (delegatee === null ? "not delegated yet" : `delegated to ${delegatee}`) : "never"],
  ]);
}

async function release(io: Io, name: Schedule, as: string): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  const before = await readVesting(purse, name);
  const { transactionHash } = await transact(purse, {
    ...purse.contracts[schedules[name]],
    functionName: "release",
  });
  const vesting = await readVesting(purse, name);
  const amountWei = vesting.releasedWei - before.releasedWei;
  io.result(
    { ...vesting, amountWei, transactionHash },
    `${formatOpen(amountWei)} OPEN went to ${vesting.beneficiary}; ${formatOpen(vesting.unreleasedWei)} are still to come.`,
  );
}

async function delegate(io: Io, name: Schedule, delegatee: Address, as: string): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  const { transactionHash } = await transact(purse, {
    ...purse.contracts[schedules[name]],
    functionName: "delegate",
    args: [delegatee],
  });
  const vesting = await readVesting(purse, name);
  io.result(
    { ...vesting, transactionHash },
    `The ${formatOpen(vesting.unreleasedWei)} unreleased OPEN of "${name}" vote by ${delegatee} now.`,
  );
}
