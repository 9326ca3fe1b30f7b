/** What the default method has to reach, and which of it a run missed. */
import type { MethodName } from "../../src/attribution/index.ts";
import type { Figure } from "./figure.ts";
import type { HotFigures } from "./hot.ts";
import type { TaskFigures } from "./measure.ts";
import type { PayFigures } from "./pay.ts";
import type { SeedFigures } from "./seeds.ts";

export type MeasuredTask = TaskFigures & {
  /** Fall of a question's loss after one step on what a method ranks highest. */
  tailPatch?: Record<string, Figure>;
  /** Against another seed's retrainings: the default, which is a release's index, and the same of both matrices as they were trained. */
  seeds?: { default: SeedFigures; asTrained?: SeedFigures | undefined };
  pay: PayFigures;
  /** Largest difference of a loss between the model trained again and the committed table's, nats. */
  repeated: number;
};
export type Measured = Readonly<Record<string, MeasuredTask>>;

const beaten: readonly MethodName[] = ["bm25", "repsim", "graddot", "datainf"];
/** Mean LDS in training that stops before it memorises. */
const ldsBar: Readonly<Record<string, number>> = { shakespeare: 0.7, pubmedqa: 0.75 };

/** @returns a sentence for each bar that was missed; bars of what was not measured are not judged */
export function missedBars(
  tasks: Measured,
  hot: HotFigures | undefined,
  { queryCostForwards, bandwidthRatio }: { queryCostForwards: number; bandwidthRatio: number },
): string[] {
  const missed: string[] = [];
  const miss = (isMissed: boolean, sentence: string) => void (isMissed && missed.push(sentence));
  const all = Object.entries(tasks);
  const ahead = all.filter(([, { lead }]) => beaten.every((name) => (lead[name]?.lo ?? 0) > 0));
  miss(
    all.length >= 3 && ahead.length < 3,
    `The default is told apart from ${beaten.join(", ")} on ${ahead.length} tasks; 3 are the bar.`,
  );
  for (const [name, { lds, crossSeed, ceiling, pay, repeated }] of all) {
    const bar = ldsBar[name];
    const mean = lds.adamfisher?.mean ?? 0;
    miss(bar !== undefined && mean < bar, `${name}: LDS ${mean}, the bar is ${bar}.`);
    if (bar !== undefined && crossSeed !== undefined && ceiling !== undefined)
      miss(
        crossSeed.mean < 0.95 * ceiling.mean,
        `${name}: ${crossSeed.mean} across seeds is below 0.95 of the ceiling ${ceiling.mean}.`,
      );
    miss(
      (pay.indexLossOfLds.pay ?? 0) >= 0.02,
      `${name}: the pay index loses ${pay.indexLossOfLds.pay} of LDS; 0.02 is the bar.`,
    );
    miss(
      (pay.indexLossOfLds.packed ?? 0) >= 0.1,
      `${name}: the packed explain index loses ${pay.indexLossOfLds.packed} of LDS; 0.1 is the bar.`,
    );
    miss(
      repeated > 0.02,
      `${name}: the model that was trained again differs by ${repeated} nats; 0.02 is allowed between machines.`,
    );
  }
  if (hot !== undefined) {
    const best = Math.max(...Object.values(hot.lds).map(({ mean }) => mean));
    miss(best < 0.5, `After hot training the best LDS is ${best}; the bar is 0.5.`);
  }
  miss(queryCostForwards > 3, `A query's gradient costs ${queryCostForwards} forward passes; 3 are allowed.`);
  miss(bandwidthRatio < 0.7, `A scan reaches ${bandwidthRatio} of the memory's bandwidth; 0.7 is the bar.`);
  return missed;
}
