/** `openledger datanet contributions`: what was given, to one Datanet or by one account, so that its report is found again. */
import type { Command } from "commander";
import { datanetNumber } from "./datanet-number.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { wholeUpTo } from "./numbers.ts";
import { subcommand } from "./subcommand.ts";
import { oneLine, short, table } from "./table.ts";
import { asOption, knownAddress, withAccount } from "./wallet-account.ts";

type ContributionJson = {
  readonly contributionId: number;
  readonly datanetId: string;
  readonly datanetName: string;
  readonly contributor: string;
  readonly split: "train" | "heldout";
  readonly exampleCount: number;
  readonly accepted: number;
  readonly pending: number;
  readonly proposals: number;
  readonly recordedAtMs: number;
};

type Options = { readonly as: string; readonly before?: number; readonly limit: number };

/** Adds the subcommand to `openledger datanet`. */
export function define(command: Command, io: Io): void {
  withAccount(
    subcommand(command, "contributions", "List contributions, newest first: a Datanet's, or one account's"),
    "account of your wallet whose contributions are listed, where no Datanet is given",
  )
    .argument("[datanet]", "its number", datanetNumber)
    .option("--before <contribution>", "those before this number", wholeUpTo(Number.MAX_SAFE_INTEGER))
    .option("--limit <number>", "at most so many", wholeUpTo(100), 20)
    .action((datanet: string | undefined, options: Options) => list(io, datanet, options));
}

async function list(io: Io, datanet: string | undefined, { as, before, limit }: Options): Promise<void> {
  const node = connect();
  const query = new URLSearchParams({
    limit: String(limit),
    ...(before === undefined ? {} : { before: String(before) }),
    ...(datanet === undefined ? { contributor: knownAddress(node.settings, as, io) } : {}),
  });
  const path = datanet === undefined ? "/v1/contributions" : `/v1/datanets/${datanet}/contributions`;
  const found = await node.get<{ contributions: ContributionJson[] }>(`${path}?${query}`);
  const [first] = found.contributions;
  if (first === undefined) {
    const none = before === undefined ? "There is no contribution." : `There is none before ${before}.`;
    return io.result(found, `${none}\n→ ./openledger contribute ${datanet ?? "<datanet>"} <file>`);
  }
  const last = found.contributions.at(-1) as ContributionJson;
  const command = `./openledger datanet contributions${datanet === undefined ? asOption(as) : ` ${datanet}`}`;
  io.result(
    found,
    [
      table(found.contributions, [
        ["contribution", ({ contributionId }) => String(contributionId), "number"],
        ["Datanet", ({ datanetId, datanetName }) => `${datanetId} ${oneLine(datanetName, 30)}`],
        ["contributor", ({ contributor }) => short(contributor)],
        ["used to", ({ split }) => (split === "train" ? "train" : "measure")],
        ["rows", ({ exampleCount }) => String(exampleCount), "number"],
        ["count", ({ accepted }) => String(accepted), "number"],
        ["wait", ({ pending }) => String(pending), "number"],
        ["edits", ({ proposals }) => String(proposals), "number"],
      ]),
      "",
      `→ ./openledger datanet report ${first.contributionId} shows what became of its rows`,
      ...(found.contributions.length === limit
        ? [`→ ${command} --before ${last.contributionId} lists those before`]
        : []),
    ].join("\n"),
  );
}
