/** `openledger datanet edits`: what curators would have instead of your rows, and taking it. */
import { type Command, InvalidArgumentError } from "commander";
import {
  type Address,
  domain,
  type Example,
  exampleDigest,
  examplesDigest,
  signConsent,
  toHex,
} from "../protocol/index.ts";
import { type Report, showReport } from "./contribute-show.ts";
import { wholeReport } from "./contribution-report.ts";
import {
  type AccessJson,
  admittedHeaders,
  askForOwn,
  askForPass,
  type TermsOption,
  withTerms,
} from "./datanet-pass.ts";
import { CliError } from "./errors.ts";
import { connect, type NodeClient } from "./http.ts";
import type { Io } from "./io.ts";
import { assertChain, networkOf } from "./purse.ts";
import { excerpt } from "./receipt-examples.ts";
import { subcommand } from "./subcommand.ts";
import { oneLine, table } from "./table.ts";
import { asOption, walletAccount, withAccount } from "./wallet-account.ts";

type EditedJson = {
  readonly datanetId: string;
  readonly contributor: string;
  readonly license: string;
  readonly exampleCount: number;
  readonly rows: readonly {
    readonly line: number;
    readonly status: string;
    readonly withdrawnAtMs?: number;
    readonly reviews?: readonly { readonly reason: string; readonly proposal?: Example }[];
  }[];
};

function linesOf(text: string): number[] | "all" {
  if (text === "all") return text;
  const lines = text.split(",").map(Number);
  if (lines.every((line) => Number.isInteger(line) && line >= 1)) return lines;
  throw new InvalidArgumentError("Expected all, or rows between commas as they are listed, such as 3,17.");
}

export function define(command: Command, io: Io): void {
  withTerms(
    withAccount(
      subcommand(command, "edits", "Show what curators would have instead of your rows, and take it"),
      "account of your wallet that contributed",
    ),
  )
    .argument("<contribution>", "its number", Number)
    .option("--accept <rows>", "take these texts, or all: one signature, a consent to them", linesOf)
    .action((contribution, options) => edits(io, contribution, options));
}

async function edits(
  io: Io,
  contribution: number,
  { accept, ...who }: TermsOption & { as: string; accept?: number[] | "all" },
): Promise<void> {
  const node = connect();
  const report = await readable(io, node, contribution, who);
  const open = report.rows.flatMap(({ line, status, withdrawnAtMs, reviews = [] }) => {
    const last = reviews.findLast(({ proposal }) => proposal !== undefined);
    return last?.proposal === undefined || status === "accepted" || withdrawnAtMs !== undefined
      ? []
      : [{ line, reason: last.reason, text: last.proposal }];
  });
  if (accept === undefined) return list(io, contribution, who.as, open);
  const wanted = accept === "all" ? open : open.filter(({ line }) => accept.includes(line));
  const missing =
    accept === "all" ? undefined : accept.find((line) => !wanted.some((one) => one.line === line));
  if (missing !== undefined || wanted.length === 0)
    throw new CliError(
      missing === undefined
        ? `No curator has proposed another text for a row of contribution ${contribution}.`
        : `No curator has proposed another text for row ${missing} of contribution ${contribution}.`,
      { code: "no-proposal", fix: [`./openledger datanet edits ${contribution}`] },
    );
  await networkOf(node);
  const { signing } = await node.get<{ signing: { chainId: number; verifyingContract: Address } }>(
    `/v1/datanets/${report.datanetId}`,
  );
  assertChain(node, signing.chainId);
  const account = walletAccount(node.settings, who.as, io);
  const taken = wanted.map(({ line, text }) => ({ line, digest: exampleDigest(text) }));
  const consent = {
    datanetId: BigInt(report.datanetId),
    contributor: toHex(account.address),
    examplesDigest: examplesDigest(taken.map(({ digest }) => digest)),
    exampleCount: taken.length,
    license: report.license,
    signedAt: BigInt(Math.floor(Date.now() / 1_000)),
  };
  const signature = await signConsent(domain(signing.chainId, signing.verifyingContract), consent, account);
  const done = await node.post<Report>(`/v1/contributions/${contribution}/edits`, {
    ...{ contributor: consent.contributor, edits: taken, license: consent.license },
    ...{ signedAt: Number(consent.signedAt), signature },
  });
  io.result(
    done,
    [
      ...showReport(done),
      ...(done.pending > 0 ? [`→ ./openledger datanet queue ${report.datanetId} --as <curator>`] : []),
      ...(done.accepted > 0 ? [`→ ./openledger datanet publish ${report.datanetId}`] : []),
    ].join("\n"),
  );
}

/** A report with what curators propose: where texts are gated, for who gave the rows, and for who may read the Datanet. */
async function readable(
  io: Io,
  node: NodeClient,
  contribution: number,
  { as, ...terms }: TermsOption & { as: string },
): Promise<EditedJson> {
  const given = await node.get<EditedJson>(`/v1/contributions/${contribution}?limit=1`);
  const { datanetId } = given;
  const { rule } = await node.get<AccessJson>(`/v1/datanets/${datanetId}/access`);
  if (rule.kind === "public") return wholeReport<EditedJson>(node, contribution);
  const isOwn = toHex(walletAccount(node.settings, as, io).address) === given.contributor;
  const asking = { as, ...terms, command: `datanet edits ${contribution}` };
  const admission = isOwn
    ? await askForOwn(io, node, datanetId, as)
    : await askForPass(io, node, datanetId, {
        ...asking,
        purpose: `texts proposed for contribution ${contribution}`,
      });
  return wholeReport<EditedJson>(node, contribution, admittedHeaders(admission, datanetId, as));
}

function list(
  io: Io,
  contribution: number,
  as: string,
  open: readonly { line: number; reason: string; text: Example }[],
): void {
  io.result(
    { edits: open },
    open.length === 0
      ? `No curator has proposed another text for a row of contribution ${contribution}.`
      : [
          table(open, [
            ["Row", ({ line }) => line, "number"],
            ["Instead", ({ text }) => excerpt(text)],
            ["Because", ({ reason }) => oneLine(reason, 60)],
          ]),
          `→ ./openledger datanet edits ${contribution} --accept all${asOption(as)}`,
        ].join("\n\n"),
  );
}
