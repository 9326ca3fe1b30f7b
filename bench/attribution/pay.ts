/** What would be paid for a task's answers: its pay index, exactly as a release gets one, and the rules of paying side by side. */
import {
  buildPayIndex,
  contributorLds,
  defaultPayIndexOptions,
  leaveOneOutEffects,
  type PayoutRule,
  payExcess,
  payoutError,
  paySums,
  paySumsAbove,
  payTop,
  projectQuery,
  type ScoredAnswer,
} from "../../src/attribution/index.ts";
import { type Checkpoint, createGradients, positionsFor } from "../../src/engine/index.ts";
import { score } from "../../src/protocol/index.ts";
import { querySequences } from "./counterfactual.ts";
import { type Figure, figure } from "./figure.ts";
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
  readonly k: number;
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
    },
    { ...defaultPayIndexOptions, threads: 1 },
  );
  const { data } = await gradients.rows(adapter, reference);
  const questions = reference.length;
  const integers = new Float64Array(questions * contributors);
  const floats = new Float32Array(questions * contributors);
  const rows = index.rows.length;
  const thresholds = new Float64Array(questions);
  for (let q = 0; q < questions; q++) {
    const query = projectQuery(index.basis, data.subarray(q * gradients.width, (q + 1) * gradients.width));
    const scores = index.rows.map((row) => score(row, query));
    integers.set(scores.slice(0, contributors), q * contributors);
    floats.set(index.calibration!.rows.subarray(q * rows, q * rows + contributors), q * contributors);
    const chance = Math.max(0, ...scores.slice(contributors));
    thresholds[q] = Math.floor((chance * index.thresholdMillionths) / 1e6);
  }
  return { integers, floats, thresholds, thresholdMillionths: index.thresholdMillionths, k: index.k };
}

export const payoutRules: Record<string, PayoutRule> = {
  sums: paySums,
  sumsAboveThreshold: paySumsAbove,
  excessOverThreshold: payExcess,
  top10: payTop(10),
  top64: payTop(64),
};

export type PayFigures = {
  thresholdMillionths: number;
  /** Part of the questions for which nobody is above the threshold. */
  nobodyPaid: number;
  /** By rule; where every contributor was left out once. */
  error?: Record<string, Figure>;
  /** 1 − LDS by integers / LDS by floating point, of contributors. */
  indexLossOfLds?: number;
};

/** @param examples `[Q,N]` scores of single examples, which truncated rules read */
export function payFigures(task: Task, table: Table, pay: PayScores, examples: Float32Array): PayFigures {
  const contributorOf = task.train.map(({ contributor }) => contributor);
  const [n, contributors, questions] = [task.train.length, task.contributors.length, task.queries.length];
  const left = table.runs.filter(({ kind, seed }) => kind === "one-contributor" && seed === 1);
  const whole = table.runs.filter(({ kind, seed }) => kind === "contributors" && seed === 1);
  const full = table.runs.filter(({ kind, seed }) => kind === "full" && seed === 1);
  const answers: ScoredAnswer[] = Array.from({ length: questions }, (_, q) => ({
    examples: examples.subarray(q * n, (q + 1) * n),
    contributorOf,
    contributors: pay.integers.subarray(q * contributors, (q + 1) * contributors),
    threshold: pay.thresholds[q] as number,
  }));
  const paid = answers.map((answer) => paySumsAbove(answer).some((share) => share > 0));
  const figures: PayFigures = {
    thresholdMillionths: pay.thresholdMillionths,
    nobodyPaid: paid.filter((one) => !one).length / questions,
  };
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
    figures.indexLossOfLds = 1 - by(pay.integers) / by(pay.floats);
  }
  return figures;
}
