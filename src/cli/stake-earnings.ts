/** `openledger stake unbonding|claim|rewards|withdraw-rewards`: what comes back, and what it earned. */
import type { Command } from "commander";
import type { Address } from "viem";
import { toHex } from "../protocol/index.ts";
import { formatOpen } from "./amount.ts";
import { unclaimedLines, unclaimedWei } from "./balance.ts";
import { showTime } from "./dates.ts";
import { CliError } from "./errors.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { wholeNumber } from "./numbers.ts";
import { type ChainView, now, openChain, openPurse, type Purse, transact } from "./purse.ts";
import { readPositions, readUnbondings, type UnbondingJson } from "./stake-pool.ts";
import { subcommand } from "./subcommand.ts";
import { table } from "./table.ts";
import { asOption, knownAddress, withAccount } from "./wallet-account.ts";

export function defineEarnings(command: Command, io: Io): void {
  withAccount(
    subcommand(command, "unbonding", "List what leaves your pools, and when it can be claimed"),
    "account that staked",
  ).action(({ as }: { as: string }) => unbonding(io, as));
  withAccount(subcommand(command, "claim", "Take back the stake whose date has come"), "account that staked")
    .argument("[number]", "one of ./openledger stake unbonding; all that are due unless given", wholeNumber)
    .action((index: bigint | undefined, { as }: { as: string }) => claim(io, index, as));
  withAccount(
    subcommand(command, "rewards", "Show what your stake has earned"),
    "account that staked",
  ).action(({ as }: { as: string }) => rewards(io, as));
  withAccount(
    subcommand(command, "withdraw-rewards", "Pay out what your stake and your commissions have earned"),
    "account that staked",
  ).action(({ as }: { as: string }) => withdrawRewards(io, as));
}

const showUnbondings = (unbondings: readonly UnbondingJson[]) =>
  table(unbondings, [
    ["Number", ({ index }) => index, "number"],
    ["Pool", ({ pool }) => pool],
    ["OPEN", ({ amountWei }) => formatOpen(amountWei), "number"],
    ["Can be claimed from", ({ claimAtSec }) => showTime(claimAtSec)],
  ]);

async function unbonding(io: Io, as: string): Promise<void> {
  const node = connect();
  const chain = await openChain(node);
  const account = knownAddress(node.settings, as, io);
  const unbondings = await readUnbondings(chain, account);
  io.result(
    { account, unbondings },
    unbondings.length === 0
      ? `Nothing of "${as}" leaves a pool.`
      : `${showUnbondings(unbondings)}\n\n→ ./openledger stake claim${asOption(as)}`,
  );
}

async function claim(io: Io, index: bigint | undefined, as: string): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  const account = toHex(purse.account.address);
  const unbondings = await readUnbondings(purse, account);
  const { timestamp } = await purse.public.getBlock(now);
  const due = unbondings.filter((one) =>
    index === undefined ? BigInt(one.claimAtSec) <= timestamp : BigInt(one.index) === index,
  );
  if (due.length === 0) throw nothingDue(unbondings, index, as);
  for (const one of due)
    await transact(purse, {
      ...purse.contracts.OpenStaking,
      functionName: "withdraw",
      args: [account, BigInt(one.index)],
    });
  const amountWei = due.reduce((sum, one) => sum + one.amountWei, 0n);
  io.result({ account, amountWei, claimed: due }, `${formatOpen(amountWei)} OPEN came back to ${account}.`);
}

function nothingDue(unbondings: readonly UnbondingJson[], index: bigint | undefined, as: string): CliError {
  if (index !== undefined)
    return new CliError(`There is nothing that leaves with the number ${index}.`, {
      actual: unbondings.length === 0 ? "nothing" : unbondings.map((one) => one.index).join(", "),
      fix: [`./openledger stake unbonding${asOption(as)}`],
      code: "no-such-unbonding",
    });
  const [next] = [...unbondings].sort((a, b) => a.claimAtSec - b.claimAtSec);
  return new CliError("Nothing can be claimed now.", {
    actual:
      next === undefined
        ? "nothing leaves a pool"
        : `${formatOpen(next.amountWei)} OPEN from ${showTime(next.claimAtSec)}`,
    fix:
      next === undefined
        ? [`./openledger stake undelegate <pool> <amount>${asOption(as)}`]
        : ["Try again then."],
    code: "nothing-due",
  });
}

/** What every pool owes an account, and what is credited to it: commissions, rewards for reports. */
async function readEarned(chain: ChainView, account: Address) {
  const [positions, creditWei] = await Promise.all([
    readPositions(chain, account),
    chain.public.readContract({
      ...chain.contracts.OpenStaking,
      functionName: "creditOf",
      args: [account],
      ...now,
    }),
  ]);
  return { positions, creditWei };
}

async function rewards(io: Io, as: string): Promise<void> {
  const node = connect();
  const chain = await openChain(node);
  const account = knownAddress(node.settings, as, io);
  const { address: staking } = chain.contracts.OpenStaking;
  const [{ positions, creditWei }, waitingWei] = await Promise.all([
    readEarned(chain, account),
    unclaimedWei(node, staking),
  ]);
  io.result(
    { account, positions, creditWei, unclaimedWei: waitingWei },
    [
      positions.length === 0
        ? `"${as}" has no stake.\n→ ./openledger stake pools`
        : table(positions, [
            ["Pool", ({ pool }) => pool],
            ["Stake", ({ bondedWei }) => formatOpen(bondedWei), "number"],
            ["Earning", ({ earningWei }) => formatOpen(earningWei), "number"],
            ["Leaving", ({ unbondingWei }) => formatOpen(unbondingWei), "number"],
            ["Earned", ({ rewardWei }) => formatOpen(rewardWei), "number"],
          ]),
      ...(creditWei === 0n ? [] : [`Commissions and parts of slashes: ${formatOpen(creditWei)} OPEN`]),
      ...(waitingWei === 0n ? [] : ["", unclaimedLines(staking, waitingWei).join("\n→ ")]),
    ].join("\n"),
  );
}

async function withdrawRewards(io: Io, as: string): Promise<void> {
  const node = connect();
  const purse = await openPurse(node, as, io);
  const account = toHex(purse.account.address);
  const { address: staking } = purse.contracts.OpenStaking;
  const waiting = unclaimedLines(staking, await unclaimedWei(node, staking));
  const { positions, creditWei } = await readEarned(purse, account);
  const owing = positions.filter(({ rewardWei }) => rewardWei > 0n);
  if (owing.length === 0 && creditWei === 0n)
    throw new CliError(`Nothing is owed to "${as}" now.`, {
      fix: [
        ...waiting,
        `./openledger stake rewards${asOption(as)}`,
        "Stake earns from the epoch after the one it came in.",
      ],
      code: "nothing-to-claim",
    });
  let paidWei = 0n;
  for (const { poolId } of owing) paidWei += await claimReward(purse, poolId, account);
  // What a commission credits shows once its pool was touched: read again.
  const credit = (await readEarned(purse, account)).creditWei;
  if (credit > 0n) {
    await transact(purse, {
      ...purse.contracts.OpenStaking,
      functionName: "withdrawCredit",
      args: [account],
    });
    paidWei += credit;
  }
  io.result({ account, amountWei: paidWei }, `${formatOpen(paidWei)} OPEN were paid to ${account}.`);
  for (const line of waiting) io.note(line);
}

async function claimReward(purse: Purse, poolId: bigint, account: Address): Promise<bigint> {
  const { OpenStaking } = purse.contracts;
  const { blockHash } = await transact(purse, {
    ...OpenStaking,
    functionName: "claimReward",
    args: [poolId, account],
  });
  const paid = await purse.public.getContractEvents({
    ...OpenStaking,
    eventName: "RewardClaimed",
    args: { poolId, account },
    blockHash,
    strict: true,
  });
  return paid.reduce((sum, { args }) => sum + args.amount, 0n);
}
