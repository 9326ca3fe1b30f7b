import { statSync } from "node:fs";
import { type Command, InvalidArgumentError } from "commander";
import { type ScoreShare, type Standing, sameHex, standingLines } from "../protocol/index.ts";
import { formatOpen } from "./amount.ts";
import { fetchAudit } from "./audit-file.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { givenKey, withKey } from "./key.ts";
import { wholeUpTo } from "./numbers.ts";
import { type ExamplesJson, showExamples } from "./receipt-examples.ts";
import { type SpansJson, showSpans } from "./receipt-spans.ts";
import { shareText } from "./score-lines.ts";
import { subcommand } from "./subcommand.ts";
import { pairs, table } from "./table.ts";

export type ReceiptState = "scored" | "batched" | "final" | "lost";

export type ReceiptJson = {
  readonly receiptId: string;
  readonly channelId: string;
  readonly releaseId: string;
  readonly feeWei: string;
  readonly state: ReceiptState;
  readonly acceptedAtMs: number;
  readonly batchNumber: number | null;
  readonly transactionHash: string | null;
  readonly bundle: {
    readonly receipt: {
      readonly promptTokens: number;
      readonly completionTokens: number;
      readonly threshold: string;
    };
    readonly query: string;
    readonly scores: readonly { readonly row: number; readonly score: number }[];
    readonly payments: readonly { readonly payee: `0x${string}`; readonly amount: string }[];
    readonly terms: {
      readonly payees: Readonly<Record<"operator" | "treasury" | "developer" | "stakers", `0x${string}`>>;
      readonly datanets: readonly { readonly owner: `0x${string}`; readonly pool: `0x${string}` }[];
    };
  };
  readonly calibration: { readonly status: string; readonly label: string } | null;
  readonly scores: readonly ScoreShare[];
  readonly standing: readonly Standing[];
  readonly proof: { readonly index: number; readonly count: number; readonly finalAtSec: number } | null;
};

/** Checks a receipt's id. */
export function receiptId(text: string): string {
  if (/^0x[0-9a-fA-F]{64}$/.test(text)) return text.toLowerCase();
  throw new InvalidArgumentError("A receipt is named by 0x and 64 hex digits.");
}

/** `openledger receipt <id>`: what an answer cost, and who is paid for it. */
export function define(command: Command, io: Io): void {
  const show = async (id: string) => {
    const receipt = await connect().get<ReceiptJson>(`/v1/receipts/${id}`);
    io.result(receipt, showReceipt(receipt));
  };
  command.argument("<id>", "the receipt's id", receiptId).action(show);
  subcommand(command, "show", "The same as without a subcommand: the receipt and its split")
    .argument("<id>", "the receipt's id", receiptId)
    .action(show);
  withKey(
    subcommand(command, "audit", "Write everything it takes to check a receipt elsewhere into one file"),
  )
    .argument("<id>", "the receipt's id", receiptId)
    .requiredOption("--out <file>", "where to write it")
    .option(
      "--full",
      "with request, answer, tokens and the release's files, to compute the query again; for who paid, or the operator",
    )
    .action(async (id: string, { out, full, key }: { out: string; full?: boolean; key?: string }) => {
      await fetchAudit(id, { save: out, full, key });
      const { size } = statSync(out);
      io.result(
        { file: out, bytes: size, full: full === true },
        `${out}, ${size} bytes.\n→ ./openledger verify ${out}${full ? " --replay --base <folder>" : ""}`,
      );
    });
  withKey(
    subcommand(command, "spans", "Show which runs of its answer stand word for word in the training data"),
  )
    .argument("<id>", "the receipt's id", receiptId)
    .addHelpText(
      "after",
      "\nFor who paid for the answer, and the operator. Spans show where words come from; they pay nobody.",
    )
    .action(async (id: string, { key }: { key?: string }) => {
      const found = await askAbout<SpansJson>(id, "spans", key);
      io.result(found, showSpans(found));
    });
  withKey(
    subcommand(command, "examples", "Show which training examples shaped its answer most, of who is paid"),
  )
    .argument("<id>", "the receipt's id", receiptId)
    .option("--limit <number>", "at most so many", wholeUpTo(100), 10)
    .option("--harmful", "also those of all contributors that made the answer less likely")
    .addHelpText("after", "\nFor who paid for the answer, and the operator.")
    .action(async (id: string, { key, limit, harmful = false }: ExamplesOptions) => {
      const found = await askAbout<ExamplesJson>(id, `examples?limit=${limit}&harmful=${harmful}`, key);
      io.result(found, showExamples(found));
    });
}

type ExamplesOptions = { key?: string; limit: number; harmful?: boolean };

/** What only who paid for the answer and the operator are told. */
function askAbout<T>(id: string, what: string, option?: string): Promise<T> {
  const key = givenKey(option);
  return connect().get<T>(
    `/v1/receipts/${id}/${what}`,
    key === undefined ? { operator: true } : { headers: { authorization: `Bearer ${key}` } },
  );
}

const stateWords: Record<ReceiptState, string> = {
  scored: "waits to be settled",
  batched: "on chain, open to challenge",
  final: "final",
  lost: "lost: its channel was closed before it was collected",
};

/** A receipt for people: its state, and the split of its fee. */
export function showReceipt(receipt: ReceiptJson): string {
  const { bundle, proof } = receipt;
  const fee = BigInt(receipt.feeWei);
  const rows = byPayee(splitOf(bundle));
  const influenceWei = rows.reduce((sum, { who, wei }) => (who === "contributor" ? sum + wei : sum), 0n);
  const off = receipt.scores[0]?.errorMillionths ?? null;
  return [
    pairs([
      ["receipt", receipt.receiptId],
      ["release", receipt.releaseId],
      ["state", stateWords[receipt.state]],
      ...(receipt.transactionHash === null
        ? []
        : ([
            ["batch", `${receipt.batchNumber}, receipt ${(proof?.index ?? 0) + 1} of ${proof?.count ?? "?"}`],
            ["transaction", receipt.transactionHash],
          ] as const)),
      ["traced", bundle.query === "0x" ? "no: the payer opted out" : influenceWords(bundle.scores.length)],
      ...(receipt.calibration === null ? [] : ([["scores", receipt.calibration.label]] as const)),
    ]),
    "",
    table(rows, [
      ["Paid to", ({ who }) => who],
      ["Address", ({ payee }) => payee],
      ["OPEN", ({ wei }) => formatOpen(wei), "number"],
      ["Share", ({ wei }) => `${(Number((wei * 100_000n) / fee) / 1_000).toFixed(2)} %`, "number"],
      ...(influenceWei === 0n
        ? []
        : ([
            [
              "Of influence",
              ({ who, wei }: Paid) =>
                who === "contributor" ? shareText(Number((wei * 1_000_000n) / influenceWei), off) : "",
              "number",
            ],
          ] as const)),
    ]),
    "",
    ...standingLines(receipt.standing),
  ].join("\n");
}

const influenceWords = (listed: number) =>
  listed === 0
    ? "yes: nobody stands out from chance, the common pools are paid"
    : `yes: ${listed} ${listed === 1 ? "row is" : "rows are"} above the cut`;

type Paid = { who: string; payee: string; wei: bigint };

/** A contributor has several rows, and is shown once, where its first stands. */
function byPayee(paid: readonly Paid[]): Paid[] {
  const found = new Map<string, Paid>();
  for (const [i, { who, payee, wei }] of paid.entries()) {
    const key = who === "contributor" ? payee : `${i}`;
    found.set(key, { who, payee, wei: wei + (found.get(key)?.wei ?? 0n) });
  }
  return [...found.values()];
}

/**
 * Who is paid as what. Payments stand in the protocol's order: operator, treasury, developer, stakers, owners, then contributors by row,
 * or pools.
 */
export function splitOf({
  payments,
  terms,
  scores,
}: Pick<ReceiptJson["bundle"], "payments" | "terms" | "scores">): Paid[] {
  const heads: readonly (readonly [string, `0x${string}`])[] = [
    ...(["operator", "treasury", "developer", "stakers"] as const).map(
      (head) => [head, terms.payees[head]] as const,
    ),
    ...terms.datanets.map(({ owner }) => ["Datanet owner", owner] as const),
  ];
  let head = 0;
  return payments.map(({ payee, amount }) => {
    // Zero amounts are left out: go on to the head that this payment is for.
    let at = head;
    while (at < heads.length && !sameHex((heads[at] as (typeof heads)[number])[1], payee)) at++;
    const found = heads[at];
    if (found !== undefined) head = at + 1;
    else head = heads.length;
    return {
      who: found?.[0] ?? (scores.length > 0 ? "contributor" : "common pool"),
      payee,
      wei: BigInt(amount),
    };
  });
}
