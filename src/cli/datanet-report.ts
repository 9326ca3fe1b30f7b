/** `openledger datanet report`: what became of a contribution's rows, as often as one likes. */
import type { Command } from "commander";
import { place, type Source } from "../datanets/index.ts";
import {
  type PreviewRow,
  type Report,
  reportCounts,
  reportRowsShown,
  showReport,
  statusName,
} from "./contribute-show.ts";
import { ownHeaders, passHeaders, withPass } from "./datanet-pass.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { wholeUpTo } from "./numbers.ts";
import { subcommand } from "./subcommand.ts";
import { oneLine, plain } from "./table.ts";
import { accountName } from "./wallet-account.ts";

type RowJson = Omit<PreviewRow, "status"> & {
  readonly status: string;
  readonly digest?: string;
  readonly source?: Source;
  readonly withdrawnAtMs?: number;
  readonly reviews?: readonly {
    readonly decision: string;
    readonly reason: string;
    readonly proposal?: object;
  }[];
};
type ReportJson = Omit<Report, "rows"> & { readonly rows: readonly RowJson[] };

type Options = {
  readonly all?: true;
  readonly offset: number;
  readonly limit: number;
  readonly as?: string;
  readonly pass?: string;
};

export function define(command: Command, io: Io): void {
  withPass(
    subcommand(
      command,
      "report",
      "Show what became of a contribution's rows: those turned down first, then those that were noted",
    ),
  )
    .argument("<contribution>", "its number", wholeUpTo(Number.MAX_SAFE_INTEGER))
    .option("--as <name>", "account of your wallet that gave the rows, where texts are gated", accountName)
    .option("--all", "rows that nothing is said of, too, in the order given")
    .option("--offset <number>", "leave out so many of them", wholeUpTo(0xffff_ffff, 0), 0)
    .option("--limit <number>", "at most so many", wholeUpTo(reportRowsShown.max), reportRowsShown.usual)
    .action((contribution: number, options: Options) => report(io, contribution, options));
}

async function report(
  io: Io,
  contribution: number,
  { all, offset, limit, as, pass }: Options,
): Promise<void> {
  const node = connect();
  const query = new URLSearchParams({
    ...(all ? {} : { status: "noted" }),
    ...{ offset: String(offset), limit: String(limit) },
  });
  const path = `/v1/contributions/${contribution}`;
  const headers =
    as === undefined
      ? passHeaders(pass)
      : await ownHeaders(io, node, (await node.get<ReportJson>(`${path}?limit=1`)).datanetId, as);
  const found = await node.get<ReportJson>(`${path}?${query}`, { headers });
  const of = all ? found.exampleCount : found.noted;
  const shown = offset + found.rows.length;
  const command = `./openledger datanet report ${contribution}`;
  io.result(
    found,
    [
      ...showReport(found),
      ...reportCounts(found),
      ...(found.rows.length === 0 ? [] : ["", ...found.rows.flatMap(showRow)]),
      ...(of === 0 ? ["Nothing was noted of any row."] : []),
      "",
      ...(shown < of ? [`→ ${command}${all ? " --all" : ""} --offset ${shown} shows the next of ${of}`] : []),
      ...(all || of === found.exampleCount ? [] : [`→ ${command} --all shows the other rows, too`]),
      ...(found.rows.some(({ digest }) => digest === undefined)
        ? [
            `→ ${command} --as <account> tells who gave these rows where they came from and what was found; --pass tells who may read the Datanet`,
          ]
        : []),
      ...(found.proposed > 0
        ? [`→ ./openledger datanet edits ${contribution} shows what curators would have instead`]
        : []),
    ]
      .join("\n")
      .trimEnd(),
  );
}

/** Where a row came from, what became of it, and below that every reason. */
function showRow({ line, source, status, withdrawnAtMs, reasons, reviews = [] }: RowJson): string[] {
  const became = withdrawnAtMs === undefined ? statusName(status) : "taken back";
  return [
    `row ${line}${source === undefined ? "" : `, ${plain(place(source))}`}: ${became}`,
    ...reasons.map(({ message }) => `  ${oneLine(message, 600)}`),
    ...reviews
      .filter(({ reason }) => reason !== "")
      .map(
        ({ decision, reason }) =>
          `  A curator ${decision === "accept" ? "took" : "turned down"} this row: ${oneLine(reason, 2_000)}`,
      ),
  ];
}
