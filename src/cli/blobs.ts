import { type Command, InvalidArgumentError } from "commander";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { subcommand } from "./subcommand.ts";

type CollectedJson = {
  readonly looked: number;
  readonly named: number;
  readonly removed: number;
  readonly removedBytes: number;
  readonly young: number;
  readonly dryRun: boolean;
};

function hours(text: string): number {
  const value = Number(text);
  if (!(value >= 1 && value <= 87_600)) throw new InvalidArgumentError("A grace is 1 to 87600 hours.");
  return value;
}

/** `openledger blobs collect`: remove what nothing names. `blobs rotate`: another master key. */
export function define(command: Command, io: Io): void {
  subcommand(command, "collect", "Remove blobs that nothing names")
    .option("--dry-run", "say what would be removed, and remove nothing")
    .option("--grace <hours>", "how long a blob stays after it was last stored, named or not", hours, 24)
    .action(async ({ dryRun = false, grace }: { dryRun?: boolean; grace: number }) => {
      const found = await connect().post<CollectedJson>(
        "/v1/blobs/collect",
        { dryRun, graceHours: grace },
        { operator: true },
      );
      io.result(found, show(found));
    });
  subcommand(command, "rotate", "Make a new master key, which seals the keys of encrypted blobs").action(
    async () => {
      const made = await connect().post<{ keys: number }>("/v1/blobs/rotate", {}, { operator: true });
      io.result(
        made,
        `The master key is a new one; ${made.keys} ${made.keys === 1 ? "key is" : "keys are"} sealed with it. ` +
          "Back up: earlier backups hold the old one, and open with it.",
      );
    },
  );
}

const show = ({ looked, named, removed, removedBytes, young, dryRun }: CollectedJson): string =>
  `${removed} blobs (${(removedBytes / 2 ** 20).toFixed(1)} MiB) ${dryRun ? "would be" : "were"} removed: nothing names them. ` +
  `${named} of ${looked} are named; ${young} younger ones were not looked at.`;
