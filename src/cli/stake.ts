import type { Command } from "commander";
import type { Address } from "viem";
import { toHex } from "../protocol/index.ts";
import { formatOpen, parsePositiveOpen } from "./amount.ts";
import { showTime } from "./dates.ts";
import { CliError, exitCodes } from "./errors.ts";
import { readParameter } from "./gov-parameters.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { commissionPart } from "./numbers.ts";
import { poolArgument, poolName } from "./pool-name.ts";
import { openChain, openPurse, transact } from "./purse.ts";
import { defineEarnings } from "./stake-earnings.ts";
import { type PoolJson, readPool, readPools, readPosition } from "./stake-pool.ts";
import { defineSlashes } from "./stake-slashes.ts";
import { subcommand } from "./subcommand.ts";
import { pairs, table } from "./table.ts";
import { asOption, knownAddress, withAccount } from "./wallet-account.ts";

/** `openledger stake`: pools of validators and agents, delegation, unbonding, rewards, slashes. */
export function define(command: Command, io: Io): void {
  command.addHelpText(
    "after",
    `
Stakers earn a part of every fee, and answer with their stake for what their pool does. A pool is named by its validator's
address, or agent:<id>. Stake earns from the next epoch on; what is taken out comes back after the unbonding time, and can be
slashed until then like the rest.`,
  );
  subcommand(command, "pools", "List every pool").action(() => list(io));
  withAccount(subcommand(command, "show", "Show a pool, and your part in it"), "account whose part is shown")
    .argument("<pool>", "validator's address, or agent:<id>", poolArgument)
    .action((poolId: bigint, { as }: { as: string }) => show(io, poolId, as));
  withAccount(
    subcommand(command, "register", "Open a pool with your own stake: your account becomes a validator"),
    "account that becomes a validator, or owns the agent",
  )
    .argument("<amount>", "OPEN of your own stake", parsePositiveOpen)
    .option(
      "--commission <part>",
      "your part of what others' stake earns, as in 500 or 5%",
      commissionPart,
      0,
    )
    .option("--agent <pool>", "the pool of an agent that you own instead, as agent:<id>", poolArgument)
    .action((wei: bigint, options: RegisterOptions) => register(io, wei, options));
  withAccount(subcommand(command, "delegate", "Put stake into a pool"), "account that stakes")
    .argument("<pool>", "validator's address, or agent:<id>", poolArgument)
    .argument("<amount>", "how much OPEN", parsePositiveOpen)
    .action((poolId: bigint, wei: bigint, { as }: { as: string }) => delegate(io, poolId, wei, as));
  withAccount(subcommand(command, "undelegate", "Start to take stake out of a pool"), "account that staked")
    .argument("<pool>", "validator's address, or agent:<id>", poolArgument)
    .argument("<amount>", "how much OPEN, or 'all'", (text) =>
      text === "all" ? everything : parsePositiveOpen(text),
    )
    .action((poolId: bigint, wei: bigint, { as }: { as: string }) => undelegate(io, poolId, wei, as));
  withAccount(
    subcommand(command, "commission", "Announce another commission of your pool; it starts an epoch later"),
    "the operator's account",
  )
    .argument("<part>", "as in 500 or 5%", commissionPart)
    .option("--agent <pool>", "the pool of an agent that you own, as agent:<id>", poolArgument)
    .action((bps: number, options: { as: string; agent?: bigint }) => commission(io, bps, options));
  defineEarnings(command, io);
  defineSlashes(command, io);
}

type RegisterOptions = { as: string; commission: number; agent?: bigint };

/** Means all of it to the contract. */
const everything = 2n ** 256n - 1n;

async function list(io: Io): Promise<void> {
  const pools = await readPools(await openChain(connect()));
  io.result(
    { pools },
    pools.length === 0
      ? "No pool yet.\n→ ./openledger stake register <amount>"
      : table(pools, [
          ["Pool", ({ pool }) => pool],
          ["State", showState],
          ["Stake", ({ bondedWei }) => formatOpen(bondedWei), "number"],
          ["Own", ({ ownStakeWei }) => formatOpen(ownStakeWei), "number"],
          ["Commission", ({ commissionBps }) => `${commissionBps / 100} %`, "number"],
        ]),
  );
}

function showState({ state, appealEndsSec }: PoolJson): string {
  if (appealEndsSec !== null) return `${state}, frozen until a slash is decided`;
  return state === "inactive" ? "inactive: too little own stake" : state;
}

async function show(io: Io, poolId: bigint, as: string): Promise<void> {
  const node = connect();
  const chain = await openChain(node);
  const account = knownAddress(node.settings, as, io);
  const [pool, own] = await Promise.all([readPool(chain, poolId), readPosition(chain, poolId, account)]);
  const open = (wei: bigint) => `${formatOpen(wei)} OPEN`;
  io.result(
    { ...pool, account, position: own },
    [
      pairs([
        ["pool", pool.pool],
        ["operator", pool.operator],
        ["state", showState(pool)],
        ["stake", open(pool.bondedWei)],
        ["of it earning", open(pool.earningWei)],
        ["operator's own", open(pool.ownStakeWei)],
        ["leaving", open(pool.unbondingWei)],
        ["commission", `${pool.commissionBps / 100} %`],
        ...(pool.nextCommissionAtSec === null
          ? []
          : ([
              [
                "commission then",
                `${(pool.nextCommissionBps as number) / 100} % from ${showTime(pool.nextCommissionAtSec)}`,
              ],
            ] as const)),
        ...(pool.appealEndsSec === null
          ? []
          : ([
              ["slashes", `${pool.slashesUnderAppeal} under appeal until ${showTime(pool.appealEndsSec)}`],
            ] as const)),
      ]),
      "",
      pairs([
        [`"${as}" staked`, open(own.bondedWei)],
        ["of it earning", open(own.earningWei)],
        ["leaving", open(own.unbondingWei)],
        ["earned", open(own.rewardWei)],
      ]),
    ].join("\n"),
  );
}

async function register(io: Io, wei: bigint, { as, commission: bps, agent }: RegisterOptions): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  const { value: minimum } = await readParameter(purse, "minimumStakeWei");
  if (wei < minimum)
    throw new CliError("This is too little for a pool of one's own.", {
      expected: `${formatOpen(minimum)} OPEN at least`,
      actual: `${formatOpen(wei)} OPEN`,
      fix: ["./openledger stake delegate <pool> <amount> takes any amount."],
      exitCode: exitCodes.usage,
      code: "below-minimum-stake",
    });
  const poolId = agent ?? BigInt(purse.account.address);
  const { transactionHash } = await transact(purse, {
    ...purse.contracts.OpenStaking,
    functionName: "open",
    args: [poolId, bps],
    value: wei,
  });
  const pool = await readPool(purse, poolId);
  io.result(
    { ...pool, transactionHash },
    `Pool ${pool.pool} is open with ${formatOpen(pool.bondedWei)} OPEN; it earns from the next epoch on.\n→ ./openledger stake show ${pool.pool}${asOption(as)}`,
  );
}

async function delegate(io: Io, poolId: bigint, wei: bigint, as: string): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  const { transactionHash } = await transact(purse, {
    ...purse.contracts.OpenStaking,
    functionName: "delegate",
    args: [poolId],
    value: wei,
  });
  const position = await readPosition(purse, poolId, toHex(purse.account.address));
  io.result(
    { ...position, amountWei: wei, transactionHash },
    `${formatOpen(position.bondedWei)} OPEN are yours in pool ${position.pool}; what came in earns from the next epoch on.`,
  );
}

async function undelegate(io: Io, poolId: bigint, wei: bigint, as: string): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  const { OpenStaking } = purse.contracts;
  const receipt = await transact(purse, { ...OpenStaking, functionName: "unbond", args: [poolId, wei] });
  const [unbonded] = await purse.public.getContractEvents({
    ...OpenStaking,
    eventName: "Unbonded",
    args: { account: purse.account.address as Address },
    blockHash: receipt.blockHash,
    strict: true,
  });
  if (unbonded === undefined) throw new CliError(`Transaction ${receipt.transactionHash} took nothing out.`);
  const { index, amount, claimAt } = unbonded.args;
  io.result(
    {
      pool: poolName(poolId),
      index: Number(index),
      amountWei: amount,
      claimAtSec: Number(claimAt),
      transactionHash: receipt.transactionHash,
    },
    `${formatOpen(amount)} OPEN leave pool ${poolName(poolId)}. They can be claimed from ${showTime(claimAt)}.\n→ ./openledger stake claim${asOption(as)}`,
  );
}

async function commission(io: Io, bps: number, { as, agent }: { as: string; agent?: bigint }): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  const poolId = agent ?? BigInt(purse.account.address);
  const { transactionHash } = await transact(purse, {
    ...purse.contracts.OpenStaking,
    functionName: "announceCommission",
    args: [poolId, bps],
  });
  const pool = await readPool(purse, poolId);
  io.result(
    { ...pool, transactionHash },
    `The commission of pool ${pool.pool} becomes ${bps / 100} % from ${showTime(pool.nextCommissionAtSec ?? 0)}.`,
  );
}
