/**
 * How far two computations of one answer's query are apart, and what that moves of a fee: what the tolerance on q rests on.
 *
 *   ./openledger bench replay [--json] [--rows N] [--questions N] [--epochs N]
 *
 * Trains an adapter on the valley's rows over the shipped base model, builds its pay index, and takes each question's right answer as an
 * answer to be paid for. Its q is computed with one thread, and again with two, in a graph of other positions, and in one
 * batch with eleven other answers, which orders the sums otherwise; the differences are given as parts of ‖q‖, in units of its integers, and as parts of a fee. Beside them stands the most that any q within the tolerance's
 * distance could move (an upper bound, listing kept as it is). Exit code 1 when honest differences come near the tolerance: more than a
 * quarter of its noise, or a tenth of what a fee may move.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import {
  buildPayIndex,
  createQueries,
  defaultPayIndexOptions,
  encodeBasis,
  widenAdapter,
} from "../src/attribution/index.ts";
import {
  createGradients,
  createTrainer,
  type Example,
  exampleSequence,
  exportPeft,
  loadCheckpoint,
  positionsFor,
  promptTokens,
  sequenceOf as sequenceOfTokens,
} from "../src/engine/index.ts";
import { recipeSchema, toTrainRecipe } from "../src/modelfactory/recipe.ts";
import { compareQueries, mostMoved, type QueryTerms, tolerance } from "../src/validators/index.ts";
import { machine, note, quartiles, rounded } from "./common/measure.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    rows: { type: "string", default: "350" },
    questions: { type: "string", default: "60" },
    epochs: { type: "string", default: "4" },
  },
});
const [rowCount, questionCount, epochs] = [values.rows, values.questions, values.epochs].map(Number) as [
  number,
  number,
  number,
];
const folder = new URL("../examples/valley/", import.meta.url);
const read = <T>(file: string) =>
  readFileSync(new URL(file, folder), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as T);

const base = loadCheckpoint(new URL("../models/openledger-tiny", import.meta.url).pathname);
const recipe = recipeSchema.parse({ threads: 1, epochs });
const sequenceOf = (example: Example) =>
  exampleSequence(base.tokenizer, example, { trainOnEnd: true, maxLength: 256 });
const contributors = 5;
const given = Array.from({ length: contributors }, (_, i) => read<Example>(`contributor-${i + 1}.jsonl`));
const each = Math.ceil(rowCount / contributors);
const rows = given.flatMap((list) => list.slice(0, each));
const contributorOf = given.flatMap((list, c) => list.slice(0, each).map(() => c));
const heldOut = read<Example>("heldout.jsonl");
note(`${rows.length} rows, ${heldOut.length} held out: training`);
const sequences = rows.map(sequenceOf);
const told = toTrainRecipe(recipe);
const trainer = await createTrainer(base, told, sequences);
while (!trainer.done) await trainer.step();
const { adapter, optimizer, step } = trainer.state;
note(`trained to a loss of ${trainer.epochLoss().toFixed(3)}: indexing`);
const wide = widenAdapter(base.config, adapter);
const index = await buildPayIndex(
  {
    gradients: await createGradients(base, wide.config, {
      parts: ["B"],
      positions: positionsFor([...sequences, ...heldOut.map(sequenceOf)]),
      threads: 1,
    }),
    adapter: wide,
    secondMoments: new Map([...optimizer.moments].map(([name, { v }]) => [name, v] as const)),
    beta2: told.optimizer.beta2,
    steps: step,
    sequences,
    contributorOf,
    contributors,
    heldOut: heldOut.map(sequenceOf),
    heldOutIsAnswer: heldOut.map((example) => "messages" in example),
  },
  { ...defaultPayIndexOptions, samples: 2, threads: 1 },
);
const peft = exportPeft(adapter, "openledger-tiny");
const files = {
  release: "bench",
  adapterConfig: peft["adapter_config.json"],
  adapterTensors: peft["adapter_model.safetensors"],
  basis: encodeBasis(index.basis),
};
const open = (threads: number, maxLength: number) => createQueries(base, { maxLength, threads }).open(files);
const [one, two, longer] = [await open(1, 96), await open(2, 96), await open(1, 256)];
const terms: QueryTerms = {
  rows: index.rows,
  contributors,
  thresholdMillionths: index.thresholdMillionths,
  influenceShare: 0.45,
};

type Difference = { distance: number; units: number; moved: number; border: boolean };
const found: Record<"again" | "threads" | "positions" | "batch", Difference[]> = {
  again: [],
  threads: [],
  positions: [],
  batch: [],
};
const bounds: number[] = [];
for (const { question, answer } of read<{ question: string; answer: string }>("questions.jsonl").slice(
  0,
  questionCount,
)) {
  const asked = {
    promptIds: promptTokens(base.tokenizer, { messages: [{ role: "user", content: question }] }),
    outputIds: base.tokenizer.encode(` ${answer}`),
  };
  const q = await one.query(asked);
  bounds.push(mostMoved(q, terms, tolerance.distance));
  const inBatch = async () => {
    const others = heldOut.slice(0, 11).map(sequenceOf);
    const { data } = await one.gradients.rows(one.adapter, [
      sequenceOfTokens(asked.promptIds, asked.outputIds, 96),
      ...others,
    ]);
    return one.project(data.subarray(0, one.gradients.width));
  };
  for (const [name, compute] of [
    ["again", () => one.query(asked)],
    ["threads", () => two.query(asked)],
    ["positions", () => longer.query(asked)],
    ["batch", inBatch],
  ] as const) {
    const again = await compute();
    const { distance, moved, border } = compareQueries(q, again, terms, tolerance);
    const units = Math.max(...again.map((x, i) => Math.abs(x - (q[i] as number))));
    found[name].push({ distance, units, moved, border });
  }
}
const most = (name: keyof typeof found, key: "distance" | "units" | "moved") =>
  Math.max(...found[name].map((each) => each[key]));
const report = Object.fromEntries(
  (Object.keys(found) as (keyof typeof found)[]).map((name) => [
    name,
    {
      distanceMost: most(name, "distance"),
      unitsMost: most(name, "units"),
      movedMost: most(name, "moved"),
      /** Answers that pay contributors by one q and pools by the other. */
      turned: found[name].filter(({ border }) => border).length,
    },
  ]),
);
const [low, middle, high] = quartiles(bounds);
const holds =
  most("threads", "distance") <= tolerance.noise / 4 &&
  most("batch", "distance") <= tolerance.noise / 4 &&
  most("threads", "moved") <= tolerance.moved / 10;
const result = {
  machine: machine(),
  rows: rows.length,
  dimensions: index.k,
  thresholdMillionths: index.thresholdMillionths,
  questions: bounds.length,
  tolerance,
  ...report,
  /** Most of a fee that a q within the tolerance's distance could move, by quartile of the answers, and at most. */
  withinDistance: { low, middle, high, most: Math.max(...bounds) },
  holds,
};
if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
else {
  for (const [name, { distanceMost, unitsMost, movedMost, turned }] of Object.entries(report))
    note(
      `${name.padEnd(10)} ‖Δq‖ ≤ ${distanceMost.toExponential(2)} ‖q‖, ${unitsMost} units, ${(100 * movedMost).toFixed(5)} % of a fee, ${turned} turned between contributors and pools`,
    );
  note(
    `any q within ${tolerance.distance}: at most ${rounded(100 * (middle ?? 0), 3)} % of a fee at the median, ${rounded(100 * Math.max(...bounds), 3)} % at worst`,
  );
}
if (!holds) process.exitCode = 1;
