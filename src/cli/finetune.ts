import { type Command, InvalidArgumentError, Option } from "commander";
import {
  type EvaluationReport,
  formatRecipe,
  ModelFactoryError,
  type PresetName,
  parseRecipe,
  presetNames,
  presets,
  type RecipeInput,
} from "../modelfactory/index.ts";
import { exampleSchema, toHex } from "../protocol/index.ts";
import { formatOpen, parseOpen, parsePositiveOpen } from "./amount.ts";
import { CliError, exitCodes } from "./errors.ts";
import { readText } from "./files.ts";
import { defineList } from "./finetune-list.ts";
import { definePayment, payJob, paymentLine, readJob, unpaidJob } from "./finetune-pay.ts";
import { defineSweep } from "./finetune-sweep.ts";
import {
  type DatanetVersion,
  type EstimateJson,
  isOver,
  type JobJson,
  jobView,
  showEstimate,
  showJob,
} from "./finetune-view.ts";
import { connect, type NodeClient } from "./http.ts";
import type { Io } from "./io.ts";
import { oneLine } from "./table.ts";
import { asOption, walletAccount, withAccount } from "./wallet-account.ts";

/** Checks `<datanet>@<version>`, and adds it to those given before. */
export function datanetVersion(text: string, before: readonly DatanetVersion[] = []): DatanetVersion[] {
  const [, datanetId, version] = /^([1-9]\d{0,77})@([1-9]\d{0,8})$/.exec(text) ?? [];
  if (datanetId === undefined || version === undefined)
    throw new InvalidArgumentError("A Datanet's version is written number@version, such as 1@1.");
  return [...before, { datanetId, version: Number(version) }];
}

type Options = {
  datanet?: DatanetVersion[];
  model?: string;
  evaluation?: string;
  recipe?: string;
  promptPrice?: string;
  completionPrice?: string;
  preset?: string;
  continueFrom?: string;
  owner?: string;
  id?: string;
  job?: string;
  duplicate?: string;
  pause?: true;
  resume?: true;
  cancel?: true;
  showRecipe?: true;
  estimate?: true;
  pay?: bigint;
  as: string;
  publish?: true;
  watch?: true;
};

/** What may be done with a job that is there. */
const actions = ["pause", "resume", "cancel"] as const;

/** What a new job is asked for with: a job that is there has it already. */
const wishes = [
  ...["datanet", "model", "evaluation", "recipe", "preset", "continueFrom", "promptPrice", "completionPrice"],
  ...["id", "owner", "duplicate", "publish", "pay", "estimate"],
];
const beside = (name: string) =>
  ["pause", "resume", "cancel", "showRecipe", "watch"].filter((other) => other !== name);

/** Options that would be left out of account beside each other. */
const contradictions: Readonly<Record<string, readonly string[]>> = {
  job: wishes,
  preset: ["recipe"],
  estimate: ["watch", "pay", "duplicate"],
  ...Object.fromEntries(["pause", "resume", "cancel", "showRecipe"].map((name) => [name, beside(name)])),
};

/** `openledger finetune`: start a job on published Datanet versions, or watch one. */
export function define(command: Command, io: Io): void {
  defineList(command, io);
  defineSweep(command, io);
  definePayment(command, io);
  const finetune = withAccount(command, "account of your wallet that pays")
    .option(
      "--datanet <number@version>",
      "a published version to train on; may be given several times",
      datanetVersion,
    )
    .option("--model <name>", "the name that the model is asked for by")
    .option(
      "--evaluation <file>",
      "JSON Lines of examples that are measured before and after, and never trained on",
    )
    .option("--recipe <file>", "YAML or JSON of how to train: preset, epochs, rank, learningRate, …")
    .addOption(new Option("--preset <name>", "how to train, in a word").choices(presetNames))
    .option(
      "--continue-from <release>",
      "train on from a release's adapter; without it, training restarts from weights",
    )
    .option("--prompt-price <open>", "OPEN for a token read")
    .option("--completion-price <open>", "OPEN for a token written")
    .option("--id <name>", "name the job; the same again is the same job")
    .option("--estimate", "say how long it would take here, what memory and OPEN it needs; start nothing")
    .option("--pay <open>", "put what it costs into escrow, if that is at most so much", parsePositiveOpen)
    .option("--publish", "with --duplicate: release it, where the other was not to be")
    .option("--watch", "stay until the job ends, and show its loss")
    .option("--owner <name>", "queue it in this name: owners take turns")
    .option(
      "--job <id>",
      "watch a job that was started before, or with one of the next four, do that instead",
    )
    .option("--pause", "set it aside; what it has trained is kept")
    .option("--resume", "queue it again; it goes on where it stood")
    .option("--cancel", "end it; its payer ends one that is paid for with 'finetune cancel'")
    .option("--show-recipe", "print its recipe as YAML")
    .option("--duplicate <job>", "a new job with the wishes of another, and what is given here")
    .addHelpText(
      "after",
      "\nWithout --evaluation the Datanets' held-out rows are measured. Ctrl-C stops watching, not the job.",
    )
    .action(async (options: Options) => {
      const node = connect();
      const action = actions.find((name) => options[name] === true);
      if ((action !== undefined || options.showRecipe) && options.job === undefined)
        throw new CliError(`Which job? --${action ?? "show-recipe"} needs --job.`, {
          exitCode: exitCodes.usage,
        });
      if (options.showRecipe) {
        const { recipe } = (await readJob(node, options.job as string)).spec;
        return io.result(recipe, formatRecipe(recipe).trimEnd());
      }
      if (action !== undefined) {
        const path = `/v1/fine-tunes/${encodeURIComponent(options.job as string)}/${action}`;
        const job = await node.post<JobJson>(path, {}, { operator: true });
        return io.result(job, showJob(job));
      }
      if (options.estimate) {
        const estimate = await node.post<EstimateJson>("/v1/fine-tunes/estimate", specOf(options), {
          operator: true,
        });
        for (const { message } of estimate.warnings) io.warn(message);
        return io.result(estimate, showEstimate(estimate));
      }
      const started =
        options.job === undefined ? await start(node, io, options) : await readJob(node, options.job);
      for (const { message } of started.warnings) io.warn(message);
      // Whoever stops watching needs its name to come back.
      if (options.watch && options.job === undefined) io.note(`Job ${started.id}: "${started.spec.model}".`);
      const job = options.watch || options.job !== undefined ? await watch(node, started.id, io) : started;
      if (job.state === "failed" || job.state === "cancelled")
        throw new CliError(`Job ${job.id} ${job.state === "failed" ? "failed" : "was cancelled"}.`, {
          ...(job.error === null && job.payment === null
            ? {}
            : { actual: [job.error ?? [], paymentLine(job.payment)].flat().join(" ") }),
          expected: "a released model",
          code: `job-${job.state}`,
        });
      const evaluation = await reportOf(node, job);
      io.result(evaluation === undefined ? job : { ...job, evaluation }, showJob(job, evaluation));
    });
  for (const option of finetune.options)
    option.conflicts([...(contradictions[option.attributeName()] ?? [])]);
}

/** The report of a job that is over, with its intervals. */
async function reportOf(node: NodeClient, job: JobJson): Promise<EvaluationReport | undefined> {
  if (!isOver(job) || job.evaluated?.report === undefined) return undefined;
  return node.get<EvaluationReport>(`/v1/fine-tunes/${encodeURIComponent(job.id)}/evaluation`);
}

/** Asks for a job, and pays for it if it costs no more than was said. */
async function start(node: NodeClient, io: Io, options: Options): Promise<JobJson> {
  const { duplicate, pay, as } = options;
  const path =
    duplicate === undefined ? "/v1/fine-tunes" : `/v1/fine-tunes/${encodeURIComponent(duplicate)}/duplicate`;
  try {
    // Who pays may cancel: it waits for nobody else's payment.
    const payer = pay === undefined ? {} : { payer: toHex(walletAccount(node.settings, as, io).address) };
    return await node.post<JobJson>(path, { ...specOf(options), ...payer }, { operator: true });
  } catch (error) {
    const unpaid = unpaidJob(error);
    if (unpaid === undefined) throw error;
    const job = await readJob(node, unpaid);
    if (pay !== undefined) return payJob(node, io, job, pay, as);
    throw new CliError(`Job ${unpaid} costs something, and waits to be paid for.`, {
      expected: "--pay with what you would pay at most",
      actual: paymentLine(job.payment).join(""),
      fix: [
        `./openledger finetune pay ${unpaid} ${formatOpen(BigInt(job.payment?.plan.amountWei ?? 0))}${asOption(as)}`,
      ],
      code: "payment-required",
      details: { job: unpaid },
      cause: error,
    });
  }
}

/** The job that the options ask for. @throws CliError where something is missing */
function specOf(options: Options): Record<string, unknown> {
  const { datanet, model, evaluation, recipe, promptPrice, completionPrice, id } = options;
  const { duplicate, preset, continueFrom, owner } = options;
  if (duplicate === undefined && (datanet === undefined || model === undefined))
    throw new CliError("A new job needs a Datanet's version and the model's name.", {
      expected: "--datanet 1@1 --model name",
      actual: [...(datanet ? [] : ["no --datanet"]), ...(model === undefined ? ["no --model"] : [])].join(
        ", ",
      ),
      exitCode: exitCodes.usage,
    });
  if ((promptPrice === undefined) !== (completionPrice === undefined))
    throw new CliError("A price has two parts: --prompt-price and --completion-price.", {
      exitCode: exitCodes.usage,
    });
  const price =
    promptPrice === undefined || completionPrice === undefined
      ? {}
      : {
          price: {
            promptWeiPerToken: parseOpen(promptPrice).toString(),
            completionWeiPerToken: parseOpen(completionPrice).toString(),
          },
        };
  const spec = {
    ...(id === undefined ? {} : { id }),
    ...(owner === undefined ? {} : { owner }),
    ...(options.publish ? { publish: true } : {}),
    ...(model === undefined ? {} : { model }),
    ...(datanet === undefined ? {} : { datanets: datanet }),
    ...(continueFrom === undefined ? {} : { continueFrom }),
    ...(recipe === undefined ? {} : { recipe: readRecipe(recipe) }),
    ...(preset === undefined ? {} : { recipe: presets[preset as PresetName] }),
    ...(evaluation === undefined ? {} : { evaluation: readExamples(evaluation) }),
    ...price,
  };
  return spec;
}

function readRecipe(file: string): RecipeInput {
  const text = readText(file);
  try {
    return parseRecipe(text);
  } catch (cause) {
    if (!(cause instanceof ModelFactoryError)) throw cause;
    throw new CliError(`${file}: ${cause.message}`, { exitCode: exitCodes.usage, cause });
  }
}

function readExamples(file: string): unknown[] {
  return readText(file)
    .split("\n")
    .map((text, at) => ({ text, line: at + 1 }))
    .filter(({ text }) => text.trim() !== "")
    .map(({ text, line }) => {
      try {
        return exampleSchema.parse(JSON.parse(text));
      } catch (cause) {
        throw new CliError(`${file}, line ${line} is not an example.`, {
          expected: '{"prompt":"…","completion":"…"} or {"messages":[…]}',
          actual: oneLine(text, 72),
          exitCode: exitCodes.usage,
          details: { line },
          cause,
        });
      }
    });
}

const reconnectsMax = 5;
const reconnectMs = 1_000;

/** Follows a job's events to its end, over broken connections too. */
async function watch(node: NodeClient, id: string, io: Io): Promise<JobJson> {
  const view = jobView(io);
  let after = "0";
  let failures = 0;
  try {
    for (;;) {
      try {
        const path = `/v1/fine-tunes/${encodeURIComponent(id)}/events?after=${after}`;
        for await (const event of node.events("GET", path)) {
          after = event.id || after;
          failures = 0;
          view.show(event);
        }
        const job = await readJob(node, id);
        if (isOver(job)) return job;
      } catch (error) {
        const isGone = error instanceof CliError && error.code === "no-node";
        if (!isGone || ++failures > reconnectsMax) throw error;
        io.note(`The node does not answer; trying again (${failures} of ${reconnectsMax}).`);
        await new Promise((resolve) => setTimeout(resolve, reconnectMs));
      }
    }
  } finally {
    view.end();
  }
}
