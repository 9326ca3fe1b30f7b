/** A task's full training made again, with every epoch's state kept: what the methods score. */
import {
  type AdamMoments,
  type CollectOptions,
  collectMaterial,
  type Material,
  widenAdapter,
} from "../../src/attribution/index.ts";
import type { Adapter, Checkpoint, Sequence, TrainState } from "../../src/engine/index.ts";
import { keptBy, trainJob } from "./counterfactual.ts";
import { rowSequence, type Task } from "./task.ts";

export type State = {
  readonly adapter: Adapter;
  readonly moments: AdamMoments;
  /** Of the epoch's last step. */
  readonly learningRate: number;
};

/** The state after each epoch; the last is the adapter that is released. */
export type Run = { readonly seed: number; readonly epochs: readonly State[] };

export const finalOf = ({ epochs }: Run): State => epochs.at(-1) as State;

/** Copied, because training goes on in the same arrays. */
const frozen = ({ adapter, optimizer }: TrainState, learningRate: number): State => ({
  adapter: {
    ...adapter,
    tensors: new Map(
      [...adapter.tensors].map(([name, { data, shape }]) => [name, { data: data.slice(), shape }]),
    ),
  },
  moments: {
    optimizer: {
      step: optimizer.step,
      moments: new Map(
        [...optimizer.moments].map(([name, { m, v }]) => [name, { m: m.slice(), v: v.slice() }]),
      ),
    },
    beta2: 0.999,
  },
  learningRate,
});

export async function trainRun(base: Checkpoint, task: Task, seed = 1): Promise<Run> {
  const job = { kind: "full", seed, number: 0 } as const;
  const epochs: State[] = [];
  await trainJob(base, task, job, keptBy(task, job), (state, rate) => epochs.push(frozen(state, rate)));
  return { seed, epochs };
}

/** The material of a state of a run, by default the last with everything that any method reads. */
export function collectState(
  base: Checkpoint,
  task: Task,
  { adapter, moments }: State,
  queries: readonly Sequence[],
  texts: Material["texts"],
  options: Partial<CollectOptions> = {},
): Promise<Material> {
  const sequences = task.train.map((row) => rowSequence(base.tokenizer, row));
  return collectMaterial(base, adapter, moments, sequences, queries, texts, {
    parts: ["A", "B"],
    samples: 4,
    seed: 1,
    threads: 1,
    ...options,
  });
}

/** The same, of what a release's index reads: the B matrices of the adapter as it is widened for reading. */
export const collectAsReleased: typeof collectState = (base, task, state, queries, texts, options = {}) =>
  collectState(base, task, { ...state, adapter: widenAdapter(base.config, state.adapter) }, queries, texts, {
    parts: ["B"],
    ...options,
  });
