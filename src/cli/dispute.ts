import type { Command } from "commander";
import type { Address } from "viem";
import { toHex } from "../protocol/index.ts";
import { formatOpen, parsePositiveOpen } from "./amount.ts";
import { showTime } from "./dates.ts";
import { type BatchJson, readBatches, unrestored } from "./dispute-batches.ts";
import { defineCheck } from "./dispute-check.ts";
import { defineDemands } from "./dispute-demand.ts";
import { defineReports } from "./dispute-report.ts";
import { CliError } from "./errors.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { now, openChain, openPurse, type Purse, transact } from "./purse.ts";
import { subcommand } from "./subcommand.ts";
import { pairs, short, table } from "./table.ts";
import { addressArgument, asOption, knownAddress, withAccount } from "./wallet-account.ts";

/** `openledger dispute`: watch what attesters settle, and undo what is not true. */
export function define(command: Command, io: Io): void {
  command.addHelpText(
    "after",
    `
A batch can be challenged until its window ends. Whoever proves a lie in it has it undone, in one transaction and without a
bond, and gets a part of the attester's. Who cannot check a batch because something is withheld demands it:
  ./openledger dispute list
  ./openledger dispute check <attester> <batch>            reads what was published, and names every lie
  ./openledger dispute prove <attester> <batch>            proves the first one
  ./openledger dispute demand <attester> <batch> receipt 0 --bond
  ./openledger dispute enforce 1                           when it was not answered in time
  ./openledger dispute restore <attester>                  moves its channels back, so that they can be settled again
  ./openledger dispute resettle <attester> <batch>         takes over what was true of it, as a node's operator
  ./openledger dispute withdraw                            what all that earned
A node answers what is demanded of its operator by itself.`,
  );
  subcommand(command, "list", "List every batch with its state, and why the undone ones were").action(() =>
    list(io),
  );
  defineCheck(command, io);
  defineDemands(command, io);
  defineReports(command, io);
  withAccount(
    subcommand(command, "restore", "Move the channels of undone batches back to where these found them"),
    "account that pays the gas",
  )
    .argument("<attester>", "whose batches", addressArgument)
    .action((attester: Address, { as }: { as: string }) => restore(io, attester, as));
  withAccount(
    subcommand(command, "credits", "Show your bond, and what proofs, refunds and demands brought"),
    "account",
  ).action(({ as }: { as: string }) => credits(io, as));
  withAccount(subcommand(command, "withdraw", "Pay out what is credited to you"), "account").action(
    ({ as }: { as: string }) => withdraw(io, as),
  );
  withAccount(subcommand(command, "unbond", "Take back a bond that no demand of yours needs"), "account")
    .argument("<amount>", "how much OPEN", parsePositiveOpen)
    .action((wei: bigint, { as }: { as: string }) => unbond(io, wei, as));
}

async function list(io: Io): Promise<void> {
  const batches = (await readBatches(await openChain(connect()))).reverse();
  io.result(
    { batches },
    batches.length === 0
      ? "No batch was settled yet."
      : table(batches, [
          ["Attester", ({ attester }) => attester],
          ["Batch", ({ number }) => number, "number"],
          ["Receipts", ({ receipts }) => receipts, "number"],
          ["OPEN", ({ totalWei }) => formatOpen(totalWei), "number"],
          ["Demands", ({ openDemands }) => openDemands, "number"],
          ["State", showState],
        ]),
  );
}

function showState({ state, finalAtSec, undoneFor, undoneIn }: BatchJson): string {
  if (state === "undone") return `undone for ${undoneFor}, in ${short(undoneIn ?? "")}`;
  if (state === "final") return "final";
  return `open to challenge until ${showTime(finalAtSec)}`;
}

/** Channels that one transaction moves back: far below what a block holds. */
const restoredAtOnce = 64;

async function restore(io: Io, attester: Address, as: string): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  const batches = await unrestored(purse, attester);
  if (batches.length === 0)
    throw new CliError(`No batch of ${attester} waits to be restored.`, {
      fix: ["./openledger dispute list"],
      code: "nothing-to-restore",
    });
  for (const { intervals } of batches)
    for (let done = 0; done < intervals.length; done += restoredAtOnce)
      await transact(purse, {
        ...purse.contracts.AttributionLedger,
        functionName: "restore",
        args: [attester, intervals, BigInt(restoredAtOnce)],
      });
  const restored = batches.map(({ number, intervals }) => ({
    number: Number(number),
    channels: intervals.length,
  }));
  io.result(
    { attester, restored },
    `The channels of ${restored.length} undone ${restored.length === 1 ? "batch" : "batches"} are where they were before. Their receipts can be settled again, once.`,
  );
}

async function readCredits(
  { public: chain, contracts }: Pick<Purse, "public" | "contracts">,
  account: Address,
) {
  const { AttributionLedger } = contracts;
  const args = [account] as const;
  const [creditWei, [bondWei], [, , , locks]] = await Promise.all([
    chain.readContract({ ...AttributionLedger, functionName: "creditOf", args, ...now }),
    chain.readContract({ ...AttributionLedger, functionName: "attesterOf", args, ...now }),
    chain.readContract({ ...AttributionLedger, functionName: "accountOf", args, ...now }),
  ]);
  return { account, creditWei, bondWei, openDemands: Number(locks) };
}

async function credits(io: Io, as: string): Promise<void> {
  const node = connect();
  const account = knownAddress(node.settings, as, io);
  const found = await readCredits(await openChain(node), account);
  io.result(
    found,
    pairs([
      ["account", account],
      ["credited", `${formatOpen(found.creditWei)} OPEN`],
      ["bond", `${formatOpen(found.bondWei)} OPEN`],
      ["open demands", found.openDemands],
    ]),
  );
}

async function withdraw(io: Io, as: string): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  const account = toHex(purse.account.address);
  const { creditWei } = await readCredits(purse, account);
  if (creditWei === 0n)
    throw new CliError(`Nothing is credited to "${as}".`, {
      fix: [`./openledger dispute credits${asOption(as)}`],
      code: "nothing-to-withdraw",
    });
  const { transactionHash } = await transact(purse, {
    ...purse.contracts.AttributionLedger,
    functionName: "withdrawCredit",
    args: [account],
  });
  io.result(
    { account, amountWei: creditWei, transactionHash },
    `${formatOpen(creditWei)} OPEN were paid to ${account}.`,
  );
}

async function unbond(io: Io, wei: bigint, as: string): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  const { transactionHash } = await transact(purse, {
    ...purse.contracts.AttributionLedger,
    functionName: "withdrawBond",
    args: [wei],
  });
  const found = await readCredits(purse, toHex(purse.account.address));
  io.result(
    { ...found, amountWei: wei, transactionHash },
    `${formatOpen(wei)} OPEN of the bond came back; ${formatOpen(found.bondWei)} are left.`,
  );
}
