/** `openledger dispute late|resettle`: receipts that never came, and what was true of a batch that fell. */
import type { Command } from "commander";
import type { Address } from "viem";
import { auditSchema } from "../protocol/index.ts";
import { formatOpen } from "./amount.ts";
import { loadAudit } from "./audit-file.ts";
import { CliError, exitCodes } from "./errors.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { wholeNumber } from "./numbers.ts";
import { openPurse, transact } from "./purse.ts";
import { subcommand } from "./subcommand.ts";
import { short, table } from "./table.ts";
import { addressArgument, withAccount } from "./wallet-account.ts";

export function defineReports(command: Command, io: Io): void {
  withAccount(
    subcommand(
      command,
      "late",
      "Report a receipt that its operator signed and did not settle by its deadline",
    ),
    "account that reports, and is rewarded",
  )
    .argument("<receipt>", "an audit file, or the id of a receipt that the node still has")
    .action((receipt: string, { as }: { as: string }) => late(io, receipt, as));
  subcommand(
    command,
    "resettle",
    "Take over what is true of a batch that fell, for the next batch of your node, as its operator",
  )
    .argument("<attester>", "whose batch", addressArgument)
    .argument("<batch>", "its number", wholeNumber)
    .action((attester: Address, number: bigint) => resettle(io, attester, number));
}

async function late(io: Io, given: string, as: string): Promise<void> {
  const parsed = auditSchema.safeParse(await loadAudit(given));
  if (!parsed.success)
    throw new CliError("This is not an audit file.", { actual: given, exitCode: exitCodes.usage });
  const { receipt, signature } = parsed.data.bundle;
  const purse = await openPurse(connect(), as, io);
  const { transactionHash } = await transact(purse, {
    ...purse.contracts.AttributionLedger,
    functionName: "reportLate",
    args: [receipt, signature],
  });
  io.result(
    { channelId: receipt.channelId, feeWei: receipt.to - receipt.from, transactionHash },
    `The operator is slashed for a receipt of ${formatOpen(receipt.to - receipt.from)} OPEN that it never settled.\n→ ./openledger dispute withdraw`,
  );
}

type Adopted = {
  readonly receipts: number;
  readonly wei: string;
  readonly skipped: readonly { readonly channelId: string; readonly reason: string }[];
};

async function resettle(io: Io, attester: Address, number: bigint): Promise<void> {
  const adopted = await connect().post<Adopted>(
    "/v1/disputes/resettlements",
    { attester, number: Number(number) },
    { operator: true },
  );
  const skipped = table(adopted.skipped, [
    ["Left out", ({ channelId }) => short(channelId)],
    ["Why", ({ reason }) => reason],
  ]);
  io.result(
    adopted,
    [
      `${adopted.receipts} receipts of ${formatOpen(BigInt(adopted.wei))} OPEN wait for your node's next batch.`,
      ...(adopted.skipped.length === 0 ? [] : [skipped]),
      "→ ./openledger settle",
    ].join("\n"),
  );
}
