/** `openledger finetune sweep` and `compare`: a job for each point of a grid over a recipe, and what came of them. */
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { parse } from "yaml";
import type { SweepRow } from "../modelfactory/index.ts";
import { CliError, exitCodes } from "./errors.ts";
import { connect } from "./http.ts";
import type { Io } from "./io.ts";
import { subcommand } from "./subcommand.ts";
import { table } from "./table.ts";

type SweepJson = { readonly id: string; readonly data: readonly SweepRow[] };
type Options = { datanet?: { datanetId: string; version: number }[]; id?: string };

/** Adds the subcommands to `openledger finetune`. */
export function defineSweep(command: Command, io: Io): void {
  subcommand(command, "sweep", "Try every point of a grid over a recipe; none is released")
    .argument("<file>", "YAML: lists of values by field of a recipe, and maybe `recipe:` for the rest")
    .addHelpText(
      "after",
      `
--datanet <number@version> names what it trains on, and --id <name> the sweep: the same again is the same sweep. A file of two lines,
"learningRate: [0.001, 0.003]" and "rank: [4, 8]", makes four jobs.`,
    )
    .action(async (file: string) => {
      // These options are finetune's own: the program takes them for its, wherever they stand.
      const { datanet, id } = command.opts<Options>();
      if (datanet === undefined)
        throw new CliError("A sweep needs a Datanet's version.", {
          expected: "--datanet 1@1",
          exitCode: exitCodes.usage,
        });
      const { recipe, ...grid } = readGrid(file);
      const body = {
        ...(id === undefined ? {} : { id }),
        model: "sweep",
        datanets: datanet,
        grid,
        ...(recipe === undefined ? {} : { recipe }),
      };
      const sweep = await connect().post<SweepJson>("/v1/fine-tunes/sweeps", body, { operator: true });
      io.result(sweep, `${sweep.data.length} jobs are queued.\n→ ./openledger finetune compare ${sweep.id}`);
    });
  subcommand(command, "compare", "Show a sweep's jobs side by side, the lowest held-out loss first")
    .argument("<sweep>", "its id")
    .action(async (id: string) => {
      const sweep = await connect().get<SweepJson>(`/v1/fine-tunes/sweeps/${encodeURIComponent(id)}`);
      io.result(sweep, showSweep(sweep.data));
    });
}

function readGrid(file: string): Record<string, unknown> {
  try {
    const value: unknown = parse(readFileSync(file, "utf8"), { maxAliasCount: 0 });
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
    throw new Error("it is not a list of fields");
  } catch (cause) {
    throw new CliError(`${file} is no grid: ${(cause as Error).message}`, {
      expected: "lists of values by field, such as learningRate: [0.001, 0.003]",
      exitCode: exitCodes.usage,
      cause,
    });
  }
}

function showSweep(rows: readonly SweepRow[]): string {
  const fixed = (value: number | null) => (value === null ? "–" : value.toFixed(3));
  const [best] = rows;
  return [
    table(rows, [
      ["job", ({ job }) => job],
      [
        "varied",
        ({ varied }) =>
          Object.entries(varied)
            .map(([field, value]) => `${field} ${JSON.stringify(value)}`)
            .join(", "),
      ],
      [
        "held-out loss",
        ({ heldOutLoss: of, state }) =>
          of === null ? state : `${fixed(of.mean)} (${fixed(of.lo)} to ${fixed(of.hi)})`,
        "number",
      ],
      ["exact", ({ exact }) => fixed(exact), "number"],
      ["ROUGE-L", ({ rougeL }) => fixed(rougeL), "number"],
      ["forgotten", ({ forgotten }) => fixed(forgotten), "number"],
      ["seconds", ({ seconds }) => (seconds === null ? "–" : seconds.toFixed(1)), "number"],
    ]),
    ...(best?.heldOutLoss
      ? [`→ ./openledger finetune --duplicate ${best.job} --publish --model <name>`]
      : []),
  ].join("\n");
}
