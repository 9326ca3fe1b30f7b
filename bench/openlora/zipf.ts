import type { Random } from "../../src/engine/index.ts";

/**
 * Draws 0 … count − 1 with probability proportional to 1 / (k + 1)^exponent: how often adapters of a public service are asked for.
 *
 * @example
 * createZipf(10_000, 1.1)(createRandom(1))
 * // most often 0
 */
export function createZipf(count: number, exponent: number): (random: Random) => number {
  const below = new Float64Array(count);
  let sum = 0;
  for (let k = 0; k < count; k++) {
    sum += 1 / (k + 1) ** exponent;
    below[k] = sum;
  }
  return (random) => {
    const at = random.uniform() * sum;
    let [low, high] = [0, count - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (below[middle]! > at) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}
