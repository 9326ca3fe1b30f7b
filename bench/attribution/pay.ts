/** What would be paid for a task's answers: its pay index, as a release without near duplicates gets one, and the rules of paying side by side. */
import {
  buildPayIndex,
  contributorLds,
  defaultPayIndexOptions,
  lds,
  leaveOneOutEffects,
  payoutError,
  paySumsAbove,
  projectQuery,
  scaleGradient,
} from "../../src/attribution/index.ts";
import { type Checkpoint, createGradients, positionsFor } from "../../src/engine/index.ts";
import { score } from "../../src/protocol/index.ts";
import { rounded } from "../common/measure.ts";
import { querySequences } from "./counterfactual.ts";
import { createExplainForms, type ExplainScores } from "./explain.ts";
import { type Figure, figure } from "./figure.ts";
import { type ChancedAnswer, payoutRules, splittingGain } from "./rules.ts";
import { finalOf, type Run } from "./run.ts";
import type { Table } from "./table.ts";
import { rowSequence, type Task } from "./task.ts";

export type PayScores = {
  /** `[Q,C]` exact integers, and the same before rounding. */
  readonly integers: Float64Array;
  readonly floats: Float32Array;
  /** T of each question. */
  readonly thresholds: Float64Array;
  readonly thresholdMillionths: number;
  /** Of single examples, by each form an explain index takes. */
  readonly explain: ExplainScores;
};

/** The scores of a task's reference answers by the index of its final adapter. */
export async function payScores(base: Checkpoint, task: Task, table: Table, run: Run): Promise<PayScores> {
  const { adapter, moments } = finalOf(run);
  const sequences = task.train.map((row) => rowSequence(base.tokenizer, row));
  const heldOut = task.heldOut.map((row) => rowSequence(base.tokenizer, row));
  const { reference } = querySequences(base, task, table.answers);
  const gradients = await createGradients(base, adapter.config, {
    parts: ["B"],
    positions: positionsFor([...sequences, ...heldOut, ...reference]),
    threads: 1,
  });
  const contributors = task.contributors.length;
  const forms = createExplainForms(sequences.length, gradients.width);
  const index = await buildPayIndex(
    {
      gradients,
      adapter,
      secondMoments: new Map([...moments.optimizer.moments].map(([name, { v }]) => [name, v])),
      beta2: moments.beta2,
      steps: moments.optimizer.step,
      sequences,
      contributorOf: task.train.map(({ contributor }) => contributor),
      contributors,
      heldOut,
      calibration: { sets: [], queries: reference },
      explain: forms.take,
    },
    { ...defaultPayIndexOptions, threads: 1 },
  );
  const { data } = await gradients.rows(adapter, reference);
  const questions = reference.length;
  const integers = new Float64Array(questions * contributors);
  const floats = new Float32Array(questions * contributors);
  const rows = index.rows.length;
  const thresholds = new Float64Array(questions);
  const scaled: Float32Array[] = [];
  for (let q = 0; q < questions; q++) {
    const gradient = data.subarray(q * gradients.width, (q + 1) * gradients.width);
    const query = projectQuery(index.basis, gradient);
    scaled.push(scaleGradient(index.basis, gradient));
    const scores = index.rows.map((row) => score(row, query));
    integers.set(scores.slice(0, contributors), q * contributors);
    floats.set(index.calibration!.rows.subarray(q * rows, q * rows + contributors), q * contributors);
    const chance = Math.max(0, ...scores.slice(contributors));
    thresholds[q] = Math.floor((chance * index.thresholdMillionths) / 1e6);
  }
  return {
    integers,
    floats,
    thresholds,
    thresholdMillionths: index.thresholdMillionths,
    explain: forms.score(scaled),
  };
}

export type PayFigures = {
  thresholdMillionths: number;
  /** Part of the questions for which nobody is above the threshold. */
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
  // In the unit of single examples, so that rules that read those can be held against the others.
  const answers: ChancedAnswer[] = Array.from({ length: questions }, (_, q) => {
    const own = (values: Float64Array | Float32Array): number[] =>
      Array.from(values.subarray(q * contributors, (q + 1) * contributors));
    const size = (values: readonly number[]) => values.reduce((sum, x) => sum + Math.abs(x), 0);
    const unit = size(own(pay.floats)) / size(own(pay.integers));
    const threshold = (pay.thresholds[q] as number) * unit;
    return {
      examples: examples.subarray(q * n, (q + 1) * n),
      contributorOf,
      contributors: own(pay.integers).map((x) => x * unit),
      threshold,
      chance: (threshold * 1e6) / pay.thresholdMillionths,
    };
  });
  const paid = answers.map((answer) => paySumsAbove(answer).some((share) => share > 0));
  const figures: PayFigures = {
    thresholdMillionths: pay.thresholdMillionths,
    nobodyPaid: paid.filter((one) => !one).length / questions,
    splitting: Object.fromEntries(
      Object.entries(payoutRules).map(([name, rule]) => [
        name,
        rounded(splittingGain(rule, answers, contributors), 3),
      ]),
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
      Object.entries(payoutRules).map(([name, rule]) => [
        name,
        figure(payoutError(answers.map(rule), effects)),
      ]),
    );
  }
  if (whole.length > 0) {
    const by = (scores: Float64Array | Float32Array) =>
      contributorLds(Float32Array.from(scores), whole, contributorOf).mean;
    figures.indexLossOfLds.pay = 1 - by(pay.integers) / by(pay.floats);
  }
  return figures;
}
