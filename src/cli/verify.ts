import type { Command } from "commander";
import { auditSchema, type Check, nothingFailed, verifyAudit } from "../protocol/index.ts";
import type { ReplayCheck } from "../validators/index.ts";
import { loadAudit } from "./audit-file.ts";
import { CliError, exitCodes } from "./errors.ts";
import type { Io } from "./io.ts";
import { withKey } from "./key.ts";
import { withBase } from "./verify-base.ts";

type Options = { save?: string; replay?: boolean; base?: string; key?: string; threads: number };

/** `openledger verify <receipt>`: everything about a receipt that follows from public data, checked here and now. */
export function define(command: Command, io: Io): void {
  withBase(withKey(command))
    .argument("<receipt>", "an audit file, or the id of a receipt to fetch from the running node first")
    .option("--save <file>", "keep the audit file that was fetched, to check it on another machine")
    .option("--replay", "compute the answer's gradient again: takes a full audit file and the base model")
    .addHelpText(
      "after",
      `
Needs neither node, chain nor network when given a file. Exits with 1 when a check fails.
Without --replay it cannot show that the query is this answer's gradient; --replay computes it again, from a file that
'openledger receipt audit <id> --full --out <file>' writes and from the base model's folder.`,
    )
    .action(async (receipt: string, options: Options) => {
      const json = await loadAudit(receipt, { ...options, full: options.replay === true });
      let checks: Check[];
      try {
        checks = await verifyAudit(json);
      } catch (cause) {
        throw new CliError(`This is not an audit file: ${(cause as Error).message.slice(0, 400)}`, {
          exitCode: exitCodes.failed,
          cause,
        });
      }
      const audit = auditSchema.parse(json);
      // Loaded only here: without it nothing of the engine is.
      const { replayAudit, replayWords } = await import("./verify-replay.ts");
      const replay = options.replay === true ? await replayAudit(audit, options) : undefined;
      const all = [...checks, ...(replay?.checks ?? [])];
      const failed = all.filter(({ status }) => status === "failed");
      const verified = nothingFailed(checks) && failed.length === 0;
      // Whose word it is: a file forged whole, with another operator's key, can only be told by this.
      const claimed = {
        chainId: audit.domain.chainId,
        ledger: audit.domain.verifyingContract,
        operator: audit.bundle.terms.payees.operator,
      };
      const { gradient: _, ...shown } = replay ?? { gradient: null };
      io.result(
        { verified, checks, ...(replay === undefined ? {} : { replay: shown }) },
        [
          ...all.map(line),
          "",
          ...(replay === undefined ? [] : [replayWords(replay), ""]),
          `Issued by ${claimed.operator}\nfor the ledger ${claimed.ledger} on chain ${claimed.chainId}: compare them with the network's.`,
          "",
          verified ? "Nothing failed." : "",
        ].join("\n"),
      );
      if (!verified)
        throw new CliError("The receipt does not hold.", {
          expected: "every check passed, or could not be made",
          actual: `failed: ${failed.map(({ name }) => name).join(", ")}`,
        });
    });
}

const marks = { passed: "✓", failed: "✗", unchecked: "·" } as const;
const short = (text: string) => (text.length > 76 ? `${text.slice(0, 73)}…` : text);

function line({ name, status, expected, actual }: Check | ReplayCheck): string {
  const head = `${marks[status]} ${name.padEnd(16)} ${status}`;
  if (status === "failed") return `${head}\n    expected: ${short(expected)}\n    actual:   ${short(actual)}`;
  return status === "unchecked" ? `${head}: needs ${short(expected)}` : head;
}
