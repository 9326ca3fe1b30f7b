/** Choosing a token from logits. */
import type { Random } from "./random.ts";
import { argmax } from "./trainer.ts";

export type Sampling = {
  /** 0 chooses the most likely token. */
  readonly temperature: number;
  /** Keep the smallest set of tokens whose probability reaches this (Holtzman et al. 2020). */
  readonly topP: number;
};

export function sampleToken(logits: Float32Array, { temperature, topP }: Sampling, random: Random): number {
  if (temperature === 0) return argmax(logits);
  let top = Number.NEGATIVE_INFINITY;
  for (const z of logits) if (z > top) top = z;
  const weights = Float64Array.from(logits, (z) => Math.exp((z - top) / temperature));
  const total = weights.reduce((sum, w) => sum + w, 0);
  const order = Array.from(weights.keys());
  let kept = total;
  if (topP < 1) {
    order.sort((a, b) => (weights[b] as number) - (weights[a] as number) || a - b);
    kept = 0;
    let count = 0;
    while (count < order.length && kept < topP * total) kept += weights[order[count++] as number] as number;
    order.length = count;
  }
  let left = random.uniform() * kept;
  for (const token of order) {
    left -= weights[token] as number;
    if (left < 0) return token;
  }
  return order.at(-1) as number;
}
