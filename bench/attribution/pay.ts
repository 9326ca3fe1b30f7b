/** What would be paid for a task's answers: its pay index, as a release without near duplicates gets one, and the rules of paying side by side. */
import {
  buildPayIndex,
  contributorLds,
  defaultPayIndexOptions,
  lds,
  leaveOneOutEffects,
  type PayIndex,
  type PayIndexInput,
  type PayIndexOptions,
  type PayoutRule,
  type Products,
  payoutError,
  projectQuery,
  scaleGradient,
  widenAdapter,
} from "../../src/attribution/index.ts";
import { type Checkpoint, createGradients, positionsFor } from "../../src/engine/index.ts";
import { score } from "../../src/protocol/index.ts";
import { rounded } from "../common/measure.ts";
import { querySequences } from "./counterfactual.ts";
import { createExplainForms, type ExplainScores } from "./explain.ts";
import { type Figure, figure } from "./figure.ts";
import { type ChancedAnswer, needsChance, payoutRules, ruleInForce, splittingGain } from "./rules.ts";
import { finalOf, type Run } from "./run.ts";
import type { Table } from "./table.ts";
import { rowSequence, type Task } from "./task.ts";

/** Scores of a task's reference answers by one index. */
export type IndexScores = {
  /** `[Q,R]` exact integers of contributors' rows, and the same before rounding. */
  readonly integers: Float64Array;
  readonly floats: Float32Array;
  readonly contributorOfRow: readonly number[];
  /** `[Q]`: the highest null score, an exact integer. */
  readonly chance: Float64Array;
  /** The part of it that somebody exceeds in 5 % of unrelated questions. */
  readonly hardlyChance: number;
};

export type PayScores = {
  /** By the index that a release gets. */
  readonly released: IndexScores;
  /** By one with a single row for each contributor, and null rows of that size; undefined where it was not asked for. */
  readonly single: IndexScores | undefined;
  /** Of single examples, by each form an explain index takes. */
  readonly explain: ExplainScores;
  /** `[Q,N]`: the default method's scores of single examples, for generated answers; for reference ones they are in `explain`. */
  readonly generated: Float32Array;
};

/** The scores of a task's reference answers by the index of its final adapter. */
export async function payScores(
  base: Checkpoint,
  task: Task,
  table: Table,
  run: Run,
  products: Products,
  { single = false }: { single?: boolean } = {},
): Promise<PayScores> {
  const { adapter: trained, moments } = finalOf(run);
  const adapter = widenAdapter(base.config, trained);
  const sequences = task.train.map((row) => rowSequence(base.tokenizer, row));
  const heldOut = task.heldOut.map((row) => rowSequence(base.tokenizer, row));
  const { reference, generated } = querySequences(base, task, table.answers);
  const gradients = await createGradients(base, adapter.config, {
    parts: ["B"],
    positions: positionsFor([...sequences, ...heldOut, ...reference, ...generated]),
    threads: 1,
  });
  const { data } = await gradients.rows(adapter, [...reference, ...generated]);
  const gradientOf = (q: number) => data.subarray(q * gradients.width, (q + 1) * gradients.width);
  const build = (more: Pick<PayIndexInput, "explain">, options: Partial<PayIndexOptions> = {}) =>
    buildPayIndex(
      {
        gradients,
        adapter,
        secondMoments: new Map([...moments.optimizer.moments].map(([name, { v }]) => [name, v])),
        beta2: moments.beta2,
        steps: moments.optimizer.step,
        sequences,
        contributorOf: task.train.map(({ contributor }) => contributor),
        contributors: task.contributors.length,
        heldOut,
        calibration: { sets: [], queries: reference },
        ...more,
      },
      { ...defaultPayIndexOptions, ...options },
    );
  const forms = createExplainForms(sequences.length, gradients.width, products);
  const index = await build({ explain: forms.take });
  const scaled = (first: number, count: number) =>
    Array.from({ length: count }, (_, q) => scaleGradient(index.basis, gradientOf(first + q)));
  const explain = await forms.score(scaled(0, reference.length));
  return {
    released: indexScores(index, reference.length, gradientOf),
    single: single
      ? indexScores(await build({}, { examplesPerRow: sequences.length }), reference.length, gradientOf)
      : undefined,
    explain,
    generated: await forms.exact(scaled(reference.length, generated.length)),
  };
}

function indexScores(
  { rows, basis, calibration, contributorOfRow, report }: PayIndex,
  questions: number,
  gradientOf: (question: number) => Float32Array,
): IndexScores {
  const count = contributorOfRow.length;
  const integers = new Float64Array(questions * count);
  const floats = new Float32Array(questions * count);
  const chance = new Float64Array(questions);
  for (let q = 0; q < questions; q++) {
    const query = projectQuery(basis, gradientOf(q));
    const scores = rows.map((row) => score(row, query));
    integers.set(scores.slice(0, count), q * count);
    floats.set(calibration!.rows.subarray(q * rows.length, q * rows.length + count), q * count);
    chance[q] = Math.max(0, ...scores.slice(count));
  }
  return { integers, floats, contributorOfRow, chance, hardlyChance: report.chance };
}

export type PayFigures = {
  /** Most examples to a row, and how many rows that makes. */
  examplesPerRow: number;
  rows: number;
  /** The part of the highest null score that somebody exceeds in 5 % of unrelated questions. */
  hardlyChance: number;
  /** Part of the questions for which nobody is above the cut. */
  nobodyPaid: number;
  /** Payout error by rule, where every contributor was left out once; and what splitting oneself into ten gains. */
  error?: Record<string, Figure>;
  splitting: Record<string, number>;
  /** What integers lose: 1 − LDS(index) / LDS(floating point), of contributors by the pay index, of examples by each form of an explain index. */
  indexLossOfLds: Record<string, number>;
  rowBytes: Record<string, number>;
};

export function payFigures(task: Task, table: Table, pay: PayScores): PayFigures {
  const examples = pay.explain.float!.scores;
  const contributorOf = task.train.map(({ contributor }) => contributor);
  const [n, contributors, questions] = [task.train.length, task.contributors.length, task.queries.length];
  const left = table.runs.filter(({ kind, seed }) => kind === "one-contributor" && seed === 1);
  const whole = table.runs.filter(({ kind, seed }) => kind === "contributors" && seed === 1);
  const full = table.runs.filter(({ kind, seed }) => kind === "full" && seed === 1);
  const { released, single } = pay;
  const rowsOf = (of: IndexScores, q: number) => {
    const width = of.contributorOfRow.length;
    const own = (values: Float64Array | Float32Array) =>
      Array.from(values.subarray(q * width, (q + 1) * width));
    const size = (values: readonly number[]) => values.reduce((sum, x) => sum + Math.abs(x), 0);
    // One unit of an integer, in that of single examples, so that rules that read those can be held against the others.
    return { scores: own(of.integers), unit: size(own(of.floats)) / size(own(of.integers)) };
  };
  const answers: ChancedAnswer[] = Array.from({ length: questions }, (_, q) => {
    const { scores, unit } = rowsOf(released, q);
    const sums = new Array<number>(contributors).fill(0);
    for (const [row, c] of released.contributorOfRow.entries())
      sums[c] = (sums[c] as number) + (scores[row] as number) * unit;
    const chance = single === undefined ? Number.NaN : (single.chance[q] as number) * rowsOf(single, q).unit;
    return {
      examples: examples.subarray(q * n, (q + 1) * n),
      contributorOf,
      contributors: sums,
      threshold: (released.chance[q] as number) * unit * defaultPayIndexOptions.threshold,
      chance,
      hardlyChance: chance * (single?.hardlyChance ?? Number.NaN),
    };
  });
  const rules = Object.entries(payoutRules).filter(([name]) => single !== undefined || !needsChance(name));
  const paid = answers.map((answer) =>
    (payoutRules[ruleInForce] as PayoutRule)(answer).some((share) => share > 0),
  );
  const figures: PayFigures = {
    examplesPerRow: defaultPayIndexOptions.examplesPerRow,
    rows: released.contributorOfRow.length,
    hardlyChance: rounded(released.hardlyChance, 4),
    nobodyPaid: paid.filter((one) => !one).length / questions,
    splitting: Object.fromEntries(
      rules.map(([name, rule]) => [name, rounded(splittingGain(rule, answers, contributors), 3)]),
    ),
    indexLossOfLds: {},
    rowBytes: {},
  };
  const half = table.runs.filter(({ kind, seed }) => kind === "half" && seed === 1);
  if (half.length > 0) {
    const exact = lds(pay.explain.float!.scores, half).mean;
    for (const [name, { rowBytes, scores }] of Object.entries(pay.explain)) {
      figures.rowBytes[name] = rowBytes;
      if (name !== "float") figures.indexLossOfLds[name] = 1 - lds(scores, half).mean / exact;
    }
  }
  if (left.length === contributors) {
    const effects = leaveOneOutEffects(full, left, contributorOf, contributors);
    figures.error = Object.fromEntries(
      rules.map(([name, rule]) => [name, figure(payoutError(answers.map(rule), effects))]),
    );
  }
  if (whole.length > 0) {
    // Of the sums of contributors' rows: retrainings leave out contributors, not rows.
    const by = (values: Float64Array | Float32Array) => {
      const sums = new Float32Array(questions * contributors);
      for (let q = 0; q < questions; q++)
        for (const [row, c] of released.contributorOfRow.entries())
          sums[q * contributors + c] =
            (sums[q * contributors + c] as number) +
            (values[q * released.contributorOfRow.length + row] as number);
      return contributorLds(sums, whole, contributorOf).mean;
    };
    figures.indexLossOfLds.pay = 1 - by(released.integers) / by(released.floats);
  }
  return figures;
}
