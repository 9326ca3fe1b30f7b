/**
 * Do scores speak of the data or of the seed? One seed's scores against another's retrainings, next to what real retrainings of the
 * one foretell of the other: by the default method, by a release's index, and along more directions than the adapter has.
 */
import {
  crossSeedCeiling,
  lds,
  methods,
  type Products,
  ratio,
  widenAdapter,
} from "../../src/attribution/index.ts";
import type { Checkpoint } from "../../src/engine/index.ts";
import { type Figure, figure } from "./figure.ts";
import { questionsOf } from "./measure.ts";
import { collectState, finalOf, type Run } from "./run.ts";
import type { Table } from "./table.ts";
import type { Task } from "./task.ts";

export type SeedFigures = {
  /** Numbers in a gradient. */
  width: number;
  /** Against the seed's own halves; against the other's; and that over the ceiling, all on the same draws. */
  lds: Figure;
  crossSeed: Figure;
  ofCeiling: Figure;
};

/** Directions that are added: four times the adapter's rank of 4 in all. */
export const addedDirections = 12;

const halves = (table: Table, seed: number) =>
  table.runs.filter((run) => run.kind === "half" && run.seed === seed);

/** @returns undefined where only one seed was retrained */
export function seedFigures(table: Table, scores: Float32Array, width: number): SeedFigures | undefined {
  const [own, other] = [halves(table, 1), halves(table, 2)];
  if (other.length === 0) return undefined;
  const across = lds(scores, other);
  return {
    width,
    lds: figure(lds(scores, own)),
    crossSeed: figure(across),
    ofCeiling: figure(ratio(across, crossSeedCeiling(own, other))),
  };
}

/** The default method's scores of the reference answers from the B matrices of the widened adapter, `[Q,N]`. */
export async function widenedScores(
  base: Checkpoint,
  task: Task,
  table: Table,
  run: Run,
  products: Products,
): Promise<{ scores: Float32Array; width: number }> {
  const state = finalOf(run);
  const { optimizer } = state.moments;
  const wide = widenAdapter(
    base.config,
    state.adapter,
    new Map([...optimizer.moments].map(([name, { v }]) => [name, v])),
    addedDirections,
    77,
  );
  const { queries, texts } = questionsOf(base, task, table);
  const count = task.queries.length;
  const material = await collectState(
    base,
    task,
    {
      ...state,
      adapter: wide.adapter,
      moments: {
        ...state.moments,
        optimizer: {
          ...optimizer,
          moments: new Map([...wide.secondMoments].map(([name, v]) => [name, { m: v, v }])),
        },
      },
    },
    queries.slice(0, count),
    { ...texts, queries: texts.queries.slice(0, count) },
    { parts: ["B"] },
  );
  return { scores: await methods.adamfisher.score(material, products), width: material.width };
}
