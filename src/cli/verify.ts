import type { Command } from "commander";
import {
  auditSchema,
  type Check,
  describeCalibration,
  receiptStanding,
  scoreShares,
  standingLines,
  verifyAudit,
  whatIsWrong,
} from "../protocol/index.ts";
import { loadAudit } from "./audit-file.ts";
import { CliError, exitCodes } from "./errors.ts";
import type { Io } from "./io.ts";
import { withKey } from "./key.ts";
import { contributorLines } from "./score-lines.ts";
import { withBase } from "./verify-base.ts";
import { reportVerification } from "./verify-report.ts";

type Options = {
  save?: string;
  replay?: boolean;
  retrain?: boolean;
  index?: boolean;
  seed?: string;
  base?: string;
  key?: string;
  threads: number;
};

/** `openledger verify <receipt or release>`: everything about it that follows from public data, checked here and now. */
export function define(command: Command, io: Io): void {
  withBase(withKey(command))
    .argument(
      "<what>",
      "a file, or the id of a receipt (with --retrain or --index: of a release; with --retrain also a cancelled job's name) to fetch from the running node first",
    )
    .option("--save <file>", "keep the file that was fetched, to check it on another machine")
    .option("--replay", "compute the answer's gradient again: takes a full audit file and the base model")
    .option(
      "--retrain",
      "of a release: train its adapter again, with its recipe, seed and threads; of a job that its payer cancelled: to the step that was paid for; takes the base model",
    )
    .option(
      "--index",
      "of a release: make its index again from its data, without training; takes the base model",
    )
    .option("--seed <digest>", "with --index: what examples to check one by one; random unless given")
    .addHelpText(
      "after",
      `
Needs neither node, chain nor network when given a file. Exits with 1 when a check fails.
Without --replay it cannot show that the query is this answer's gradient; --replay computes it again, from a file that
'openledger receipt audit <id> --full --out <file>' writes and from the base model's folder.
With --retrain the adapter must come out byte for byte where engine, runtime and processor are those that the release names;
elsewhere the command says what differs, and by how much. With --index rows, null rows, basis, threshold, near duplicates and 64 drawn rows of
the explain index are made again and compared: it takes about as long as the index took to make.`,
    )
    .action(async (receipt: string, options: Options, self: Command) => {
      if ([options.replay, options.retrain, options.index].filter((chosen) => chosen === true).length > 1)
        throw new CliError(
          "--replay is about a receipt, --retrain and --index about a release, or a job: ask for one of them.",
          { exitCode: exitCodes.usage },
        );
      if (options.index === true) {
        const { verifyIndex } = await import("./verify-index.ts");
        const isAsked = self.getOptionValueSource("threads") === "cli";
        return verifyIndex(io, receipt, { ...options, threads: isAsked ? options.threads : undefined });
      }
      if (options.retrain === true) {
        const { verifyRetrain } = await import("./verify-retrain.ts");
        return verifyRetrain(io, receipt, options);
      }
      const json = await loadAudit(receipt, { ...options, full: options.replay === true });
      let checks: Check[];
      try {
        checks = await verifyAudit(json);
      } catch (cause) {
        throw new CliError(`This is not an audit file: ${whatIsWrong(cause as Error)}`, {
          fix: ["./openledger receipt audit <id> --out <file> writes one"],
          exitCode: exitCodes.failed,
          cause,
        });
      }
      const audit = auditSchema.parse(json);
      // Loaded only here: without it nothing of the engine is.
      const { replayAudit, replayWords } = await import("./verify-replay.ts");
      const replay = options.replay === true ? await replayAudit(audit, options) : undefined;
      const all = [...checks, ...(replay?.checks ?? [])];
      // Whose word it is: a file forged whole, with another operator's key, can only be told by this.
      const claimed = {
        chainId: audit.domain.chainId,
        ledger: audit.domain.verifyingContract,
        operator: audit.bundle.terms.payees.operator,
      };
      const { gradient: _, ...shown } = replay ?? { gradient: null };
      const { bundle, manifest } = audit;
      const calibration = describeCalibration(manifest);
      const scores = scoreShares(bundle.scores, bundle.receipt.threshold, calibration);
      // What is proven of a receipt that holds is not of one that does not.
      const holds = all.every(({ status }) => status !== "failed");
      const standing = holds ? receiptStanding(bundle.query !== "0x") : [];
      reportVerification(io, {
        what: "The receipt",
        checks: all,
        json: {
          ...{ checks, calibration, scores, standing },
          ...(replay === undefined ? {} : { replay: shown }),
        },
        paragraphs: [
          replay === undefined ? [] : [replayWords(replay)],
          [
            ...(scores.length === 0
              ? []
              : [
                  `Its scores are ${calibration.label}`,
                  ...contributorLines(scores, audit.index.contributors),
                ]),
            ...standingLines(standing),
          ],
          [
            `Issued by ${claimed.operator}`,
            `for the ledger ${claimed.ledger} on chain ${claimed.chainId}: compare them with the network's.`,
          ],
        ],
      });
    });
}
