/**
 * Fine-tuning jobs: how near estimates are to what jobs then take, in time and in memory, and whether a training that is killed goes on to the same bytes.
 *
 * Jobs of several shapes on the base model that ships, every step of them that takes time: training, evaluation, index, retrainings. The machine
 * is measured first, as a node does it; estimating and running are processes of their own.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Example } from "../../src/engine/index.ts";
import type { RecipeInput } from "../../src/modelfactory/index.ts";
import { startChild } from "../common/child.ts";
import { median, note, rounded } from "../common/measure.ts";
import type { JobMaterial, JobMethods, Resumed, StepSeconds } from "./jobs-process.ts";
import { textsOf } from "./material.ts";

/** Of one job. */
export type JobFigures = {
  name: string;
  examples: number;
  /** Processor seconds of all threads, by step: what else the machine does meanwhile does not count in full, as it does by the clock. */
  estimated: StepSeconds;
  measured: StepSeconds;
  wallSeconds: number;
  /** The most that the process held, MiB. */
  estimatedMiB: number;
  measuredMiB: number;
  /** Estimate less measured, per cent of measured. */
  secondsErrorPct: number;
  memoryErrorPct: number;
};
/** Of several, without their signs. */
type Errors = { median: number; worst: number };
export type JobsFigures = { seconds: Errors; memory: Errors; jobs: JobFigures[]; resume: Resumed };

const root = fileURLToPath(new URL("../../", import.meta.url));
const rowsOf = (file: string): Example[] =>
  readFileSync(join(root, "examples", "valley", file), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Example);

type Rows = Omit<JobMaterial, "recipe">;

/** The demo's rows, short chats: one in so many of five contributors', and of the held-out ones. */
function valley(every: number, heldOutEvery: number): Rows {
  const contributors = [1, 2, 3, 4, 5].map((n) => rowsOf(`contributor-${n}.jsonl`));
  const given = contributors.flatMap((rows, contributor) =>
    rows.filter((_, i) => i % every === 0).map((example) => ({ example, contributor })),
  );
  return {
    examples: given.map(({ example }) => example),
    contributorOf: given.map(({ contributor }) => contributor),
    contributors: contributors.length,
    heldOut: rowsOf("heldout.jsonl").filter((_, i) => i % heldOutEvery === 0),
  };
}

/** Paragraphs of this repository's documents; so many characters are about as long as a recipe reads by default. */
function documents(count: number, heldOut: number, characters = 700): Rows {
  const texts = textsOf(join(root, "docs"))
    .filter((text) => text.length > 200)
    .map((text) => ({ prompt: "", completion: text.slice(0, characters) }));
  const examples = texts.slice(0, count);
  return {
    examples,
    contributorOf: examples.map((_, i) => i % 3),
    contributors: 3,
    heldOut: texts.slice(count, count + heldOut),
  };
}

const recipe = (of: RecipeInput): RecipeInput => ({
  ...{ threads: 1, stopAtOptimum: false },
  ...of,
});
const calibration = (retrainings: number, leaveOut = 0) => ({ retrainings, leaveOut, queries: 64 });

type Job = { name: string; material: () => JobMaterial };
const jobs: Job[] = [
  {
    name: "all modules, rank 8",
    material: () => ({ ...valley(4, 7), recipe: recipe({ epochs: 8, calibration: calibration(3) }) }),
  },
  {
    name: "q and v, rank 4, small batches",
    material: () => ({
      ...valley(2, 4),
      recipe: recipe({
        ...{ rank: 4, modules: ["q_proj", "v_proj"], batch: 8, epochs: 3 },
        calibration: calibration(3),
      }),
    }),
  },
  {
    name: "all modules, rank 2, large batches",
    material: () => ({
      ...valley(2, 3),
      recipe: recipe({ rank: 2, batch: 40, epochs: 3, calibration: calibration(0) }),
    }),
  },
  {
    name: "documents, rank 16",
    material: () => ({
      ...documents(40, 24),
      recipe: recipe({ rank: 16, batch: 8, epochs: 1, calibration: calibration(0) }),
    }),
  },
];

/** What the four leave out: other modules, single rows, many epochs, all retrainings, much to judge by, texts of another length. */
const moreJobs: Job[] = [
  {
    name: "single rows, rank 1",
    material: () => ({
      ...valley(5, 7),
      recipe: recipe({ rank: 1, batch: 1, epochs: 4, calibration: calibration(0) }),
    }),
  },
  {
    name: "q and v, rank 8, thirty epochs",
    material: () => ({
      ...valley(4, 7),
      recipe: recipe({
        ...{ rank: 8, modules: ["q_proj", "v_proj"], batch: 16, epochs: 30 },
        calibration: calibration(0),
      }),
    }),
  },
  {
    name: "feed-forward modules, batches of 64",
    material: () => ({
      ...valley(2, 5),
      recipe: recipe({
        ...{ rank: 8, modules: ["gate_proj", "up_proj", "down_proj"], batch: 64, epochs: 6 },
        calibration: calibration(0),
      }),
    }),
  },
  {
    name: "six retrainings, groups left out",
    material: () => ({
      ...valley(5, 5),
      recipe: recipe({ rank: 4, epochs: 4, calibration: calibration(6, 3) }),
    }),
  },
  {
    name: "much to judge by, to the optimum",
    material: () => ({
      ...valley(6, 1),
      recipe: recipe({
        rank: 4,
        epochs: 10,
        patience: 100,
        stopAtOptimum: true,
        calibration: calibration(0),
      }),
    }),
  },
  {
    name: "texts half as long, o and v, rank 2",
    material: () => ({
      ...documents(60, 24, 300),
      recipe: recipe({
        ...{ rank: 2, modules: ["o_proj", "v_proj"], batch: 4, epochs: 3, maxLength: 96 },
        calibration: calibration(0),
      }),
    }),
  },
];

const errorsOf = (pct: readonly number[]): Errors => {
  const sizes = pct.map(Math.abs);
  return { median: rounded(median(sizes), 1), worst: Math.max(...sizes) };
};

/**
 * @param jobsMax how many of the jobs are run
 * @param recipes `four` of them, `all`, which are more, or those of all whose name holds this
 */
export async function measureJobs(jobsMax: number, recipes: string): Promise<JobsFigures> {
  const all = [...jobs, ...moreJobs];
  const chosen =
    recipes === "four" ? jobs : recipes === "all" ? all : all.filter(({ name }) => name.includes(recipes));
  if (chosen.length === 0)
    throw new Error(
      `--recipes takes four, all or a part of a name: ${all.map(({ name }) => name).join("; ")}.`,
    );
  const found: JobFigures[] = [];
  for (const { name, material } of chosen.slice(0, jobsMax)) {
    const figures = await measureJob(name, material());
    note(`${name}: ${figures.secondsErrorPct} % off in time, ${figures.memoryErrorPct} % in memory`);
    found.push(figures);
  }
  await using child = start();
  return {
    seconds: errorsOf(found.map(({ secondsErrorPct }) => secondsErrorPct)),
    memory: errorsOf(found.map(({ memoryErrorPct }) => memoryErrorPct)),
    jobs: found,
    resume: await child.call("resume", (jobs[0] as (typeof jobs)[number]).material()),
  };
}

const start = () => startChild<JobMethods>(new URL("./jobs-process.ts", import.meta.url));

async function measureJob(name: string, material: JobMaterial): Promise<JobFigures> {
  await using first = start();
  const told = await first.call("estimate", material);
  await using second = start();
  const ran = await second.call("run", material);
  const { training, evaluation, index, calibration, total } = told.seconds;
  const off = (estimated: number, measured: number) => rounded((100 * (estimated - measured)) / measured, 1);
  return {
    name,
    examples: material.examples.length,
    estimated: { training, evaluation, index, calibration, total },
    measured: ran.seconds,
    wallSeconds: ran.wallSeconds,
    estimatedMiB: Math.round(told.memoryBytes / 2 ** 20),
    measuredMiB: Math.round(ran.bytes / 2 ** 20),
    secondsErrorPct: off(total, ran.seconds.total),
    memoryErrorPct: off(told.memoryBytes, ran.bytes),
  };
}
