import { type Command, InvalidArgumentError, Option } from "commander";
import { type ConvertOptions, formats, place, type RefusalCode } from "../datanets/index.ts";
import { type Digest, domain, signConsent, toHex } from "../protocol/index.ts";
import { formatOpen } from "./amount.ts";
import { commitFirst } from "./commitment.ts";
import { assertSameRows, type Part, type Reading, readParts, startReading } from "./contribute-parts.ts";
import {
  inShort,
  type Listing,
  list,
  type PreviewRow,
  type Report,
  showCounts,
  showListing,
  showReport,
  showShapes,
  showUnread,
  startListing,
} from "./contribute-show.ts";
import { wholeReport } from "./contribution-report.ts";
import { datanetNumber } from "./datanet-number.ts";
import { ownHeaders, passHeaders, withPass } from "./datanet-pass.ts";
import { CliError, exitCodes } from "./errors.ts";
import { connect, type NodeClient } from "./http.ts";
import type { Io } from "./io.ts";
import { counted, wholeUpTo } from "./numbers.ts";
import { progressBar } from "./progress.ts";
import { assertChain, networkOf } from "./purse.ts";
import { oneLine } from "./table.ts";
import { walletAccount, withAccount } from "./wallet-account.ts";

/** Fewer rows are checked at a glance. */
const progressRowsMin = 2_000;

type Preview = {
  readonly license: string;
  readonly examplesDigest: Digest;
  readonly exampleCount: number;
  readonly mask: boolean;
  readonly comparedWith: "datanet" | "upload";
  readonly signing: { readonly chainId: number; readonly verifyingContract: `0x${string}` };
  readonly rows: readonly (PreviewRow & { readonly duplicate: boolean })[];
};

type Options = {
  readonly as: string;
  readonly heldout?: true;
  readonly preview?: true;
  readonly all?: true;
  readonly mask?: true;
  readonly sourceLicense?: string;
  readonly format?: (typeof formats)[number];
  readonly map?: Readonly<Record<string, string>>;
  readonly shape?: "chat" | "completion";
  readonly chunk?: number;
  readonly overlap?: number;
  readonly pass?: string;
};

/** `openledger contribute <datanet> <file…>`: look at what would become of each row, sign a consent, hand the rows in. */
export function define(command: Command, io: Io): void {
  withPass(withAccount(command, "account of your wallet that contributes and is paid"))
    .argument("<datanet>", "number of the Datanet", datanetNumber)
    .argument(
      "<file...>",
      "files, or folders of them: JSON Lines, JSON, CSV, TSV, Parquet, text, Markdown, PDF, DOCX; - is standard input",
    )
    .option("--heldout", "rows to measure with, never to train on")
    .option("--preview", "only say what would become of each row; nothing is signed or sent to stay")
    .option("--all", "with --preview: list every row, in the order of the files")
    .option(
      "--map <part=column>",
      "which column, or text with {columns}, is prompt, completion or system",
      mapped,
    )
    .addOption(
      new Option("--format <format>", "what the files are, whatever they look like").choices(formats),
    )
    .addOption(
      new Option("--shape <shape>", "question and answer, or a text that goes on").choices([
        "chat",
        "completion",
      ]),
    )
    .option("--chunk <characters>", "most characters of a document's chunk", wholeFrom100)
    .option(
      "--overlap <characters>",
      "characters of the chunk before that a chunk begins with",
      wholeUpTo(10_000),
    )
    .option("--mask", "mask personal data before anything is signed")
    .option(
      "--source-licence, --source-license <id>",
      "SPDX expression that the data came under, where it is another",
    )
    .addHelpText(
      "after",
      "\nWhat fits no row is left out and listed. More than one contribution holds becomes several, each with its own consent.",
    )
    .action((id: string, files: string[], options: Options) => run(io, id, files, options));
}

/** A chunk's length: shorter ones would part sentences. */
function wholeFrom100(text: string): number {
  const value = wholeUpTo(50_000)(text);
  if (value >= 100) return value;
  throw new InvalidArgumentError("Expected a whole number from 100 to 50000.");
}

/** Reads `part=column`, once for each part. */
function mapped(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const [, part, value] = /^(prompt|completion|system)=(.+)$/s.exec(text) ?? [];
  if (part === undefined || value === undefined)
    throw new InvalidArgumentError("Expected prompt=…, completion=… or system=…, such as prompt=question.");
  return { ...before, [part]: value };
}

function convertOptions({ format, map, shape, chunk, overlap }: Options): ConvertOptions {
  if (map && map.completion === undefined)
    throw new CliError("A mapping names at least the completion.", {
      fix: ["Add --map completion=<column>."],
      exitCode: 2,
    });
  return {
    ...(format && { format }),
    ...(map && { mapping: { ...map, completion: map.completion! } }),
    ...(shape && { as: shape }),
    ...(chunk && { characters: chunk }),
    ...(overlap && { overlap }),
  };
}

async function run(io: Io, id: string, files: string[], options: Options): Promise<void> {
  if (options.all && !options.preview)
    throw new CliError("--all goes with --preview.", {
      fix: ["./openledger datanet report <contribution> --all shows every row of one that was given."],
      exitCode: exitCodes.usage,
    });
  const reading = startReading();
  const parts = readParts(files, convertOptions(options), reading, io);
  const node = connect();
  await networkOf(node);
  const previews: Preview[] = [];
  const reports: Report[] = [];
  const listing = startListing(options.all);
  try {
    for await (const part of parts) {
      const path = `/v1/datanets/${id}/preview?${query(options)}`;
      const preview = await post<Preview>(io, node, path, part, "checking", passHeaders(options.pass));
      if (options.preview) {
        previews.push(preview);
        list(listing, part, preview.rows);
        continue;
      }
      const report = await hand(io, node, id, part, preview, options);
      reports.push(report);
      list(listing, part, report.rows, report.exampleCount);
    }
  } catch (error) {
    for (const report of reports) io.warn(showReport(report)[0]!);
    throw error;
  }
  if (listing.rows === 0) throw nothing(files, reading);
  if (options.preview) showPreviews(io, id, listing, previews, reading);
  else showReports(io, listing, reports, reading);
}

const query = ({ heldout, mask, sourceLicense }: Options) =>
  new URLSearchParams({
    split: heldout ? "heldout" : "train",
    ...(mask && { mask: "true" }),
    ...(sourceLicense !== undefined && { sourceLicense }),
  });

/** Signs a consent to exactly these rows, and hands them in under it. */
async function hand(io: Io, node: NodeClient, id: string, part: Part, preview: Preview, options: Options) {
  assertChain(node, preview.signing.chainId);
  assertSameRows(part, preview);
  const account = walletAccount(node.settings, options.as, io);
  const consent = {
    datanetId: BigInt(id),
    contributor: toHex(account.address),
    examplesDigest: preview.examplesDigest,
    exampleCount: preview.exampleCount,
    license: preview.license,
    signedAt: BigInt(Math.floor(Date.now() / 1_000)),
  };
  await requireStake(node, id, consent.contributor);
  const { chainId, verifyingContract } = preview.signing;
  const registry = domain(chainId, verifyingContract);
  const signature = await signConsent(registry, consent, account);
  const salt = await commitFirst(node, registry, consent, account);
  const { datanetId: _, signedAt, exampleCount, ...terms } = consent;
  const signed = query(options);
  const fields = { ...terms, exampleCount: String(exampleCount), signedAt: String(signedAt), signature };
  for (const [name, value] of Object.entries(fields)) signed.set(name, value);
  if (preview.mask) signed.set("mask", "true");
  if (salt !== undefined) signed.set("salt", salt);
  const given = await post<Report>(
    io,
    node,
    `/v1/datanets/${id}/contributions?${signed}`,
    part,
    "contributing",
  );
  if (!io.json || given.rows.length === given.exampleCount) return given;
  return wholeReport<Report>(node, given.contributionId, await ownHeaders(io, node, String(id), options.as));
}

/** Before anything is signed or put on chain that would then be of no use. */
async function requireStake(node: NodeClient, id: string, contributor: string): Promise<void> {
  const { stakeWei } = await node.get<{ stakeWei?: string }>(`/v1/datanets/${id}/rules`);
  if (stakeWei === undefined) return;
  const found = await node.get<{ bondedWei: string; mayContribute: boolean }>(
    `/v1/datanets/${id}/contributors/${contributor}/stake`,
  );
  if (found.mayContribute) return;
  throw new CliError(`Datanet ${id} takes rows of those who have stake, and ${contributor} has too little.`, {
    expected: `at least ${formatOpen(BigInt(stakeWei))} OPEN staked, in any pool`,
    actual: `${formatOpen(BigInt(found.bondedWei))} OPEN`,
    fix: ["./openledger stake delegate <pool> <amount>", "./openledger stake pools lists them"],
    code: "stake-needed",
  });
}

/** Errors about a row also say where it came from, and what it became. */
async function post<T>(
  io: Io,
  node: NodeClient,
  path: string,
  part: Part,
  title: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<T> {
  const bar = part.rows.length >= progressRowsMin ? progressBar(io, title) : undefined;
  try {
    return await node.postWatched<T>(path, part.text, ({ stage, done, of }) => bar?.update(done, of, stage), {
      headers: { "content-type": "application/jsonl", ...headers },
    });
  } catch (error) {
    const row = error instanceof CliError && part.rows[Number(error.details?.line) - 1];
    if (!(error instanceof CliError) || !row) throw error;
    throw new CliError(error.message, {
      ...error,
      actual: `${place(row.source)}: ${inShort(row.example)}`,
      cause: error,
    });
  } finally {
    bar?.end();
  }
}

function nothing(files: readonly string[], { unread }: Reading): CliError {
  const [first] = unread;
  const what = files.length === 1 ? files[0] : `these ${files.length} files`;
  return new CliError(`Nothing in ${what} could be read as an example.`, {
    expected: "rows or text",
    actual: first ? oneLine(`${place(first.source)}: ${first.refused.message}`, 600) : "no file",
    fix: first === undefined ? ["Name files, or a folder that holds some."] : fixOf(first.refused.code),
    code: first?.refused.code ?? "empty-file",
    ...(first?.source.line === undefined ? {} : { details: { line: first.source.line } }),
  });
}

const columnsFix = [
  "--map prompt=<column> --map completion=<column> says which columns to use.",
  "--preview shows what becomes of each row.",
];
const brokenFix = [
  "Copy or export the file again: this one is damaged. Then --preview shows what becomes of it.",
];

/** What to do about a file in which nothing could be read. */
const fixes: Partial<Record<RefusalCode, readonly string[]>> = {
  "empty-file": ["Give a file that has rows or text in it. Was this one written to its end?"],
  "empty-row": ["Give a file that has rows or text in it. Was this one written to its end?"],
  "bad-encoding": ["Save it as UTF-8 and give it again."],
  "broken-csv": ["Export it again, with quotes around cells that hold the separator or line ends."],
  "broken-json": [
    "Write one JSON object a line, or a list of objects. --format text takes it as a text instead.",
  ],
  "broken-parquet": brokenFix,
  "broken-pdf": brokenFix,
  "broken-docx": brokenFix,
  "cut-short": brokenFix,
  encrypted: ["Save it without a password and give that."],
  "no-text": ["Pages that are pictures hold no text: have it recognised (OCR) first, then give the result."],
  "too-large": ["Split it, and give the parts."],
  "too-long": ["Split it, and give the parts."],
  "too-slow": ["Save it as text or JSON Lines, and give that."],
  "zip-bomb": ["Save it as text, and give that."],
  "unknown-format": [
    "Save it as JSON Lines, CSV, text, Markdown, PDF, DOCX or Parquet; --format says which of them it is.",
  ],
};
const fixOf = (code: RefusalCode): string[] => [...(fixes[code] ?? columnsFix)];

function showPreviews(
  io: Io,
  id: string,
  listing: Listing,
  previews: readonly Preview[],
  reading: Reading,
): void {
  const [preview] = previews as [Preview];
  const count = (wanted: PreviewRow["status"]) =>
    previews.reduce((sum, { rows }) => sum + rows.filter(({ status }) => status === wanted).length, 0);
  const several = previews.length > 1 ? ` in ${previews.length} contributions` : "";
  const exampleCount = previews.reduce((sum, found) => sum + found.exampleCount, 0);
  const { unread, unreadRows } = reading;
  io.result(
    {
      ...(previews.length === 1 ? preview : { exampleCount, contributions: previews }),
      files: reading.shapes,
      unread,
      unreadRows,
    },
    [
      ...showShapes(reading),
      "",
      ...showListing(listing, "examples"),
      ...showUnread(reading),
      "",
      ...showCounts(listing),
      `${outlook(count("accepted"), count("pending"), exampleCount)}${several}. They would be given under ${preview.license}.`,
      ...(preview.comparedWith === "datanet"
        ? []
        : [
            `The texts of Datanet ${id} are not open to you: these rows were compared with each other only, and some may be there already.`,
            `→ ./openledger datanet ask ${id} gives a pass for --pass`,
          ]),
    ].join("\n"),
  );
}

/** What counts at once, and what curators decide first. */
const outlook = (accepted: number, pending: number, of: number): string =>
  pending === 0
    ? `${accepted} of ${counted(of, "row")} would be accepted`
    : `${accepted === 0 ? "None" : accepted} of ${counted(of, "row")} would count at once; ${pending} would wait for curators`;

function showReports(io: Io, listing: Listing, reports: readonly Report[], reading: Reading): void {
  const total = (name: "accepted" | "duplicates" | "refused" | "pending") =>
    reports.reduce((sum, report) => sum + report[name], 0);
  const [report] = reports as [Report];
  const { unread, unreadRows } = reading;
  const totals = { accepted: total("accepted"), duplicates: total("duplicates"), refused: total("refused") };
  io.result(
    { ...(reports.length === 1 ? report : { contributions: reports, ...totals }), unread, unreadRows },
    [
      ...showListing(listing, "status"),
      ...showUnread(reading),
      ...reports.flatMap((given) => ["", ...showReport(given)]),
      ...next(report, totals.accepted, total("pending"), reports.length === 1),
    ].join("\n"),
  );
}

/** What comes next: curators, a version, or a look at what was turned down. */
function next(
  { datanetId, contributionId, noted }: Report,
  accepted: number,
  pending: number,
  isOnly: boolean,
) {
  return [
    ...(isOnly && noted > 0 ? [`→ ./openledger datanet report ${contributionId} shows every reason`] : []),
    ...(pending > 0 ? [`→ ./openledger datanet queue ${datanetId} --as <curator>`] : []),
    ...(accepted > 0 ? [`→ ./openledger datanet publish ${datanetId}`] : []),
  ];
}
