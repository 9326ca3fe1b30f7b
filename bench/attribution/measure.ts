/** Scores one task by every method, and holds the scores against its retrainings. */
import {
  contributorLds,
  crossSeedCeiling,
  defaultMethod,
  difference,
  lds,
  type Material,
  type MethodName,
  methodNames,
  methods,
  type Products,
  type QueryEstimate,
  sumByContributor,
} from "../../src/attribution/index.ts";
import type { Checkpoint } from "../../src/engine/index.ts";
import { exampleText } from "../../src/protocol/index.ts";
import { querySequences } from "./counterfactual.ts";
import { type Figure, figure } from "./figure.ts";
import { collectState, finalOf, type Run } from "./run.ts";
import type { Retraining, RetrainingKind, Table } from "./table.ts";
import type { Task } from "./task.ts";

export type TaskFigures = {
  n: number;
  lds: Partial<Record<MethodName, Figure>>;
  /** The default against each baseline, on the same draws: whose interval excludes 0 is told apart. */
  lead: Partial<Record<MethodName, Figure>>;
  /** The default's scores against another seed's retrainings, and how well real retrainings foretell those. */
  crossSeed?: Figure;
  ceiling?: Figure;
  contributorLds?: Partial<Record<MethodName, Figure>>;
  removalLds?: Partial<Record<MethodName, Figure>>;
  generatedLds?: Figure;
};

const of = (table: Table, kind: RetrainingKind, seed = 1): readonly Retraining[] =>
  table.runs.filter((run) => run.kind === kind && run.seed === seed);

/** `[Q,N]` by each method, for reference answers and for generated ones. */
export type Scores = {
  readonly reference: Map<MethodName, Float32Array>;
  readonly generated: Map<MethodName, Float32Array>;
};

/** Everything the methods need of a trained run, both kinds of answers as queries. */
export function materialOf(base: Checkpoint, task: Task, table: Table, run: Run): Promise<Material> {
  const { queries, texts } = questionsOf(base, task, table);
  return collectState(base, task, finalOf(run), queries, texts, {
    hidden: true,
    factors: true,
    checkpoints: run.epochs,
  });
}

/** Reference answers, then generated ones, as sequences and as text. */
export function questionsOf(base: Checkpoint, task: Task, table: Table) {
  const { reference, generated } = querySequences(base, task, table.answers);
  return {
    queries: [...reference, ...generated],
    texts: {
      train: task.train.map(exampleText),
      queries: [
        ...task.queries.map(exampleText),
        ...task.queries.map(({ prompt }, i) => `${prompt}${table.answers[i]}`),
      ],
    },
  };
}

/**
 * By every method: all but the default read both matrices of the adapter as it was trained.
 *
 * @param released the default's, `[Q,N]` each, by the index that a release gets
 */
export async function scoreTask(
  material: Material,
  released: { readonly reference: Float32Array; readonly generated: Float32Array },
  products: Products,
): Promise<Scores> {
  const scores: Scores = { reference: new Map(), generated: new Map() };
  for (const name of methodNames) {
    if (name === defaultMethod) {
      scores.reference.set(name, released.reference);
      scores.generated.set(name, released.generated);
      continue;
    }
    const all = await methods[name].score(material, products);
    scores.reference.set(name, all.subarray(0, all.length / 2));
    scores.generated.set(name, all.subarray(all.length / 2));
  }
  return scores;
}

/** The figures of a task from its scores and its table; what was not retrained is left out. */
export function figuresOf(
  task: Task,
  table: Table,
  { reference, generated }: Scores,
  best: MethodName,
): TaskFigures {
  const contributorOf = task.train.map(({ contributor }) => contributor);
  const half = of(table, "half");
  const again = of(table, "half", 2);
  const byMethod = (measure: (scores: Float32Array) => QueryEstimate) =>
    Object.fromEntries([...reference].map(([name, scores]) => [name, figure(measure(scores))]));
  const ours = reference.get(best) as Float32Array;
  const measured = new Map([...reference].map(([name, scores]) => [name, lds(scores, half)]));
  const lead = [...measured]
    .filter(([name]) => name !== best)
    .map(([name, estimate]) => [name, figure(difference(measured.get(best) as QueryEstimate, estimate))]);
  const whole = of(table, "contributors");
  const removal = of(table, "twentieth");
  const sums = (scores: Float32Array) => sumByContributor(scores, contributorOf, task.contributors.length);
  return {
    n: task.train.length,
    lds: Object.fromEntries([...measured].map(([name, estimate]) => [name, figure(estimate)])),
    lead: Object.fromEntries(lead),
    ...(again.length > 0 && {
      crossSeed: figure(lds(ours, again)),
      ceiling: figure(crossSeedCeiling(half, again)),
    }),
    ...(whole.length > 0 && {
      contributorLds: byMethod((s) => contributorLds(sums(s), whole, contributorOf)),
    }),
    ...(removal.length > 0 && { removalLds: byMethod((s) => lds(s, removal)) }),
    generatedLds: figure(
      lds(
        generated.get(best) as Float32Array,
        half.map(({ kept, generated: losses }) => ({ kept, losses })),
      ),
    ),
  };
}
