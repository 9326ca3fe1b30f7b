/** `openledger channel refund`: what was collected and never settled comes back to the payer. */
import type { Command } from "commander";
import { type Digest, sameHex } from "../protocol/index.ts";
import { formatOpen } from "./amount.ts";
import { channelArgument, readChannel } from "./channel-view.ts";
import { showTime } from "./dates.ts";
import { CliError } from "./errors.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { now, openPurse, transact } from "./purse.ts";
import { subcommand } from "./subcommand.ts";
import { asOption, withAccount } from "./wallet-account.ts";

export function defineRefund(command: Command, io: Io): void {
  withAccount(
    subcommand(command, "refund", "Get back what was collected but never settled, after its delay"),
    "account that pays the gas",
  )
    .argument("<channel>", "the channel's id", channelArgument)
    .addHelpText(
      "after",
      "\nThe first call starts the delay (refundDelaySeconds), which ends early if the operator settles after all; a call after it pays.",
    )
    .action((id: Digest, { as }: { as: string }) => refund(io, id, as));
}

async function refund(io: Io, id: Digest, as: string): Promise<void> {
  const purse = await openPurse(connect(), as, io);
  const { AttributionLedger } = purse.contracts;
  const channel = await readChannel(purse, id);
  const readState = () =>
    purse.public.readContract({ ...AttributionLedger, functionName: "channelState", args: [id], ...now });
  const [{ settled, refundAt }] = await readState();
  const owedWei = channel.collectedWei - settled;
  if (owedWei === 0n)
    throw new CliError(`Everything that was collected from channel ${id} is settled.`, {
      actual: `${formatOpen(channel.collectedWei)} OPEN collected, ${formatOpen(settled)} settled`,
      fix: [`./openledger channel close ${id} gives back what was not collected.`],
      code: "nothing-to-refund",
    });
  const { timestamp } = await purse.public.getBlock(now);
  if (refundAt === 0 || BigInt(refundAt) > timestamp) {
    if (refundAt === 0)
      await transact(purse, { ...AttributionLedger, functionName: "startRefund", args: [id] });
    const [{ refundAt: at }] = await readState();
    io.result(
      { channelId: id, owedWei, refundAtSec: at, refundedWei: 0n },
      `${formatOpen(owedWei)} OPEN come back to ${channel.payer} from ${showTime(at)}, unless the operator settles them first.\n→ ./openledger channel refund ${id}${asOption(as)}`,
    );
    return;
  }
  const { transactionHash } = await transact(purse, {
    ...AttributionLedger,
    functionName: "refund",
    args: [id],
  });
  await transact(purse, { ...AttributionLedger, functionName: "withdrawCredit", args: [channel.payer] });
  const mine = sameHex(channel.payer, purse.account.address) ? "you" : channel.payer;
  io.result(
    { channelId: id, owedWei: 0n, refundAtSec: null, refundedWei: owedWei, transactionHash },
    `${formatOpen(owedWei)} OPEN came back to ${mine}.`,
  );
}
