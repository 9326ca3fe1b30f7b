import { type Command, Option } from "commander";
import { formatOpen } from "./amount.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { wholeUpTo } from "./numbers.ts";
import type { ReceiptState } from "./receipt.ts";
import { short, table } from "./table.ts";
import { addressArgument } from "./wallet-account.ts";

type ListedJson = {
  readonly receiptId: string;
  readonly seq: number;
  readonly releaseId: string;
  readonly feeWei: string;
  readonly state: ReceiptState;
  readonly acceptedAtMs: number;
  readonly paidWei: string | null;
};

const states: readonly ReceiptState[] = ["scored", "batched", "final", "lost"];

type Options = { limit: number; before?: number; payee?: string; state?: string };

/** `openledger receipts`: the newest first. */
export function define(command: Command, io: Io): void {
  command
    .option("--limit <number>", "at most so many", wholeUpTo(100), 20)
    .option("--before <number>", "those accepted before this one", wholeUpTo(Number.MAX_SAFE_INTEGER))
    .option("--payee <address>", "those that pay this address, and how much", addressArgument)
    .addOption(new Option("--state <state>", "those in this state").choices(states))
    .action(async (options: Options) => {
      const { limit, before, payee, state } = options;
      const given = Object.entries({ limit, before, payee, state }).filter(
        ([, value]) => value !== undefined,
      );
      const query = new URLSearchParams(
        given.map(([name, value]) => [name, String(value)] as [string, string]),
      );
      const { receipts } = await connect().get<{ receipts: ListedJson[] }>(`/v1/receipts?${query}`);
      io.result({ receipts }, show(receipts, options.payee !== undefined));
    });
}

function show(receipts: readonly ListedJson[], isPaid: boolean): string {
  if (receipts.length === 0) return 'There is no such receipt.\n→ ./openledger chat <model> "…"';
  return table(receipts, [
    ["No", ({ seq }) => seq, "number"],
    ["Receipt", ({ receiptId }) => receiptId],
    ["Release", ({ releaseId }) => short(releaseId)],
    ["Fee, OPEN", ({ feeWei }) => formatOpen(BigInt(feeWei)), "number"],
    ...(isPaid
      ? [["Paid, OPEN", ({ paidWei }: ListedJson) => formatOpen(BigInt(paidWei ?? 0)), "number"] as const]
      : []),
    ["State", ({ state }) => state],
    ["Time", ({ acceptedAtMs }) => new Date(acceptedAtMs).toISOString().slice(0, 19).replace("T", " ")],
  ]);
}
