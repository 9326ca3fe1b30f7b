import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { type Check, nothingFailed, verifyAudit } from "../protocol/index.ts";
import { CliError, exitCodes } from "./errors.ts";
import type { Io } from "./io.ts";
import { settingsFromEnvironment } from "./settings.ts";

const fileBytesMax = 256 * 2 ** 20;

/** `openledger verify <receipt>`: everything about a receipt that follows from public data, checked here and now. */
export function define(command: Command, io: Io): void {
  command
    .argument("<receipt>", "an audit file, or the id of a receipt to fetch from the running node first")
    .option("--save <file>", "keep the audit file that was fetched, to check it on another machine")
    .addHelpText(
      "after",
      "\nNeeds neither node, chain nor network when given a file. Exits with 1 when a check fails.\nWhat it cannot show: that the query is this answer's gradient, and that the index was made as the manifest says.",
    )
    .action(async (receipt: string, { save }: { save?: string }) => {
      const json = /^0x[0-9a-fA-F]{64}$/.test(receipt)
        ? await fetchAudit(receipt.toLowerCase(), save)
        : readAudit(receipt);
      let checks: Check[];
      try {
        checks = await verifyAudit(json);
      } catch (cause) {
        throw new CliError(`This is not an audit file: ${(cause as Error).message.slice(0, 400)}`, {
          exitCode: exitCodes.failed,
          cause,
        });
      }
      const verified = nothingFailed(checks);
      io.result(
        { verified, checks },
        `${checks.map((check) => line(check)).join("\n")}\n\n${verified ? "Nothing failed." : "The receipt does not hold."}`,
      );
      if (!verified) process.exitCode = exitCodes.failed;
    });
}

const marks = { passed: "✓", failed: "✗", unchecked: "·" } as const;
const shown = (text: string) => (text.length > 76 ? `${text.slice(0, 73)}…` : text);

function line({ name, status, expected, actual }: Check): string {
  const head = `${marks[status]} ${name.padEnd(16)} ${status}`;
  return status === "failed"
    ? `${head}\n    expected: ${shown(expected)}\n    actual:   ${shown(actual)}`
    : head;
}

function readAudit(path: string): unknown {
  let text: string;
  try {
    const bytes = readFileSync(path);
    if (bytes.length > fileBytesMax) throw new Error(`it has ${bytes.length} bytes, ${fileBytesMax} at most`);
    text = bytes.toString("utf8");
  } catch (cause) {
    throw new CliError(`Cannot read ${path}: ${(cause as Error).message}`, {
      fix: ["give the path of an audit file, or a receipt's id: 0x and 64 hex digits"],
      exitCode: exitCodes.usage,
      cause,
    });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CliError(`${path} is not JSON: ${(cause as Error).message}`, { cause });
  }
}

async function fetchAudit(id: string, save: string | undefined): Promise<unknown> {
  const { host, port } = settingsFromEnvironment();
  const url = `http://${host}:${port}/v1/receipts/${id}/audit`;
  const response = await fetch(url).catch((cause: Error) => {
    throw new CliError(`No node answers at http://${host}:${port}.`, {
      fix: ["start one with ./openledger up, or give an audit file, which needs no node"],
      exitCode: exitCodes.unfit,
      cause,
    });
  });
  const json = (await response.json()) as { error?: { message?: string } };
  if (!response.ok) throw new CliError(json.error?.message ?? `${url} answers ${response.status}.`);
  if (save !== undefined) {
    const { writeFileSync } = await import("node:fs");
    writeFileSync(save, JSON.stringify(json));
  }
  return json;
}
