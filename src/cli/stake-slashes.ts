/** `openledger stake slashes|appeal|execute`: who lost stake, why, and what can still be done about it. */
import type { Command } from "commander";
import { zeroAddress } from "../protocol/index.ts";
import { formatOpen } from "./amount.ts";
import { showTime } from "./dates.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { positiveInteger } from "./numbers.ts";
import { poolArgument, poolName } from "./pool-name.ts";
import { openChain, openPurse, transact } from "./purse.ts";
import { readSlash, readSlashes, type SlashJson, slashNext } from "./stake-pool.ts";
import { subcommand } from "./subcommand.ts";
import { pairs, table } from "./table.ts";
import { withAccount } from "./wallet-account.ts";

export function defineSlashes(command: Command, io: Io): void {
  subcommand(command, "slashes", "List every slash, newest first, and why it was")
    .option("--pool <pool>", "of one pool only", poolArgument)
    .action(({ pool }: { pool?: bigint }) => list(io, pool));
  subcommand(command, "appeal", "Show a slash, and how it is appealed")
    .argument("<slash>", "its number", positiveInteger)
    .action(async (id: bigint) => {
      const slash = await readSlash(await openChain(connect()), id);
      io.result(slash, show(slash));
    });
  withAccount(
    subcommand(command, "execute", "Pay out a slash whose appeal has ended; anyone may"),
    "account that pays the gas",
  )
    .argument("<slash>", "its number", positiveInteger)
    .action((id: bigint, { as }: { as: string }) => execute(io, id, as));
}

async function list(io: Io, pool: bigint | undefined): Promise<void> {
  const all = (await readSlashes(await openChain(connect()))).reverse();
  const slashes = pool === undefined ? all : all.filter((slash) => slash.pool === poolName(pool));
  io.result(
    { slashes },
    slashes.length === 0
      ? "Nobody was slashed."
      : table(slashes, [
          ["Slash", ({ slashId }) => slashId, "number"],
          ["Pool", ({ pool: name }) => name],
          ["OPEN", ({ amountWei }) => formatOpen(amountWei), "number"],
          ["Why", ({ reason }) => reason],
          ["State", ({ state }) => state],
          ["Next", slashNext],
        ]),
  );
}

function show(slash: SlashJson): string {
  const { slashId, pool, reason, state, amountWei, reporter, harmed, harmWei, evidence } = slash;
  return [
    pairs([
      ["slash", slashId],
      ["pool", pool],
      ["why", reason],
      ["amount", `${formatOpen(amountWei)} OPEN`],
      ["state", state],
      ["reported by", reporter === zeroAddress ? "nobody" : reporter],
      ["harmed", harmed === zeroAddress ? "nobody" : `${harmed}, by ${formatOpen(harmWei)} OPEN`],
      ["evidence", evidence],
      ["appeal ends", showTime(slash.executableAtSec)],
      ["next", slashNext(slash)],
    ]),
    ...(state === "under appeal"
      ? [
          "",
          "Governance gives it back by a vote that ends before then:",
          `→ ./openledger gov propose call OpenStaking overturn ${slashId} --description "…"`,
        ]
      : []),
  ].join("\n");
}

async function execute(io: Io, id: bigint, as: string): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  const { transactionHash } = await transact(purse, {
    ...purse.contracts.OpenStaking,
    functionName: "executeSlash",
    args: [id],
  });
  const slash = await readSlash(purse, id);
  io.result({ ...slash, transactionHash }, `Slash ${id} of ${formatOpen(slash.amountWei)} OPEN is paid out.`);
}
