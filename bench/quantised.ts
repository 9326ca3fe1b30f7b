/**
 * What serving in 8 and 4 bits brings and what it costs, beside float32 in the same run.
 *
 *   ./openledger bench quantised [--json] [--model DIR] [--text FILE] [--windows N] [--rounds N]
 *   ./openledger bench quantised [--json] --shape smol [--rounds N]
 *
 * - cost: the decoders of all precisions read the same held-out text token by token. Perplexity, the divergence from float32's
 *   predictions, and how often the most probable token is the same one. The text is the repository's own (new draws of the profiles that
 *   models/openledger-tiny practised on) or a file's
 * - gain: one process a precision, in turns: tokens a second of a long prompt, of one row's steps and of 16 rows' steps (random tokens,
 *   no adapters), resident memory, the model's bytes
 *
 * `--shape smol` measures the gain for random weights in SmolLM2-135M's shape. Exit code 1 when perplexity rises by more than 1 % in 8
 * bits or 5 % in 4.
 */
import { readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { parseArgs } from "node:util";
// Not in the room's index: nothing but a decoder needs it otherwise.
import { decodingGraph } from "../src/engine/decoding-graph.ts";
import { loadCheckpoint, type Precision, precisions } from "../src/engine/index.ts";
import { startChild } from "./common/child.ts";
import { machine, median, note, quartiles, rounded } from "./common/measure.ts";
import { randomBase, smolShape } from "./openlora/material.ts";
import type { QuantisedMethods, Speed } from "./quantised/process.ts";
import { measureQuality, profileTokens, type Quality, windowsOf } from "./quantised/quality.ts";

const rows = 16;
const threads = 2;
const windowTokens = 256;
const steps = 16;
/** Most that a file gives: reading more of it would not change which windows are taken by much. */
const textCharacters = 4_000_000;
const bars = { int8: 0.01, int4: 0.05 };

type Plan = {
  folder: string | null;
  text: string | undefined;
  windows: number;
  rounds: number;
  json: boolean;
};

function readPlan(): Plan {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      model: { type: "string" },
      text: { type: "string" },
      shape: { type: "string" },
      windows: { type: "string", default: "32" },
      rounds: { type: "string", default: "7" },
    },
  });
  const count = (name: "windows" | "rounds") => {
    const value = Number(values[name]);
    if (!Number.isInteger(value) || value < 1 || value > 10_000)
      throw new Error(`--${name} takes a number from 1 to 10000; it got ${values[name]}.`);
    return value;
  };
  if (values.shape !== undefined && values.shape !== "smol")
    throw new Error(`--shape takes smol; it got ${values.shape}.`);
  if (values.shape !== undefined && (values.model ?? values.text) !== undefined)
    throw new Error("--shape has random weights: a model or a text beside it means nothing.");
  const folder = resolve(values.model ?? new URL("../models/openledger-tiny", import.meta.url).pathname);
  return {
    folder: values.shape === undefined ? folder : null,
    text: values.text,
    windows: count("windows"),
    rounds: count("rounds"),
    json: values.json,
  };
}

/** Predictions of every precision on the same windows; null for random weights. */
async function measureCost({ folder, text, windows }: Plan) {
  if (folder === null) return null;
  const base = loadCheckpoint(folder);
  const length = Math.min(windowTokens, base.config.maxPositions - 1);
  const ids =
    text === undefined
      ? profileTokens(base.tokenizer, windows * length)
      : base.tokenizer.encode(readFileSync(text, "utf8").slice(0, textCharacters));
  const taken = windowsOf(ids, windows, length);
  note(`reading ${taken.length} windows of ${length} tokens in ${precisions.join(", ")} ...`);
  const qualities = await measureQuality(base, taken, precisions, { rows, threads });
  return {
    text: text === undefined ? "generated profiles" : basename(text),
    tokens: taken.length * (length - 1),
    byPrecision: Object.fromEntries(precisions.map((name, i) => [name, qualities[i]!])) as Record<
      Precision,
      Quality
    >,
  };
}

/** Speed and memory of every precision, each in its own process, one at work at a time. */
async function measureGain({ folder, rounds }: Plan) {
  const base = folder === null ? randomBase(smolShape) : loadCheckpoint(folder);
  const promptTokens = Math.min(512, base.config.maxPositions - 64);
  await using children = new AsyncDisposableStack();
  const script = new URL("./quantised/process.ts", import.meta.url);
  const started = [];
  for (const precision of precisions) {
    const child = children.use(startChild<QuantisedMethods>(script));
    const weight = await child.call("open", { folder, precision, threads, rows, promptTokens });
    const modelBytes = decodingGraph(base.config, base.weights, {
      modules: [],
      positions: promptTokens + 64,
      precision,
    }).length;
    note(
      `${precision}: ${Math.round(modelBytes / 2 ** 20)} MiB, ${Math.round(weight.residentMiB)} MiB resident`,
    );
    started.push({ precision, child, weight, modelBytes, speeds: [] as Speed[] });
  }
  for (let round = 0; round <= rounds; round++) {
    for (const { child, speeds } of started) {
      const speed = await child.call("round", { seed: round, steps });
      if (round > 0) speeds.push(speed); // the first warms up
    }
    if (round > 0) note(`round ${round} of ${rounds}`);
  }
  const figures = (speeds: readonly Speed[], what: keyof Speed) => {
    const tokPerSec = speeds.map((speed) => speed[what].tokPerSec);
    const tokPerCpuSec = speeds.map((speed) => speed[what].tokPerCpuSec);
    return {
      tokPerSec: rounded(median(tokPerSec), 1),
      quartiles: quartiles(tokPerSec, 1),
      tokPerCpuSec: rounded(median(tokPerCpuSec), 1),
    };
  };
  const byPrecision = Object.fromEntries(
    started.map(({ precision, weight, modelBytes, speeds }) => [
      precision,
      {
        prefill: figures(speeds, "prefill"),
        one: figures(speeds, "one"),
        all: figures(speeds, "all"),
        modelBytes,
        residentMiB: rounded(weight.residentMiB, 1),
        peakMiB: rounded(weight.peakMiB, 1),
        loadSeconds: rounded(weight.loadSeconds, 2),
      },
    ]),
  );
  return {
    promptTokens,
    rows,
    rounds,
    byPrecision: byPrecision as Record<Precision, (typeof byPrecision)[string]>,
  };
}

async function measure(plan: Plan) {
  const on = machine();
  const gain = await measureGain(plan);
  const cost = await measureCost(plan);
  const rise = (precision: Precision) =>
    cost === null
      ? null
      : rounded(cost.byPrecision[precision].perplexity / cost.byPrecision.f32.perplexity - 1, 5);
  return {
    model: plan.folder === null ? "random weights in SmolLM2-135M's shape" : basename(plan.folder),
    perplexityRise: { int8: rise("int8"), int4: rise("int4") },
    cost,
    gain,
    bars,
    machine: { ...on, threads, loadAfter: machine().loadBefore },
  };
}

type Result = Awaited<ReturnType<typeof measure>>;

function table({ model, cost, gain, machine: on }: Result): string {
  const line = (what: string, value: (precision: Precision) => string | number) =>
    `  ${what.padEnd(44)}${precisions.map((name) => String(value(name)).padStart(12)).join("")}`;
  return [
    `${model}, ${on.threads} threads`,
    line("", (name) => name),
    ...(cost === null
      ? []
      : [
          line(`nats a token (${cost.text}, ${cost.tokens})`, (name) =>
            cost.byPrecision[name].natsPerToken.toFixed(4),
          ),
          line("perplexity", (name) => cost.byPrecision[name].perplexity.toFixed(3)),
          line("divergence from f32, nats", (name) => cost.byPrecision[name].klToF32.toFixed(5)),
          line("same most probable token, %", (name) => (cost.byPrecision[name].agreement * 100).toFixed(1)),
        ]),
    ...(
      [
        ["prefill", `prompt of ${gain.promptTokens}`],
        ["one", "one row"],
        ["all", `${gain.rows} rows`],
      ] as const
    ).flatMap(([what, label]) => [
      line(`${label}, tokens a second`, (name) => gain.byPrecision[name]![what].tokPerSec),
      line("  a second of processor time", (name) => gain.byPrecision[name]![what].tokPerCpuSec),
    ]),
    line("the model, MiB", (name) => Math.round(gain.byPrecision[name]!.modelBytes / 2 ** 20)),
    line("resident, MiB", (name) => gain.byPrecision[name]!.residentMiB),
    line("resident at most while loading, MiB", (name) => gain.byPrecision[name]!.peakMiB),
    line("loading, seconds", (name) => gain.byPrecision[name]!.loadSeconds),
    `Load before ${on.loadBefore}, after ${on.loadAfter}; ${on.cpu}, ${on.cores} cores`,
  ].join("\n");
}

if (import.meta.main) {
  const plan = readPlan();
  const result = await measure(plan);
  process.stdout.write(`${plan.json ? JSON.stringify(result) : table(result)}\n`);
  for (const precision of ["int8", "int4"] as const) {
    const rise = result.perplexityRise[precision];
    if (rise === null || rise <= bars[precision]) continue;
    note(`Perplexity in ${precision} rises by ${rise * 100} %; expected ${bars[precision] * 100} % at most.`);
    process.exitCode = 1;
  }
}
