/** What rounding weights does to a model's predictions: several decoders read the same text token by token, side by side. */

import { valleyWords } from "../../src/cli/pretrain.ts";
import { type Checkpoint, createDecoder, createRandom, type Precision } from "../../src/engine/index.ts";
import { createProfiles, tinyRecipe } from "../../src/modelfactory/index.ts";

export type Quality = {
  /** −log p of the text's own tokens, mean, and e to the power of it. */
  natsPerToken: number;
  perplexity: number;
  /** Σ p log(p / q), mean over tokens, p in float32. */
  klToF32: number;
  /** Part of the tokens where the most probable one is float32's. */
  agreement: number;
};

/** Text that the repository makes itself: new draws of the profiles that `models/openledger-tiny` practised on. */
export function profileTokens(tokenizer: Checkpoint["tokenizer"], atLeast: number): number[] {
  const profiles = createProfiles(tinyRecipe.seed, tinyRecipe.people, valleyWords());
  const random = createRandom(2_026, 53);
  const ids = [tokenizer.eosId];
  while (ids.length < atLeast) ids.push(...tokenizer.encode(profiles.next(random)), tokenizer.eosId);
  return ids;
}

/** `count` pieces of `length` tokens, spread evenly over the text. */
export function windowsOf(ids: readonly number[], count: number, length: number): number[][] {
  const most = Math.floor(ids.length / length);
  if (most === 0)
    throw new Error(
      `The text has ${ids.length} tokens; at least ${length} are needed. Give a longer --text.`,
    );
  const taken = Math.min(count, most);
  return Array.from({ length: taken }, (_, i) => {
    const at = Math.floor((i * (ids.length - length)) / Math.max(1, taken - 1));
    return ids.slice(at, at + length);
  });
}

/** Turns logits into log-probabilities, in place. @returns the place of the largest */
function normalise(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  const top = logits[best]!;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - top);
  const all = top + Math.log(sum);
  for (let i = 0; i < logits.length; i++) logits[i]! -= all;
  return best;
}

/**
 * Reads the windows with a decoder of each precision, as serving would: one token a step, all windows a batch.
 *
 * @param precisions the first is what the others are compared with
 */
export async function measureQuality(
  base: Checkpoint,
  windows: readonly (readonly number[])[],
  precisions: readonly Precision[],
  { rows, threads }: { rows: number; threads: number },
): Promise<Quality[]> {
  const length = windows[0]!.length;
  const limits = { modules: [], rank: 1, maxRows: rows, maxLength: length + 1, threads };
  const decoders: Awaited<ReturnType<typeof createDecoder>>[] = [];
  for (const precision of precisions) decoders.push(await createDecoder(base, { ...limits, precision }));
  const sums = precisions.map(() => ({ nats: 0, kl: 0, agreed: 0 }));
  let tokens = 0;
  const first = (id: number) => ({ ids: [id] });
  for (let from = 0; from < windows.length; from += rows) {
    const batch = windows.slice(from, from + rows);
    for (let t = 0; t + 1 < length; t++) {
      const logits: Float32Array[][] = [];
      for (const decoder of decoders)
        logits.push(
          t === 0
            ? await decoder.prefill(batch.map((ids) => first(ids[0]!)))
            : await decoder.decode(batch.map((ids) => ids[t]!)),
        );
      for (const [row, ids] of batch.entries()) {
        tokens += 1;
        const reference = logits[0]![row]!;
        let chosen = -1;
        for (const [i, sum] of sums.entries()) {
          const logs = logits[i]![row]!;
          const best = normalise(logs);
          if (i === 0) chosen = best;
          sum.nats -= logs[ids[t + 1]!]!;
          sum.agreed += best === chosen ? 1 : 0;
          for (let v = 0; v < logs.length; v++)
            sum.kl += Math.exp(reference[v]!) * (reference[v]! - logs[v]!);
        }
      }
    }
    for (const decoder of decoders) while (decoder.rows > 0) decoder.remove(decoder.rows - 1);
  }
  return sums.map(({ nats, kl, agreed }) => ({
    natsPerToken: nats / tokens,
    perplexity: Math.exp(nats / tokens),
    klToF32: kl / tokens,
    agreement: agreed / tokens,
  }));
}
