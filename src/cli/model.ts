import { join, resolve } from "node:path";
import type { Command } from "commander";
import type { ModelConfig } from "../engine/index.ts";
import {
  HubError,
  type HubErrorCode,
  inspectModel,
  listModels,
  type ModelDescription,
  modelFolder,
  openHub,
  parameterCount,
  pulledFolder,
  pullModel,
  readPull,
} from "../modelfactory/index.ts";
import { defaultHome } from "../node/index.ts";
import { memoryByPrecision } from "../openlora/index.ts";
import { CliError, type ExitCode, exitCodes } from "./errors.ts";
import type { Io } from "./io.ts";
import { progressBar } from "./progress.ts";
import { subcommand } from "./subcommand.ts";
import { pairs, table } from "./table.ts";

/** `openledger model pull|list|inspect`: base models in folders; no node is needed. */
export function define(command: Command, io: Io): void {
  subcommand(command, "pull", "Pull a base model from a Hugging Face hub, or go on with a pull that stopped")
    .argument("<id>", "organisation/name, as the hub calls it")
    .option("--revision <name>", "branch, tag or commit (default: main)")
    .option("--out <folder>", "where it goes (default: models/<organisation>--<name> in the home)")
    .option("--endpoint <url>", "the hub (default: HF_ENDPOINT, or https://huggingface.co)")
    .option("--home <folder>", "data folder", defaultHome())
    .addHelpText(
      "after",
      "\nHF_TOKEN is sent to the hub where a model is private or gated. A whole folder is checked and mended. Ctrl-C keeps what is here.",
    )
    .action((id: string, options: PullFlags) => pull(io, id, options));
  subcommand(command, "list", "List the models pulled into the home")
    .option("--home <folder>", "data folder", defaultHome())
    .action(({ home }: { home: string }) => list(io, home));
  subcommand(command, "inspect", "Show what a model folder holds, with the SHA-256 of its files")
    .argument("<model>", "a folder, or the id of a pulled model")
    .option("--home <folder>", "data folder", defaultHome())
    .action((model: string, { home }: { home: string }) => inspect(io, modelFolder(home, model)));
}

type PullFlags = { revision?: string; out?: string; endpoint?: string; home: string };

const exits: Partial<Record<HubErrorCode, ExitCode>> = {
  "invalid-id": exitCodes.usage,
  "invalid-endpoint": exitCodes.usage,
  "disk-full": exitCodes.unfit,
  unavailable: exitCodes.unfit,
  busy: exitCodes.unfit,
};

const giga = (bytes: number) =>
  bytes >= 1e9
    ? `${(bytes / 1e9).toFixed(2)} GB`
    : bytes >= 1e6
      ? `${(bytes / 1e6).toFixed(1)} MB`
      : `${Math.ceil(bytes / 1e3)} kB`;
const parameters = (count: number) =>
  count >= 1e9 ? `${(count / 1e9).toFixed(2)} billion` : `${(count / 1e6).toFixed(1)} million`;

const memoryLine = (memory: ReturnType<typeof memoryByPrecision>) =>
  `${memory
    .map(
      ({ precision, bytes, servable }) =>
        `${precision} ${servable ? giga(bytes) : "not served: above 2 GiB"}`,
    )
    .join(", ")}; ${giga(process.availableMemory())} available`;

const shape = (config: ModelConfig) =>
  `${config.family}, ${parameters(parameterCount(config))} parameters, ${config.layers} layers, ${config.maxPositions.toLocaleString("en-US")} tokens of context`;

async function pull(io: Io, id: string, { revision, out, endpoint, home }: PullFlags): Promise<void> {
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, onSignal);
  const folder = resolve(out ?? pulledFolder(home, id));
  let bar: ReturnType<typeof progressBar> | undefined;
  let here = 0;
  let whole = 0;
  try {
    const hub = openHub({
      ...present("endpoint", endpoint ?? process.env.HF_ENDPOINT),
      ...present("token", process.env.HF_TOKEN),
    });
    let start = 0;
    let since = 0;
    const pulled = await pullModel({
      hub,
      id,
      revision,
      folder,
      signal: stop.signal,
      onPlan({ pull, config, bytes, bytesHere }) {
        io.note(`${pull.id}, ${pull.revision} at commit ${pull.commit.slice(0, 12)}: ${shape(config)}`);
        io.note(`  memory to serve it: ${memoryLine(memoryByPrecision(config))}`);
        io.note(
          `  ${pull.files.length} files, ${giga(bytes)}; ${giga(bytesHere)} here already, into ${folder}`,
        );
        [start, since, whole] = [bytesHere, performance.now(), bytes];
        bar = progressBar(io, "Pulling", giga(bytes - bytesHere));
      },
      onProgress({ bytesHere, bytes, file }) {
        here = bytesHere;
        if (bar === undefined || bytes === start) return;
        const rate = ((bytesHere - start) / Math.max(1, performance.now() - since)) * 1000;
        if (bytesHere > start) bar.update(bytesHere - start, bytes - start, `${file}, ${giga(rate)}/s`);
      },
    });
    bar?.end();
    const { config, ...rest } = pulled;
    io.result(
      {
        ...rest,
        family: config.family,
        parameters: parameterCount(config),
        layers: config.layers,
        context: config.maxPositions,
        memory: memoryByPrecision(config),
      },
      [
        `${id} is in ${folder}, every file checked; ${giga(pulled.bytesFetched)} came over the network.`,
        `→ ./openledger up --base-model ${out === undefined ? id : folder}`,
      ].join("\n"),
    );
  } catch (cause) {
    bar?.end();
    if (stop.signal.aborted)
      throw new CliError("The pull was stopped.", {
        actual: whole === 0 ? "no weights yet" : `${giga(here)} of ${giga(whole)} are here and kept`,
        fix: ["run the same again to go on"],
        code: "stopped",
        cause,
      });
    throw forPeople(cause);
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, onSignal);
  }
}

const present = <K extends string>(key: K, value: string | undefined) =>
  (value === undefined || value === "" ? {} : { [key]: value }) as Partial<Record<K, string>>;

const forPeople = (cause: unknown): unknown => {
  if (!(cause instanceof HubError)) return cause;
  const { message, code, expected, actual, fix } = cause;
  return new CliError(message, {
    code,
    ...(expected === undefined ? {} : { expected }),
    ...(actual === undefined ? {} : { actual }),
    ...(fix === undefined ? {} : { fix }),
    exitCode: exits[code] ?? exitCodes.failed,
    cause,
  });
};

async function list(io: Io, home: string): Promise<void> {
  const models = await listModels(home, ({ message, fix }) => io.warn(`${message} → ${fix?.join(", ")}`));
  io.result(
    { models },
    models.length === 0
      ? `No model was pulled into ${join(home, "models")} yet.\n→ ./openledger model pull <organisation>/<name>`
      : table(models, [
          ["Model", ({ id }) => id],
          ["Revision", ({ revision }) => revision],
          ["Commit", ({ commit }) => commit.slice(0, 12)],
          ["Size", ({ bytes }) => giga(bytes), "number"],
          [
            "Here",
            (model) =>
              model.bytesHere === model.bytes
                ? "whole"
                : `${Math.floor((model.bytesHere / model.bytes) * 100)} %`,
            "number",
          ],
          ["Folder", ({ folder }) => folder],
        ]),
  );
}

function inspect(io: Io, folder: string): void {
  let model: ModelDescription;
  try {
    model = inspectModel(folder);
  } catch (cause) {
    const unfinished = readPull(folder);
    throw new CliError((cause as Error).message, {
      fix:
        unfinished === undefined
          ? ["give a Hugging Face model folder, or pull one: ./openledger model pull <organisation>/<name>"]
          : [`finish it: ./openledger model pull ${unfinished.id} --out ${folder}`],
      cause,
    });
  }
  const { source, tokenizer } = model;
  io.result(
    model,
    [
      pairs([
        ["folder", model.folder],
        ["pulled from", source === null ? "not by this program" : `${source.id} at commit ${source.commit}`],
        ["family", model.family],
        ["parameters", parameters(model.parameters)],
        ["layers", model.layers],
        ["context", `${model.context.toLocaleString("en-US")} tokens`],
        ["tokenizer", `${tokenizer.kind}, ${tokenizer.tokens.toLocaleString("en-US")} tokens`],
        ["template", model.template],
        ["vectors", model.pooling ?? "no"],
        ["weights on disk", giga(model.weightBytes)],
        ["memory to serve it", memoryLine(model.memory)],
      ]),
      "",
      table(model.files, [
        ["File", ({ name }) => name],
        ["Size", ({ bytes }) => giga(bytes), "number"],
        ["SHA-256", ({ sha256, changed }) => `${sha256}${changed ? "  CHANGED since it was pulled" : ""}`],
      ]),
    ].join("\n"),
  );
}
