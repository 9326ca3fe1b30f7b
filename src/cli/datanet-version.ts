/** `openledger datanet diff|export|import|withdraw`: what versions hold, and taking examples back. */
import { createWriteStream, existsSync } from "node:fs";
import { Writable } from "node:stream";
import { type Command, InvalidArgumentError } from "commander";
import type { Source } from "../datanets/index.ts";
import {
  type Address,
  type Digest,
  domain,
  type Example,
  examplesDigest,
  signWithdrawal,
  toHex,
} from "../protocol/index.ts";
import { wholeReport } from "./contribution-report.ts";
import type { VersionJson } from "./datanet.ts";
import { ownHeaders, passHeaders, withPass } from "./datanet-pass.ts";
import { rowNumbers } from "./datanet-review.ts";
import { CliError, exitCodes } from "./errors.ts";
import { cannotWrite } from "./files.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { counted } from "./numbers.ts";
import { assertChain, networkOf } from "./purse.ts";
import { excerpt } from "./receipt-examples.ts";
import { subcommand } from "./subcommand.ts";
import { short, table } from "./table.ts";
import { walletAccount, withAccount } from "./wallet-account.ts";

type DiffJson = {
  readonly from: number;
  readonly to: number;
  readonly added: number;
  readonly removed: number;
  readonly kept: number;
  readonly rows: readonly {
    readonly change: "added" | "removed";
    readonly split: string;
    readonly digest: string;
    readonly contributor: string;
    readonly example: Example;
  }[];
};

type ReportJson = {
  readonly datanetId: string;
  readonly contributor: Address;
  readonly exampleCount: number;
  readonly rows: readonly ReportRow[];
};
type ReportRow = {
  readonly line: number;
  readonly digest: Digest;
  readonly status: string;
  readonly withdrawnAtMs?: number;
  readonly source?: Source;
};
/** A line of a file that was given; the file may be left out where there is one. */
type SourceLine = { readonly file: string | undefined; readonly line: number };

const files = ["rows.jsonl", "rows.parquet", "croissant.json", "README.md"];

/** A Datanet's version, as in 1@2. */
function versionName(text: string): { datanet: string; version: number } {
  const found = /^([1-9]\d{0,77})@([1-9]\d{0,8})$/.exec(text);
  if (found === null)
    throw new InvalidArgumentError("A version is named by Datanet and number, such as 1@2.");
  return { datanet: found[1] as string, version: Number(found[2]) };
}

function sourceLines(text: string): SourceLine[] {
  return text.split(",").map((part) => {
    const [, file, line] = /^(?:(.+):)?([1-9]\d{0,14})$/s.exec(part.trim()) ?? [];
    if (line === undefined)
      throw new InvalidArgumentError(
        "Lines are numbers from 1 between commas, with their file where several were given: 3,17 or rows.csv:3,rows.csv:17.",
      );
    return { file, line: Number(line) };
  });
}

/** Where a row came from: its line in the file that was given, else the number of its record. */
const lineOf = ({ source, line }: ReportRow) => source?.line ?? source?.row ?? (source ? undefined : line);

/** The rows that began at a line. @throws CliError where several files have one */
function rowsAt(rows: readonly ReportRow[], { file, line }: SourceLine): ReportRow[] {
  const found = rows.filter(
    (row) => lineOf(row) === line && (file === undefined || row.source?.file === file),
  );
  const files = [...new Set(found.map(({ source }) => source?.file))];
  if (files.length <= 1) return found;
  throw new CliError(`Line ${line} is in ${files.length} of the files that were given.`, {
    expected: `one of ${files
      .slice(0, 5)
      .map((name) => `${name}:${line}`)
      .join(", ")}`,
    exitCode: exitCodes.usage,
  });
}

export function define(command: Command, io: Io): void {
  withPass(subcommand(command, "diff", "Show which rows two versions do not share"))
    .argument("<version>", "the later one, such as 1@2", versionName)
    .option("--from <number>", "the earlier one; by default the one before", Number)
    .action((version, options) => diff(io, version, options));
  withPass(subcommand(command, "export", "Write a version as a file"))
    .argument("<version>", "such as 1@2", versionName)
    .option("--file <name>", `one of ${files.join(", ")}`, "rows.jsonl")
    .requiredOption("--out <file>", "where to, - for standard output; a file that exists is left alone")
    .action((version, options) => exportFile(io, version, options));
  subcommand(
    command,
    "import",
    "Have the node keep a copy of another node's version, checked against the chain",
  )
    .argument("<version>", "such as 1@2", versionName)
    .requiredOption("--from <url>", "the other node, such as https://node.example")
    .action((version, { from }) => importFrom(io, version, from));
  withAccount(
    subcommand(command, "withdraw", "Take examples of a contribution back: later versions leave them out"),
    "account of your wallet that contributed",
  )
    .argument("<contribution>", "its number", Number)
    .option(
      "--lines <numbers>",
      "only these lines of the files given, such as 3,17 or rows.csv:3",
      sourceLines,
    )
    .option("--rows <numbers>", "only these rows, as reports count them: row 3 of contribution 1", rowNumbers)
    .action((contribution, options) => withdraw(io, contribution, options));
}

/** Has the node keep a copy. */
async function importFrom(io: Io, { datanet, version }: ReturnType<typeof versionName>, from: string) {
  const path = `/v1/datanets/${datanet}/versions/${version}/import`;
  const response = await connect().send("POST", path, { body: { from }, operator: true });
  const summary = (await response.json()) as VersionJson;
  const isNew = response.status === 201;
  const rows = `${counted(summary.count, "row")} and ${summary.heldoutCount} held out`;
  io.result(
    { ...summary, created: isNew },
    [
      isNew
        ? `Version ${datanet}@${version} is here: ${rows}, every one checked against the chain.`
        : `Version ${datanet}@${version} was here already: ${rows}. ${from} was not asked.`,
      `→ ./openledger finetune --datanet ${datanet}@${version} --model <name>`,
    ].join("\n"),
  );
}

async function diff(
  io: Io,
  { datanet, version }: ReturnType<typeof versionName>,
  { from, pass }: { from?: number; pass?: string },
): Promise<void> {
  const query = from === undefined ? "" : `?from=${from}`;
  const found = await connect().get<DiffJson>(`/v1/datanets/${datanet}/versions/${version}/diff${query}`, {
    headers: passHeaders(pass),
  });
  const listed = table(found.rows, [
    ["", ({ change }) => (change === "added" ? "+" : "−")],
    ["Split", ({ split }) => split],
    ["By", ({ contributor }) => short(contributor)],
    ["Example", ({ example }) => excerpt(example)],
  ]);
  const differ = found.added + found.removed;
  const rest = differ - found.rows.length;
  io.result(
    found,
    [
      `Version ${found.to} has ${counted(found.added, "row")} that version ${found.from} has not, lacks ${found.removed} of its rows, and shares ${found.kept}.`,
      ...(differ === 0 ? [] : [listed]),
      ...(rest > 0 ? [`… and ${rest} more: --json, or the API, page by page`] : []),
    ].join("\n\n"),
  );
}

async function exportFile(
  io: Io,
  { datanet, version }: ReturnType<typeof versionName>,
  { file, out, pass }: { file: string; out: string; pass?: string },
): Promise<void> {
  if (!files.includes(file))
    throw new CliError(`There is no export "${file}".`, {
      expected: files.join(", "),
      actual: file,
      exitCode: exitCodes.usage,
    });
  if (out !== "-" && existsSync(out)) throw cannotWrite(out, { code: "EEXIST" });
  const path = `/v1/datanets/${datanet}/versions/${version}/files/${file}`;
  const { body } = await connect().send("GET", path, { headers: passHeaders(pass) });
  if (body === null) throw new CliError(`The node gave nothing for ${path}.`);
  if (out === "-") return body.pipeTo(Writable.toWeb(process.stdout), { preventClose: true });
  let bytes = 0;
  const counted = body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        bytes += chunk.length;
        controller.enqueue(chunk);
      },
    }),
  );
  const given = createWriteStream(out, { flags: "wx" });
  let unwritten: unknown;
  given.once("error", (cause) => {
    unwritten = cause;
  });
  await counted.pipeTo(Writable.toWeb(given)).catch((cause) => {
    throw unwritten === undefined ? cause : cannotWrite(out, unwritten);
  });
  io.result({ file, out, bytes }, `${out} holds ${file} of version ${datanet}@${version}: ${bytes} bytes.`);
}

async function withdraw(
  io: Io,
  contribution: number,
  { as, lines, rows }: { as: string; lines?: SourceLine[]; rows?: readonly number[] },
): Promise<void> {
  const node = connect();
  await networkOf(node);
  const { datanetId } = await node.get<ReportJson>(`/v1/contributions/${contribution}?limit=1`);
  const own = await ownHeaders(io, node, datanetId, as);
  const report = await wholeReport<ReportJson>(node, contribution, own);
  const standing = report.rows.filter(
    ({ status, withdrawnAtMs }) =>
      withdrawnAtMs === undefined && (status === "accepted" || status === "pending"),
  );
  const absent = rows?.find((row) => !standing.some(({ line }) => line === row));
  if (absent !== undefined)
    throw new CliError(`Row ${absent} of contribution ${contribution} does not count or wait for curators.`, {
      fix: [`./openledger datanet report ${contribution} --all shows every row, and what became of it`],
    });
  const missing = lines?.find((line) => rowsAt(standing, line).length === 0);
  const named = [
    ...(lines?.flatMap((line) => rowsAt(standing, line)) ?? []),
    ...(rows === undefined ? [] : standing.filter(({ line }) => rows.includes(line))),
  ];
  const wanted = lines === undefined && rows === undefined ? standing : [...new Set(named)];
  if (missing !== undefined || wanted.length === 0)
    throw new CliError(
      missing === undefined
        ? `Contribution ${contribution} has no row that counts or waits for curators.`
        : `No row of contribution ${contribution} that counts or waits for curators is from ${missing.file ?? "line"}${missing.file ? ":" : " "}${missing.line}.`,
      {
        fix: [
          `./openledger datanet report ${contribution} --all shows every row with its source, and what became of it`,
        ],
      },
    );
  const account = walletAccount(node.settings, as, io);
  const { signing } = await node.get<{ signing: { chainId: number; verifyingContract: Address } }>(
    `/v1/datanets/${report.datanetId}`,
  );
  assertChain(node, signing.chainId);
  const digests = wanted.map(({ digest }) => digest);
  const withdrawal = {
    datanetId: BigInt(report.datanetId),
    contributor: toHex(account.address),
    examplesDigest: examplesDigest(digests),
    exampleCount: digests.length,
    signedAt: BigInt(Math.floor(Date.now() / 1_000)),
  };
  const signature = await signWithdrawal(
    domain(signing.chainId, signing.verifyingContract),
    withdrawal,
    account,
  );
  const done = await node.post<{ withdrawn: number }>(`/v1/datanets/${report.datanetId}/withdrawals`, {
    ...{ contributor: withdrawal.contributor, digests },
    ...{ signedAt: Number(withdrawal.signedAt), signature },
  });
  io.result(
    done,
    [
      `${counted(done.withdrawn, "example")} of contribution ${contribution} ${done.withdrawn === 1 ? "is" : "are"} taken back: no later version of Datanet ${report.datanetId} holds ${done.withdrawn === 1 ? "it" : "them"}.`,
      "Releases made of earlier versions keep what they learned, and say that rows were taken back.",
      `→ ./openledger datanet publish ${report.datanetId}`,
    ].join("\n"),
  );
}
