import type { Command } from "commander";
import { formatOpen } from "./amount.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { short, table } from "./table.ts";

type SettleJson = {
  readonly batches: readonly {
    readonly batchId: number;
    readonly number: number;
    readonly state: string;
    readonly receipts: { readonly count: number };
    readonly channels: number;
    readonly totalWei: string;
    readonly transactionHash: string | null;
    readonly finalAtSec: number | null;
  }[];
  readonly skipped: readonly { readonly channelId: string; readonly reason: string }[];
  readonly gasPerReceipt: readonly number[];
};

/** `openledger settle`: bring waiting receipts to the chain now. */
export function define(command: Command, io: Io): void {
  command.action(async () => {
    const result = await connect().post<SettleJson>("/v1/settle", undefined, { operator: true });
    io.result(result, show(result));
  });
}

function show({ batches, skipped }: SettleJson): string {
  const settled = table(batches, [
    ["Batch", ({ number }) => number, "number"],
    ["Receipts", ({ receipts }) => receipts.count, "number"],
    ["Channels", ({ channels }) => channels, "number"],
    ["OPEN", ({ totalWei }) => formatOpen(BigInt(totalWei)), "number"],
    ["Transaction", ({ transactionHash }) => transactionHash ?? "–"],
    [
      "Final at",
      ({ finalAtSec }) => (finalAtSec === null ? "–" : new Date(finalAtSec * 1_000).toISOString()),
    ],
  ]);
  return [
    batches.length === 0 ? "No receipt waits to be settled." : settled,
    ...skipped.map(({ channelId, reason }) => `Channel ${short(channelId)} was left out: ${reason}.`),
  ].join("\n");
}
