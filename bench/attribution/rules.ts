/** Rules of paying, side by side: how far each is from what contributors were worth, and what splitting oneself gains under it. */
import {
  type PayoutRule,
  payExcess,
  paySums,
  paySumsAbove,
  payTop,
  positiveShares,
  type ScoredAnswer,
} from "../../src/attribution/index.ts";
import { createRandom } from "../../src/engine/index.ts";

/** With T as a multiple of the highest null score. */
const atChance =
  (rule: PayoutRule, multiple: number): PayoutRule =>
  (answer) =>
    rule({ ...answer, threshold: multiple * (answer as ChancedAnswer).chance });

/** In proportion to S, where it is above a part of the highest S of the answer. */
const aboveBest =
  (part: number): PayoutRule =>
  ({ contributors }) => {
    const best = Math.max(0, ...Array.from(contributors));
    return positiveShares(Float64Array.from(contributors, (s) => (s > part * best ? s : 0)));
  };

/** A scored answer with the highest null score, in the unit of the scores; `threshold` is the release's own. */
export type ChancedAnswer = ScoredAnswer & { readonly chance: number };

export const payoutRules: Readonly<Record<string, PayoutRule>> = {
  sums: paySums,
  "above T": paySumsAbove,
  "above chance": atChance(paySumsAbove, 1),
  "excess over chance": atChance(payExcess, 1),
  "above a quarter of chance": atChance(paySumsAbove, 0.25),
  "above a quarter of the best": aboveBest(0.25),
  "top 10 examples": payTop(10),
  "top 64 examples": payTop(64),
};

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
