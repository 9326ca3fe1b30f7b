import { readFileSync, writeFileSync } from "node:fs";
import type { Command } from "commander";
import { auditSchema, type Check, nothingFailed, verifyAudit } from "../protocol/index.ts";
import { CliError, exitCodes } from "./errors.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";

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
      const json = await loadAudit(receipt, save);
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
      // Whose word it is: a file forged whole, with another operator's key, can only be told by this.
      const { domain, bundle } = auditSchema.parse(json);
      const claimed = {
        chainId: domain.chainId,
        ledger: domain.verifyingContract,
        operator: bundle.terms.payees.operator,
      };
      io.result(
        { verified, checks },
        `${checks.map((check) => line(check)).join("\n")}\n\nIssued by ${claimed.operator}\nfor the ledger ${claimed.ledger} on chain ${claimed.chainId}: compare them with the network's.\n\n${verified ? "Nothing failed." : ""}`,
      );
      if (!verified)
        throw new CliError("The receipt does not hold.", {
          expected: "every check passed, or could not be made",
          actual: `failed: ${checks
            .filter(({ status }) => status === "failed")
            .map(({ name }) => name)
            .join(", ")}`,
        });
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

/** An audit file, or that of a receipt the running node has. @param save where to keep what is fetched */
export async function loadAudit(receipt: string, save?: string): Promise<unknown> {
  return /^0x[0-9a-fA-F]{64}$/.test(receipt) ? fetchAudit(receipt.toLowerCase(), save) : readAudit(receipt);
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
  const json = await connect().get<object>(`/v1/receipts/${id}/audit`);
  if (save !== undefined) writeFileSync(save, JSON.stringify(json));
  return json;
}
