/** Rules of paying, side by side: how far each is from what contributors were worth, and what splitting oneself gains under it. */
import {
  defaultPayIndexOptions,
  groupRows,
  type PayoutRule,
  payExcess,
  paySums,
  paySumsAbove,
  payTop,
  positiveShares,
  type ScoredAnswer,
} from "../../src/attribution/index.ts";
import { createRandom } from "../../src/engine/index.ts";
import { aboveCut, payWeights } from "../../src/protocol/index.ts";

/** A scored answer with what chance reaches, in the unit of the scores; NaN where that was not measured. */
export type ChancedAnswer = ScoredAnswer & {
  /** The highest score of a null row of a contributor's size. */
  readonly chance: number;
  /** What somebody exceeds in 5 % of unrelated questions. */
  readonly hardlyChance: number;
};

/** With T from the null rows of contributors' sizes. */
const over =
  (rule: PayoutRule, reach: "chance" | "hardlyChance", part = 1): PayoutRule =>
  (answer) =>
    rule({ ...answer, threshold: part * (answer as ChancedAnswer)[reach] });

/** In proportion to S, where it is above a part of the highest S of the answer. */
const aboveBest =
  (part: number): PayoutRule =>
  ({ contributors }) => {
    const best = Math.max(0, ...Array.from(contributors));
    return positiveShares(Float64Array.from(contributors, (s) => (s > part * best ? s : 0)));
  };

/** Rows of a few examples, by what they have above the cut; as releases do, in the protocol's integers, where the cut is not another. */
const byRows =
  (examplesPerRow: number, divisor?: number): PayoutRule =>
  ({ examples, contributorOf, contributors, threshold }) => {
    const { members, contributorOfRow } = groupRows(contributorOf, contributors.length, {
      examplesPerRow,
      nullRows: defaultPayIndexOptions.nullRows,
    });
    const sums = members.map((of) => of.reduce((sum, i) => sum + (examples[i] as number), 0));
    const shares = new Float64Array(contributors.length);
    const add = (row: number, weight: number) => {
      const c = contributorOfRow[row] as number;
      shares[c] = (shares[c] as number) + weight;
    };
    if (divisor !== undefined) {
      const cut = Math.max(0, ...sums) / divisor;
      for (const [row, sum] of sums.entries()) add(row, Math.max(0, sum - cut));
      return positiveShares(shares);
    }
    const unit = Math.max(threshold, ...sums.map(Math.abs)) / 2 ** 40;
    const least = BigInt(Math.floor(threshold / unit));
    const listed = aboveCut(
      sums.map((sum) => Math.round(sum / unit)),
      least,
    );
    for (const [i, weight] of payWeights(listed, least).entries())
      add(listed[i]?.row as number, Number(weight));
    return positiveShares(shares);
  };

/** Of the rules side by side, the one that releases are paid by. */
export const ruleInForce = "rows above the cut";

export const payoutRules: Readonly<Record<string, PayoutRule>> = {
  [ruleInForce]: byRows(defaultPayIndexOptions.examplesPerRow),
  sums: paySums,
  "above T": over(paySumsAbove, "hardlyChance"),
  "above chance": over(paySumsAbove, "chance"),
  "excess over chance": over(payExcess, "chance"),
  "above a quarter of chance": over(paySumsAbove, "chance", 0.25),
  "above a quarter of the best": aboveBest(0.25),
  "rows of 2 above a twentieth": byRows(2, 20),
  "rows of 8 above a twentieth": byRows(8, 20),
  "rows of 3 above a tenth": byRows(3, 10),
  "rows of 8 above a tenth": byRows(8, 10),
  "top 10 examples": payTop(10),
  "top 64 examples": payTop(64),
};

/** Whether a rule reads what null rows of contributors' sizes reach. */
export const needsChance = (rule: string): boolean => /T$|chance$/.test(rule);

/** How many times as much a contributor is paid after dealing its examples out to `parts` identities; the mean over contributors. */
export function splittingGain(
  rule: PayoutRule,
  answers: readonly ChancedAnswer[],
  contributors: number,
  parts = 10,
): number {
  const random = createRandom(3, 62);
  const { contributorOf } = answers[0] as ChancedAnswer;
  const deal = contributorOf.map(() => random.below(parts));
  let before = 0;
  let after = 0;
  for (const answer of answers) {
    const shares = rule(answer);
    for (let c = 0; c < contributors; c++) {
      before += shares[c] as number;
      const split = contributorOf.map((owner, i) =>
        owner === c ? contributors + (deal[i] as number) : owner,
      );
      const sums = new Float64Array(contributors + parts);
      sums.set(Array.from(answer.contributors));
      sums[c] = 0;
      split.forEach((owner, i) => {
        if (owner >= contributors) sums[owner] = (sums[owner] as number) + (answer.examples[i] as number);
      });
      after += rule({ ...answer, contributorOf: split, contributors: sums } as ChancedAnswer)
        .subarray(contributors)
        .reduce((sum, share) => sum + share, 0);
    }
  }
  return after / before;
}
