import { readFileSync } from "node:fs";
import type { Command } from "commander";
import {
  type Digest,
  domain,
  exampleDigest,
  exampleSchema,
  examplesDigest,
  signConsent,
  toHex,
} from "../protocol/index.ts";
import { datanetNumber } from "./datanet.ts";
import { CliError, exitCodes } from "./errors.ts";
import { connect, type NodeClient } from "./http.ts";
import type { Io } from "./io.ts";
import { assertChain, networkOf } from "./purse.ts";
import { oneLine, table } from "./table.ts";
import { walletAccount, withAccount } from "./wallet-account.ts";

/** The node's own limit on an upload. */
const fileBytesMax = 64 * 2 ** 20;
/** Rows that are listed to a person; `--json` has them all. */
const rowsShownMax = 40;

type Preview = {
  readonly license: string;
  readonly examplesDigest: Digest;
  readonly exampleCount: number;
  readonly signing: { readonly chainId: number; readonly verifyingContract: `0x${string}` };
  readonly rows: readonly { readonly line: number; readonly digest: Digest; readonly duplicate: boolean }[];
};

type Report = {
  readonly contributionId: number;
  readonly datanetId: string;
  readonly contributor: string;
  readonly split: "train" | "heldout";
  readonly license: string;
  readonly accepted: number;
  readonly duplicates: number;
  readonly rows: readonly {
    readonly line: number;
    readonly digest: Digest;
    readonly status: "accepted" | "duplicate";
    readonly duplicateOf?: {
      readonly contributionId: number;
      readonly contributor: string;
      readonly line: number;
    };
  }[];
};

/** `openledger contribute <datanet> <file>`: look at what would become of each row, sign a consent, hand the rows in. */
export function define(command: Command, io: Io): void {
  withAccount(command, "account of your wallet that contributes and is paid")
    .argument("<datanet>", "number of the Datanet", datanetNumber)
    .argument(
      "<file>",
      "JSON Lines: messages, or prompt and completion, one example a line; - is standard input",
    )
    .option("--heldout", "rows to measure with, never to train on")
    .option("--preview", "only say what would become of each row; nothing is signed or sent to stay")
    .action(async (id: string, file: string, options: { as: string; heldout?: true; preview?: true }) => {
      const text = readRows(file);
      const node = connect();
      await networkOf(node);
      const preview = await post<Preview>(node, `/v1/datanets/${id}/preview`, text, file);
      if (options.preview) return showPreview(io, preview);
      assertChain(node, preview.signing.chainId);
      assertSameRows(text, preview);
      const account = walletAccount(node.settings, options.as, io);
      const consent = {
        datanetId: BigInt(id),
        contributor: toHex(account.address),
        examplesDigest: preview.examplesDigest,
        exampleCount: preview.exampleCount,
        license: preview.license,
        signedAt: BigInt(Math.floor(Date.now() / 1_000)),
      };
      const { chainId, verifyingContract } = preview.signing;
      const signature = await signConsent(domain(chainId, verifyingContract), consent, account);
      const { datanetId: _, signedAt, exampleCount, ...terms } = consent;
      const query = new URLSearchParams({
        ...terms,
        exampleCount: String(exampleCount),
        signedAt: String(signedAt),
        signature,
        split: options.heldout ? "heldout" : "train",
      });
      const report = await post<Report>(node, `/v1/datanets/${id}/contributions?${query}`, text, file);
      io.result(report, showReport(report));
    });
}

function readRows(file: string): Uint8Array {
  try {
    const bytes = readFileSync(file === "-" ? 0 : file);
    if (bytes.length <= fileBytesMax) return bytes;
    throw new CliError(`${file} is too large for one contribution.`, {
      expected: `at most ${fileBytesMax / 2 ** 20} MiB`,
      actual: `${(bytes.length / 2 ** 20).toFixed(1)} MiB`,
      fix: ["Split it into several files."],
    });
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    throw new CliError(`Cannot read ${file}: ${(cause as Error).message}`, {
      exitCode: exitCodes.usage,
      cause,
    });
  }
}

/** Errors about a row also say what stands there. */
async function post<T>(node: NodeClient, path: string, text: Uint8Array, file: string): Promise<T> {
  try {
    return await node.post<T>(path, text, { headers: { "content-type": "application/jsonl" } });
  } catch (error) {
    if (!(error instanceof CliError) || typeof error.details?.line !== "number") throw error;
    const { line, column } = error.details;
    throw new CliError(error.message, {
      ...error,
      actual: `${file}:${line}${column === undefined ? "" : `:${column}`}: ${place(text, line, Number(column ?? 1))}`,
      fix: ["Correct this line and contribute the file again."],
      cause: error,
    });
  }
}

/** The part of a line around a column. */
function place(text: Uint8Array, line: number, column: number): string {
  const found = new TextDecoder().decode(text).split("\n")[line - 1] ?? "";
  return oneLine(found.slice(Math.max(0, column - 31), column + 40), 72) || "(blank)";
}

/**
 * What is signed must be what is in the file, whatever the node says: every digest is computed here as well.
 *
 * @throws CliError when the node's preview is of something else
 */
export function assertSameRows(
  text: Uint8Array,
  preview: Pick<Preview, "examplesDigest" | "exampleCount">,
): void {
  const lines = new TextDecoder().decode(text).split("\n");
  const digests = lines
    .filter((line) => line.trim() !== "")
    .map((line) => exampleDigest(exampleSchema.parse(JSON.parse(line))));
  const digest = examplesDigest(digests);
  if (digest === preview.examplesDigest && digests.length === preview.exampleCount) return;
  throw new CliError("The node's preview is not of this file; nothing was signed.", {
    expected: `${digests.length} rows, digest ${digest}`,
    actual: `${preview.exampleCount} rows, digest ${preview.examplesDigest}`,
    fix: ["Use another node: this one asked for a signature over other rows than were sent."],
    code: "preview-mismatch",
  });
}

function showPreview(io: Io, preview: Preview): void {
  const duplicates = preview.rows.filter(({ duplicate }) => duplicate).length;
  const shown = preview.rows.slice(0, rowsShownMax);
  io.result(
    preview,
    [
      table(shown, [
        ["Line", ({ line }) => line, "number"],
        ["Row", ({ duplicate }) => (duplicate ? "duplicate" : "new")],
        ["Digest", ({ digest }) => digest],
      ]),
      ...more(preview.rows.length),
      "",
      `${preview.exampleCount - duplicates} of ${preview.exampleCount} rows are new. They would be given under ${preview.license}.`,
    ].join("\n"),
  );
}

const more = (rows: number) => (rows > rowsShownMax ? [`… and ${rows - rowsShownMax} more rows`] : []);

function showReport(report: Report): string {
  const shown = report.rows.slice(0, rowsShownMax);
  const what = report.split === "heldout" ? "held-out rows" : "rows";
  return [
    table(shown, [
      ["Line", ({ line }) => line, "number"],
      ["Row", ({ status }) => status],
      [
        report.duplicates > 0 ? "Same as" : "",
        ({ duplicateOf: same }) =>
          same === undefined
            ? ""
            : `line ${same.line} of contribution ${same.contributionId} by ${same.contributor}`,
      ],
    ]),
    ...more(report.rows.length),
    "",
    `Contribution ${report.contributionId} to Datanet ${report.datanetId}: ${report.accepted} ${what} accepted, ${report.duplicates} duplicates.`,
    `Given by ${report.contributor} under ${report.license}.`,
    ...(report.accepted > 0 ? [`→ ./openledger datanet publish ${report.datanetId}`] : []),
  ].join("\n");
}
