/** Do scores speak of the data or of the seed? One seed's scores against another's retrainings, next to what real retrainings of the one foretell of the other. */
import { crossSeedCeiling, lds, ratio } from "../../src/attribution/index.ts";
import { type Figure, figure } from "./figure.ts";
import type { Table } from "./table.ts";

export type SeedFigures = {
  /** Numbers in a gradient. */
  width: number;
  /** Against the seed's own halves; against the other's; and that over the ceiling, all on the same draws. */
  lds: Figure;
  crossSeed: Figure;
  ofCeiling: Figure;
};

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
