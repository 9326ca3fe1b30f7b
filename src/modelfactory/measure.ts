/** The training thread measures itself: small parts of what a job does, on some of its own rows. See `estimate`. */
import { createProducts, heldOutLeast, widenAdapter } from "../attribution/index.ts";
import {
  type Checkpoint,
  collectGarbage,
  createEvaluator,
  createTrainer,
  type Example,
  gradientSegments,
  initialAdapter,
  loraOf,
  positionsFor,
  type Sequence,
} from "../engine/index.ts";
import { answerPasses, answersMax, writeAnswers } from "./answers.ts";
import { planRetrainings } from "./calibration.ts";
import {
  evaluationBatch,
  gradientBatch,
  indexWork,
  lineThrough,
  paddedTokens,
  type Speeds,
  twoRates,
  type Work,
} from "./estimate.ts";
import { type Recipe, toTrainRecipe } from "./recipe.ts";
import { regressionSet } from "./regression.ts";
import { buildReleaseIndex } from "./release-index.ts";
import { drawRows, readableRows, sequenceLength } from "./training.ts";
import { trainingRows } from "./training-rows.ts";

export type MeasureRequest = {
  recipe: Recipe;
  examples: Example[];
  heldOut: Example[];
  /** `processor` counts the seconds of all this process's threads, whatever else the machine does meanwhile; `wall` unless given. */
  clock?: "wall" | "processor";
};
export type PlanRequest = Omit<MeasureRequest, "clock"> & {
  contributorOf: number[];
  contributors: number;
  evaluation: Example[];
};

/** Positions that a batch computes for a row: its last target is only a label. */
const lengthOf = ({ targets }: Sequence) => Math.max(0, ...targets);
const lengths = (sequences: readonly Sequence[]) => sequences.map(lengthOf);
/** Of all threads of this process, milliseconds. */
const processorMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** Counts what a job asks for. */
export function planWork(
  base: Checkpoint,
  { recipe, examples, heldOut, evaluation, contributorOf, contributors }: PlanRequest,
): Work {
  const begun = performance.now();
  const { sequences } = trainingRows(base, recipe, examples);
  const held = readableRows(base, recipe, heldOut).sequences;
  const readSeconds = (performance.now() - begun) / 1000;
  const evaluated = readableRows(base, recipe, evaluation).sequences;
  const judges = drawRows(held.length, recipe.heldOutRows, recipe.seed, 61).map((i) => held[i] as Sequence);
  const epoch = paddedTokens(lengths(sequences), recipe.batch);
  const plans = planRetrainings(recipe, [], []);
  // Without retrainings there is nothing to hold scores against, and no answer is scored.
  const queries = plans.length === 0 ? [] : evaluated.slice(0, recipe.calibration.queries);
  const prompts = readableRows(base, recipe, regressionSet).sequences;
  const groups = Math.min(recipe.calibration.leaveOut, contributors);
  return {
    examples: sequences.length,
    heldOut: held.length,
    contributors: new Set(contributorOf).size,
    evaluated: evaluated.length,
    queries: queries.length,
    retrainings: {
      halves: plans.length,
      leaveOut: plans.length === 0 || groups < 2 ? 0 : groups,
    },
    stepsPerEpoch: Math.ceil(sequences.length / recipe.batch),
    epochTokens: epoch.total,
    batchTokens: epoch.most,
    judgeTokens: paddedTokens(lengths(judges), evaluationBatch).total,
    answerPasses: answerPasses(base, evaluation.slice(0, answersMax)),
    prompts: prompts.length,
    promptTokens: paddedTokens(lengths(prompts), evaluationBatch).total,
    evaluatedTokens: paddedTokens(lengths(evaluated), evaluationBatch).total,
    exampleTokens: paddedTokens(lengths(sequences), gradientBatch).total,
    heldOutTokens: paddedTokens(lengths(held), gradientBatch).total,
    queryTokens: paddedTokens(lengths(queries), gradientBatch).total,
    readSeconds,
  };
}

/** The middle of several times: one that was interrupted by something else does not count. */
function middle(times: number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] as number;
}
const repeats = 5;
const warmMs = 300;
const warmRuns = 20;

/**
 * What a run takes once compilers and caches are warm, which the first ones are not: a job does thousands.
 *
 * @param clock milliseconds
 * @returns seconds, the middle of several
 */
async function steady(clock: () => number, run: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  for (let i = 0; i < warmRuns && performance.now() - begun < warmMs; i++) await run();
  const times: number[] = [];
  const warm = performance.now();
  while (times.length < repeats || (times.length < warmRuns && performance.now() - warm < warmMs)) {
    const at = clock();
    await run();
    times.push((clock() - at) / 1000);
  }
  return middle(times);
}

/** The most that this process held resident since it was asked last, bytes, looked at every few milliseconds. */
function watchMemory() {
  let most = process.memoryUsage.rss();
  const look = () => {
    most = Math.max(most, process.memoryUsage.rss());
  };
  const timer = setInterval(look, memoryEveryMs);
  return {
    take(): number {
      look();
      const taken = most;
      most = process.memoryUsage.rss();
      return taken;
    },
    /** Begins anew, without what nothing holds any more. @returns what is held then */
    begin(): number {
      collectGarbage();
      most = process.memoryUsage.rss();
      return most;
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
const memoryEveryMs = 5;

/** Rows and columns of the products that are measured, of the size that an index's are. */
const productSize = { rows: 1_024, inner: 2_048, columns: 256 };

async function secondsPerMultiplication(threads: number, clock: () => number): Promise<number> {
  const { rows, inner, columns } = productSize;
  const products = await createProducts(threads);
  const ones = (count: number) => new Float32Array(count).fill(1);
  const [a, b] = [ones(rows * inner), ones(columns * inner)];
  const once = await steady(clock, () => products.timesTransposed(a, b, rows, columns, inner));
  return once / (rows * columns * inner);
}

/** Far enough from the least that what each takes is told from what all of them do. */
const heldOutMore = 5 * heldOutLeast;

/** Takes seconds to a minute, most of it the index's linear algebra. @param given.examples some of them readable */
export async function measureSpeeds(base: Checkpoint, { recipe, ...given }: MeasureRequest): Promise<Speeds> {
  const clock = given.clock === "processor" ? processorMs : () => performance.now();
  const since = (begun: number) => (clock() - begun) / 1000;
  const { sequences, kept } = readableRows(base, recipe, given.examples);
  const heldOutKept = readableRows(base, recipe, given.heldOut).kept.map((i) => given.heldOut[i] as Example);
  // Too few rows are taken again and again: a job without a release wants an estimate, too.
  const material = heldOutKept.length > 0 ? heldOutKept : kept.map((i) => given.examples[i] as Example);
  const heldOutRows = Array.from(
    { length: Math.max(heldOutMore, heldOutKept.length) },
    (_, i) => material[i % material.length] as Example,
  );
  const lora = loraOf(recipe);
  const adapter = initialAdapter(base.config, lora, recipe.seed);
  using memory = watchMemory();
  const before = memory.begin();

  /** So many of the rows, evenly. */
  const some = (count: number) =>
    Array.from(
      { length: count },
      (_, i) => sequences[Math.floor((i * sequences.length) / count) % sequences.length] as Sequence,
    );
  async function step(batch: number) {
    const begun = clock();
    const rows = some(batch);
    const trainer = await createTrainer(
      base,
      toTrainRecipe({ ...recipe, batch, epochs: 1_000, stopLoss: 0, learningRate: 1e-6 }),
      rows,
    );
    await trainer.step(); // the first one also lays out memory
    const open = since(begun);
    return {
      ...{ amount: paddedTokens(lengths(rows), batch).total, open },
      seconds: await steady(clock, () => trainer.step()),
    };
  }
  async function pass(rows: number) {
    const chosen = some(rows);
    const begun = clock();
    const evaluate = await createEvaluator(base, lora, positionsFor(chosen), recipe.threads);
    await evaluate(adapter, chosen);
    const open = since(begun);
    return {
      ...{ amount: paddedTokens(lengths(chosen), rows).total, open },
      seconds: await steady(clock, () => evaluate(adapter, chosen)),
    };
  }
  async function written(rows: number) {
    const examples = heldOutRows.slice(0, rows);
    const begun = clock();
    await writeAnswers(base, adapter, examples, sequenceLength(base, recipe), recipe.threads);
    return { amount: answerPasses(base, examples), seconds: since(begun) };
  }
  const small = await step(Math.max(1, recipe.batch >> 2));
  const large = await step(recipe.batch);
  const stepBytes = memory.take() - before;
  memory.begin();
  const [few, many] = [await pass(4), await pass(evaluationBatch)];
  const [once, twice] = [await written(8), await written(24)];
  const evaluationBytes = memory.take() - before;
  memory.begin();

  const wide = widenAdapter(base.config, adapter).config;
  const metric = new Float32Array(gradientSegments(base.config, wide, ["B"]).width).fill(1);
  /** An index of some of the rows, by the seconds of its stages. */
  async function indexed(rows: number, held: number) {
    const examples = given.examples.slice(0, rows);
    const heldOut = heldOutRows.slice(0, held);
    const stages = new Map<string, number>();
    let last: string | undefined;
    let at = clock();
    const turn = (next: string) => {
      if (last !== undefined) stages.set(last, (stages.get(last) ?? 0) + since(at));
      [last, at] = [next, clock()];
    };
    turn("near duplicates");
    const parts = {
      recipe,
      adapter,
      examples,
      contributorOf: examples.map((_, i) => i % 2),
      contributors: 2,
      heldOut,
    };
    await buildReleaseIndex(base, parts, {
      metric,
      // A job writes an explain index: every example is solved for.
      more: () => ({ explain: () => {} }),
      onProgress: (stage) => {
        if (stage !== last) turn(stage);
      },
    });
    turn("over");
    const tokens = (of: Example[]) =>
      paddedTokens(lengths(readableRows(base, recipe, of).sequences), gradientBatch).total;
    const work = indexWork(base.config, recipe, { examples: rows, heldOut: held, contributors: 2 });
    return { stages, exampleTokens: tokens(examples), heldOutTokens: tokens(heldOut), ...work };
  }
  const least = await indexed(Math.min(8, given.examples.length), heldOutLeast);
  const more = await indexed(Math.min(40, given.examples.length), heldOutMore);
  const indexBytes = memory.take() - before;
  type Indexed = typeof least;
  type BasisWork = Parameters<typeof twoRates>[0];
  const stage = (name: string, amount: (of: Indexed) => number) =>
    lineThrough(
      { amount: amount(least), seconds: least.stages.get(name) ?? 0 },
      { amount: amount(more), seconds: more.stages.get(name) ?? 0 },
    );
  const multiplication = await secondsPerMultiplication(recipe.threads, clock);
  const touching = (of: Indexed) => ({
    amount: of.touched,
    seconds: Math.max(0, (of.stages.get("curvature") ?? 0) - multiplication * of.curvature),
  });
  const [basisOf, basisOfMore] = [least, more].map(({ basis, projected, stages }) => ({
    ...{ first: basis, second: projected, seconds: stages.get("basis") ?? 0 },
  })) as [BasisWork, BasisWork];
  const basis = twoRates(basisOf, basisOfMore);
  return {
    step: lineThrough(small, large),
    open: Math.max(0, large.open - large.seconds),
    forward: lineThrough(few, many),
    openForward: Math.max(0, many.open - many.seconds),
    answers: lineThrough(once, twice),
    duplicates: stage("near duplicates", (of) => of.exampleTokens),
    gradients: stage("gradients", (of) => of.exampleTokens * 5),
    heldOut: stage("held-out gradients", (of) => of.heldOutTokens),
    curvature: { ...lineThrough(touching(least), touching(more)), multiplication },
    basis: { multiplication: basis.first, projected: basis.second },
    stepBytesPerToken: Math.max(0, stepBytes) / large.amount,
    evaluationBytes: Math.max(0, evaluationBytes),
    indexBytes: Math.max(0, indexBytes - more.memory),
  };
}
