import { readFileSync } from "node:fs";
import { type Command, InvalidArgumentError, Option } from "commander";
import {
  type EvaluationReport,
  formatRecipe,
  type JobEstimate,
  ModelFactoryError,
  type PresetName,
  parseRecipe,
  presetNames,
  presets,
  type Recipe,
  type RecipeInput,
} from "../modelfactory/index.ts";
import { calibrationLabel, calibrationOf, exampleSchema, type Manifest } from "../protocol/index.ts";
import { formatOpen, parseOpen } from "./amount.ts";
import { CliError, exitCodes } from "./errors.ts";
import { defineSweep } from "./finetune-sweep.ts";
import { connect, type NodeClient, type ServerEvent } from "./http.ts";
import type { Io } from "./io.ts";
import { type ProgressBar, progressBar } from "./progress.ts";
import { oneLine, pairs, table } from "./table.ts";

type JobState =
  | "queued"
  | "paused"
  | "training"
  | "evaluating"
  | "indexing"
  | "calibrating"
  | "releasing"
  | "succeeded"
  | "failed"
  | "cancelled";

type Measured = { readonly loss: number; readonly exact: readonly boolean[] };

export type JobJson = {
  readonly id: string;
  readonly spec: { readonly model: string; readonly recipe: Recipe };
  readonly state: JobState;
  readonly error: string | null;
  /** What the recipe does to attribution, said before it starts. */
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
  readonly trained: {
    readonly steps: number;
    readonly epochs: number;
    readonly releasedEpoch?: number;
    readonly heldOutLosses: readonly number[];
    readonly lossFirst: number;
    readonly lossLast: number;
    readonly examples: number;
    readonly skipped: number;
    readonly copies: number;
    readonly seconds: number;
  } | null;
  readonly evaluated: {
    readonly examples: number;
    readonly base: Measured;
    readonly tuned: Measured;
    readonly report?: string;
  } | null;
  readonly indexed: { readonly contributors: readonly string[]; readonly nullRows: number } | null;
  readonly calibrated: { readonly facts: Record<string, unknown> | null } | null;
  readonly releaseId: string | null;
};

type DatanetVersion = { readonly datanetId: string; readonly version: number };

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
  publish?: true;
  watch?: true;
};

/** What may be done with a job that is there. */
const actions = ["pause", "resume", "cancel"] as const;

/** `openledger finetune`: start a job on published Datanet versions, or watch one. */
export function define(command: Command, io: Io): void {
  defineSweep(command, io);
  command
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
    .addOption(
      new Option("--preset <name>", "how to train, in a word").choices(presetNames).conflicts("recipe"),
    )
    .option(
      "--continue-from <release>",
      "train on from a release's adapter; without it, training restarts from weights",
    )
    .option("--prompt-price <open>", "OPEN for a token read")
    .option("--completion-price <open>", "OPEN for a token written")
    .option("--id <name>", "name the job; the same again is the same job")
    .option("--estimate", "say how long it would take here, what memory and OPEN it needs; start nothing")
    .option("--publish", "with --duplicate: release it, where the other was not to be")
    .option("--watch", "stay until the job ends, and show its loss")
    .option("--owner <name>", "queue it in this name: owners take turns")
    .option(
      "--job <id>",
      "watch a job that was started before, or with one of the next four, do that instead",
    )
    .option("--pause", "set it aside; what it has trained is kept")
    .option("--resume", "queue it again; it goes on where it stood")
    .option("--cancel", "end it")
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
        return io.result(estimate, showEstimate(estimate));
      }
      const started =
        options.job === undefined ? await start(node, options) : await readJob(node, options.job);
      for (const { message } of started.warnings) io.warn(message);
      const job = options.watch || options.job !== undefined ? await watch(node, started.id, io) : started;
      if (job.state === "failed" || job.state === "cancelled")
        throw new CliError(`Job ${job.id} ${job.state === "failed" ? "failed" : "was cancelled"}.`, {
          ...(job.error === null ? {} : { actual: job.error }),
          expected: "a released model",
          code: `job-${job.state}`,
        });
      const evaluation = await reportOf(node, job);
      io.result(evaluation === undefined ? job : { ...job, evaluation }, showJob(job, evaluation));
    });
}

/** The report of a job that is over, with its intervals. */
async function reportOf(node: NodeClient, job: JobJson): Promise<EvaluationReport | undefined> {
  if (!isOver(job) || job.evaluated?.report === undefined) return undefined;
  return node.get<EvaluationReport>(`/v1/fine-tunes/${encodeURIComponent(job.id)}/evaluation`);
}

type Compared = EvaluationReport["heldOut"]["loss"];

function reportLines({ heldOut, answers, regression }: EvaluationReport, model: string): string {
  const value = ({ mean, lo, hi }: Compared["base"], digits = 3) =>
    `${(mean / 1e6).toFixed(digits)} (${(lo / 1e6).toFixed(digits)} to ${(hi / 1e6).toFixed(digits)})`;
  type Line = { what: string; base: string; tuned: string };
  const line = (what: string, { base, tuned }: Pick<Compared, "base" | "tuned">, digits?: number): Line => ({
    what,
    base: value(base, digits),
    tuned: value(tuned, digits),
  });
  const lines = [
    line(`loss, ${heldOut.rows} rows`, heldOut.loss),
    line("perplexity", heldOut.perplexity, 1),
    line("exactly right", heldOut.exact),
    ...(answers === null ? [] : [line(`ROUGE-L, ${answers.rows} answers`, answers.rougeL)]),
    ...(regression === null ? [] : [line(`loss, ${regression.prompts} general prompts`, regression.loss)]),
  ];
  return table(lines, [
    ["95 % intervals", ({ what }) => what],
    ["base", ({ base }) => base, "number"],
    [model, ({ tuned }) => tuned, "number"],
  ]);
}

const readJob = (node: NodeClient, id: string) =>
  node.get<JobJson>(`/v1/fine-tunes/${encodeURIComponent(id)}`);

type EstimateJson = Omit<JobEstimate, "costWei"> & { readonly costWei: string };

function showEstimate({ seconds, trainingSecondsLeast, steps, ...more }: EstimateJson): string {
  const least =
    trainingSecondsLeast < seconds.training ? `, ${showSeconds(trainingSecondsLeast)} at least` : "";
  return [
    pairs([
      ["Training", `${showSeconds(seconds.training)} for ${steps} steps${least}`],
      ["Evaluation", showSeconds(seconds.evaluation)],
      ["Index", showSeconds(seconds.index)],
      ["Calibration", showSeconds(seconds.calibration)],
      ["In all", showSeconds(seconds.total)],
      ["Memory", `${(more.memoryBytes / 1e9).toFixed(2)} GB`],
      ["Cost", `${formatOpen(BigInt(more.costWei))} OPEN, and gas`],
    ]),
    ...(more.problems.length === 0 ? ["Nothing stands in the way."] : more.problems),
  ].join("\n");
}

const showSeconds = (seconds: number) =>
  seconds < 90
    ? `${seconds.toFixed(1)} s`
    : seconds < 5_400
      ? `${(seconds / 60).toFixed(1)} min`
      : `${(seconds / 3600).toFixed(1)} h`;

function start(node: NodeClient, options: Options): Promise<JobJson> {
  const { duplicate } = options;
  const path =
    duplicate === undefined ? "/v1/fine-tunes" : `/v1/fine-tunes/${encodeURIComponent(duplicate)}/duplicate`;
  return node.post<JobJson>(path, specOf(options), { operator: true });
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

function readFile(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new CliError(`Cannot read ${file}: ${(cause as Error).message}`, {
      exitCode: exitCodes.usage,
      cause,
    });
  }
}

function readRecipe(file: string): RecipeInput {
  try {
    return parseRecipe(readFile(file));
  } catch (cause) {
    if (!(cause instanceof ModelFactoryError)) throw cause;
    throw new CliError(`${file}: ${cause.message}`, { exitCode: exitCodes.usage, cause });
  }
}

function readExamples(file: string): unknown[] {
  return readFile(file)
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
const isOver = ({ state }: JobJson) => state === "succeeded" || state === "failed" || state === "cancelled";

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

/** One bar for the training, one for each stage of the index, one for the calibration, a note for every other state. */
function jobView(io: Io) {
  let bar: ProgressBar | undefined;
  let title = "";
  let heldOut = "";
  const barOf = (next: string) => {
    if (bar === undefined || title !== next) {
      bar?.end();
      bar = progressBar(io, next);
      title = next;
    }
    return bar;
  };
  const end = () => {
    bar?.end();
    bar = undefined;
  };
  return {
    show({ event, data }: ServerEvent) {
      const facts = JSON.parse(data) as Record<string, number | string>;
      if (event === "step")
        barOf("Training").update(
          Number(facts.step),
          Number(facts.steps),
          `loss ${Number(facts.loss).toFixed(3)}${heldOut}, ${Math.round(Number(facts.tokensPerSecond))} tokens/s`,
        );
      else if (event === "resumed") io.note(`The training goes on after step ${facts.from}.`);
      else if (event === "epoch") {
        heldOut = `, held-out ${Number(facts.heldOutLoss).toFixed(3)} after epoch ${facts.epoch}`;
      } else if (event === "index")
        barOf(`Indexing: ${facts.stage}`).update(Number(facts.done), Number(facts.of));
      else if (event === "calibration")
        barOf("Calibrating").update(
          Number(facts.done),
          Number(facts.of),
          "retraining without parts of the examples",
        );
      else if (event === "state") {
        if (facts.state === "evaluating" && title === "Training")
          bar?.update(1, 1, "the held-out loss, or the loss asked for, was reached, or all epochs are done");
        end();
        io.note(facts.state === "succeeded" ? "done" : `${facts.state} …`);
      }
    },
    end,
  };
}

function leftOutLine({ skipped, copies }: NonNullable<JobJson["trained"]>): string[] {
  const parts = [
    ...(copies === 0 ? [] : [`${copies} that repeat${copies === 1 ? "s" : ""} another's text`]),
    ...(skipped === 0 ? [] : [`${skipped} that cannot be read`]),
  ];
  return parts.length === 0 ? [] : [`Rows left out: ${parts.join(", ")}.`];
}

function heldOutLine({
  epochs,
  releasedEpoch = epochs,
  heldOutLosses,
}: NonNullable<JobJson["trained"]>): string {
  const [base, after] = [heldOutLosses[0], heldOutLosses[releasedEpoch]];
  const which = `Epoch ${releasedEpoch} of ${epochs} is the one kept`;
  return base === undefined || after === undefined
    ? `${which}; there were no held-out rows to find the best by.`
    : `${which}: held-out loss ${base.toFixed(3)} → ${after.toFixed(3)}.`;
}

const labelOf = (facts: Record<string, unknown>) =>
  calibrationLabel(calibrationOf({ calibration: facts as Manifest["calibration"] }));

function showJob(job: JobJson, report?: EvaluationReport): string {
  const { id, spec, trained, evaluated, indexed, calibrated, releaseId } = job;
  if (!isOver(job))
    return `Job ${id} is ${job.state}: "${spec.model}".\n→ ./openledger finetune --job ${id}${job.state === "paused" ? " --resume" : ""}`;
  if (job.state === "cancelled") return `Job ${id} is cancelled.\n→ ./openledger finetune --duplicate ${id}`;
  const right = ({ exact }: Measured) => `${exact.filter(Boolean).length} of ${exact.length}`;
  const measured = evaluated && [
    { what: "base", ...evaluated.base },
    { what: spec.model, ...evaluated.tuned },
  ];
  return [
    ...(trained === null
      ? []
      : [
          `Trained on ${trained.examples} examples, ${trained.steps} steps in ${trained.seconds.toFixed(1)} s: loss ${trained.lossFirst.toFixed(3)} → ${trained.lossLast.toFixed(3)}.`,
          ...leftOutLine(trained),
          heldOutLine(trained),
        ]),
    ...(measured === null
      ? []
      : [
          "",
          table(measured, [
            ["Evaluation", ({ what }) => what],
            ["Loss", ({ loss }) => loss.toFixed(3), "number"],
            ["Exactly right", right, "number"],
          ]),
          "",
        ]),
    ...(report === undefined ? [] : [reportLines(report, spec.model), ""]),
    ...(indexed === null
      ? []
      : [
          `Pay index: ${indexed.contributors.length} rows of ${new Set(indexed.contributors).size} contributors, ${indexed.nullRows} null rows.`,
        ]),
    ...(calibrated === null ? [] : [labelOf(calibrated.facts ?? {})]),
    ...(releaseId === null
      ? []
      : [`"${spec.model}" is released as ${releaseId}.`, `→ ./openledger chat ${spec.model} "…"`]),
  ].join("\n");
}
