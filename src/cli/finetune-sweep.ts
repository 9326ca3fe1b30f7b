/** `openledger finetune sweep` and `compare`: a job for each point of a grid over a recipe, and what came of them. */
import { randomUUID } from "node:crypto";
import type { Command } from "commander";
import { parse } from "yaml";
import {
  ModelFactoryError,
  parseRecipe,
  type RecipeInput,
  recipeSchema,
  type SweepRow,
} from "../modelfactory/index.ts";
import { toHex } from "../protocol/index.ts";
import { formatOpen } from "./amount.ts";
import { CliError, exitCodes } from "./errors.ts";
import { readText } from "./files.ts";
import { payJobs, priceOf, readJob, unpaidJob } from "./finetune-pay.ts";
import type { DatanetVersion } from "./finetune-view.ts";
import { connect, type NodeClient } from "./http.ts";
import type { Io } from "./io.ts";
import { subcommand } from "./subcommand.ts";
import { table } from "./table.ts";
import { asOption, walletAccount } from "./wallet-account.ts";

type SweepJson = { readonly id: string; readonly data: readonly SweepRow[] };
type Options = { datanet?: DatanetVersion[]; id?: string; pay?: bigint | undefined; as: string };

/** What of `openledger finetune` a sweep takes, too. */
const options = new Set(["datanet", "id", "pay", "as", "json"]);

/** Adds the subcommands to `openledger finetune`. */
export function defineSweep(command: Command, io: Io): void {
  subcommand(command, "sweep", "Try every point of a grid over a recipe; none is released")
    .argument(
      "<file>",
      "YAML: lists of values by field of a recipe, and maybe `preset:` and `recipe:` for the rest",
    )
    // These options are finetune's own, and stand here for the help: the program takes them for its, wherever they stand.
    .option("--datanet <number@version>", "a published version to train on; may be given several times")
    .option("--id <name>", "name the sweep; the same again is the same sweep")
    .option("--pay <open>", "where jobs cost something: at most so much for all of them")
    .option("--as <name>", "account of your wallet that pays")
    .addHelpText(
      "after",
      '\nA file of two lines, "learningRate: [0.001, 0.003]" and "rank: [4, 8]", makes four jobs.',
    )
    .action(async (file: string) => {
      const stray = command.options
        .filter((option) => !options.has(option.attributeName()))
        .filter((option) => command.getOptionValueSource(option.attributeName()) === "cli")
        .map(({ long }) => long);
      if (stray.length > 0)
        throw new CliError(`A sweep does not take ${stray.join(" and ")}.`, {
          expected: "--datanet, --id, --pay and --as; the rest stands in its file",
          exitCode: exitCodes.usage,
        });
      const { datanet, id = `sweep-${randomUUID()}`, pay, as } = command.opts<Options>();
      if (datanet === undefined)
        throw new CliError("A sweep needs a Datanet's version.", {
          expected: "--datanet 1@1",
          exitCode: exitCodes.usage,
        });
      const node = connect();
      const body = {
        ...{ id, model: "sweep", datanets: datanet, ...readGrid(file) },
        ...(pay === undefined ? {} : { payer: toHex(walletAccount(node.settings, as, io).address) }),
      };
      const next = `→ ./openledger finetune compare ${id}`;
      try {
        const sweep = await node.post<SweepJson>("/v1/fine-tunes/sweeps", body, { operator: true });
        return io.result(sweep, `${sweep.data.length} jobs are queued.\n${next}`);
      } catch (error) {
        if (unpaidJob(error) === undefined) throw error;
      }
      const versions = datanet.map((one) => ` --datanet ${one.datanetId}@${one.version}`).join("");
      const again = (totalWei: bigint) =>
        `./openledger finetune sweep ${file}${versions} --id ${id} --pay ${formatOpen(totalWei)}${asOption(as)}`;
      const sweep = await paySweep(node, io, id, { pay, as, again });
      io.result(
        sweep,
        `${sweep.data.length} jobs are paid for, with ${formatOpen(sweep.priceWei)} OPEN in all.\n${next}`,
      );
    });
  subcommand(command, "compare", "Show a sweep's jobs side by side, the lowest held-out loss first")
    .argument("<sweep>", "its id")
    .action(async (id: string) => {
      const sweep = await connect().get<SweepJson>(`/v1/fine-tunes/sweeps/${encodeURIComponent(id)}`);
      io.result(sweep, showSweep(sweep.data));
    });
}

/**
 * Pays for all of a sweep's jobs, at one price for all of them; after an interruption, for those that are left.
 *
 * @throws CliError where the price was not agreed to, or some of its jobs were not paid for in time: before anything is paid
 */
async function paySweep(
  node: NodeClient,
  io: Io,
  id: string,
  { pay, as, again }: Pick<Options, "pay" | "as"> & { readonly again: (totalWei: bigint) => string },
): Promise<SweepJson & { readonly priceWei: bigint }> {
  const path = `/v1/fine-tunes/sweeps/${encodeURIComponent(id)}`;
  const read = () => node.get<SweepJson>(path);
  const jobs = await Promise.all((await read()).data.map(({ job }) => readJob(node, job)));
  const late = jobs.filter(({ payment }) => payment?.state === "expired");
  if (late.length > 0)
    throw new CliError(
      `${late.length} of the ${jobs.length} jobs of sweep ${id} were not paid for in time.`,
      {
        actual: late.map((job) => job.id).join(", "),
        fix: ["Begin another sweep, with another --id; what was paid for goes on."],
        code: "payment-over",
      },
    );
  const priceWei = priceOf(jobs);
  if (pay === undefined)
    throw new CliError(`The ${jobs.length} jobs of sweep ${id} cost something, and wait to be paid for.`, {
      expected: "--pay with what you would pay for all of them at most",
      actual: `${formatOpen(priceWei)} OPEN in all`,
      fix: [again(priceWei)],
      code: "payment-required",
      details: { sweep: id, priceWei: priceWei.toString() },
    });
  const what = `The ${jobs.length} jobs of sweep ${id} cost`;
  await payJobs(node, io, jobs, { mostWei: pay, as, what, fix: again });
  return { ...(await read()), priceWei };
}

/** Values to try by field, and the recipe that they are tried over: a preset may stand beside it, or in it. @throws Error, ModelFactoryError */
export function parseGrid(text: string): { grid: Record<string, unknown[]>; recipe: RecipeInput } {
  const value: unknown = parse(text, { maxAliasCount: 0 });
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Error("it is not a list of fields");
  const { recipe = {}, preset, ...grid } = value as Record<string, unknown>;
  for (const [field, values] of Object.entries(grid)) {
    if (!(field in recipeSchema.shape)) throw new Error(`"${field}" is no field of a recipe`);
    if (!Array.isArray(values))
      throw new Error(`"${field}" is one value, not a list; it belongs under "recipe"`);
  }
  const whole = preset === undefined ? recipe : { preset, ...(recipe as object) };
  // JSON is YAML: a recipe here is what it is in a file of its own.
  return { grid: grid as Record<string, unknown[]>, recipe: parseRecipe(JSON.stringify(whole)) };
}

function readGrid(file: string): ReturnType<typeof parseGrid> {
  const text = readText(file);
  try {
    return parseGrid(text);
  } catch (cause) {
    if (cause instanceof ModelFactoryError)
      throw new CliError(`${file}: ${cause.message}`, { exitCode: exitCodes.usage, cause });
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
        "mean loss of rows",
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
