/** The area under the ROC curve: how often a marked example scores above an unmarked one (Mann and Whitney 1947), ties for half. */
import { createRandom } from "../../engine/index.ts";
import { type BootstrapOptions, checkedOptions, type Estimate, estimateOf } from "./bootstrap.ts";
import { orderingOf } from "./ranks.ts";

/**
 * With an interval that resamples the marked and the unmarked, each among themselves.
 *
 * @param marked `[n]`, 1 for what a high score should find (a mislabelled row, say)
 * @throws RangeError unless there are both
 */
export function auc(
  scores: ArrayLike<number>,
  marked: ArrayLike<number | boolean>,
  options: BootstrapOptions = {},
): Estimate {
  const { draws, seed } = checkedOptions(options);
  const n = scores.length;
  const groups = [[], []] as [number[], number[]];
  for (let i = 0; i < n; i++) groups[marked[i] ? 1 : 0].push(i);
  if (marked.length !== n || groups.some((group) => group.length === 0))
    throw new RangeError(
      `An area under the curve needs marked and unmarked scores: ${n} scores, ${marked.length} marks, ${groups[1].length} set.`,
    );
  const { order, ends } = orderingOf(scores);
  const area = (counts: Uint16Array) => {
    let [below, start, wins] = [0, 0, 0];
    for (const end of ends) {
      let [inside, outside] = [0, 0];
      for (let at = start; at < end; at++) {
        const i = order[at] as number;
        if (marked[i]) inside += counts[i] as number;
        else outside += counts[i] as number;
      }
      wins += inside * (below + outside / 2);
      below += outside;
      start = end;
    }
    return wins / (groups[0].length * groups[1].length);
  };
  const random = createRandom(seed, 73);
  const drawn = Float64Array.from({ length: draws }, () => {
    const counts = new Uint16Array(n);
    for (const group of groups)
      for (let k = 0; k < group.length; k++) {
        const i = group[random.below(group.length)] as number;
        counts[i] = (counts[i] as number) + 1;
      }
    return area(counts);
  });
  return estimateOf(area(new Uint16Array(n).fill(1)), drawn);
}
