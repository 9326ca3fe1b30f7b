/** Choosing a token from logits. */
import type { Random } from "./random.ts";

/** How a request wants its tokens chosen, in the order in which the steps are taken. */
export type Sampling = {
  /** Added to the logits of these tokens. */
  readonly logitBias: Readonly<Record<number, number>>;
  /** Positive logits of tokens in prompt or answer are divided by it, negative ones multiplied (Keskar et al., CTRL, 2019). */
  readonly repetitionPenalty: number;
  /** Taken from a logit for every time the token stands in the answer, and once if it does at all (OpenAI's). */
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  /** 0 chooses the most likely token. */
  readonly temperature: number;
  /** Keep this many of the most likely tokens; 0 keeps all. */
  readonly topK: number;
  /** Keep the smallest set of tokens whose probability reaches this (Holtzman et al. 2020). */
  readonly topP: number;
  /** Keep tokens at least this fraction as likely as the most likely one (Nguyen et al. 2024). */
  readonly minP: number;
  /** Report log-probabilities, and those of this many alternatives. */
  readonly logprobs?: number | undefined;
};

/** Draws from the model's own distribution. */
export const plainSampling: Sampling = {
  logitBias: {},
  repetitionPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
};

/** Log-probabilities under the model's own distribution: before bias, penalties, mask, temperature and cuts. */
export type Chances = {
  readonly logprob: number;
  /** Most likely first. */
  readonly top: readonly { readonly id: number; readonly logprob: number }[];
};

export type Choice = { readonly id: number; readonly chances?: Chances };

/** Chooses one answer's tokens, one after the other; what it has chosen counts for the penalties. */
export type Sampler = {
  /**
   * @param logits finite
   * @param allowed where given, bit `i & 31` of word `i >> 5` says whether token i may be chosen
   * @returns undefined where no token may be chosen
   */
  choose(logits: Float32Array, allowed?: Int32Array): Choice | undefined;
};

/**
 * Samplers that work in the same space of 16 bytes a token, which they use one after the other. A token's choice depends on nothing but
 * its sampler's own: ties are decided for the lower id, and one number is drawn for each token, none at temperature 0.
 */
export function createSamplers(
  vocab: number,
): (sampling: Sampling, random: Random, promptIds: readonly number[]) => Sampler {
  const space: Space = {
    changed: new Float32Array(vocab),
    ids: new Int32Array(vocab),
    weights: new Float64Array(vocab),
  };
  return (sampling, random, promptIds) => {
    const { repetitionPenalty, frequencyPenalty, presencePenalty } = sampling;
    const bias = Object.entries(sampling.logitBias).map(([id, value]) => [Number(id), value] as const);
    const seen = new Set(repetitionPenalty === 1 ? [] : promptIds);
    const counts = new Map<number, number>();
    const counting = frequencyPenalty !== 0 || presencePenalty !== 0;

    function change(logits: Float32Array): void {
      for (const [id, value] of bias) logits[id] = (logits[id] as number) + value;
      for (const id of seen) {
        const z = logits[id] as number;
        logits[id] = z > 0 ? z / repetitionPenalty : z * repetitionPenalty;
      }
      for (const [id, count] of counts)
        logits[id] = (logits[id] as number) - count * frequencyPenalty - presencePenalty;
    }

    return {
      choose(given, allowed) {
        let logits = given;
        if (bias.length + seen.size + counts.size > 0 || allowed !== undefined) {
          logits = space.changed;
          logits.set(given);
          change(logits);
          if (allowed !== undefined) forbid(logits, allowed);
        }
        const id = sampling.temperature === 0 ? mostLikely(logits) : draw(space, logits, sampling, random);
        if (id === undefined) return undefined;
        if (repetitionPenalty !== 1) seen.add(id);
        if (counting) counts.set(id, (counts.get(id) ?? 0) + 1);
        return sampling.logprobs === undefined
          ? { id }
          : { id, chances: chancesOf(space, given, id, sampling.logprobs) };
      },
    };
  };
}

/** Whether every logit is a finite number. */
export function areFinite(logits: Float32Array): boolean {
  let [a, b, c, d] = [0, 0, 0, 0];
  const whole = logits.length & ~3;
  // Four sums that do not wait for each other.
  for (let i = 0; i < whole; i += 4) {
    a += logits[i] as number;
    b += logits[i + 1] as number;
    c += logits[i + 2] as number;
    d += logits[i + 3] as number;
  }
  for (let i = whole; i < logits.length; i++) a += logits[i] as number;
  return Number.isFinite(a + b + c + d);
}

type Space = { readonly changed: Float32Array; readonly ids: Int32Array; readonly weights: Float64Array };

function forbid(logits: Float32Array, allowed: Int32Array): void {
  for (let word = 0; word * 32 < logits.length; word++) {
    const bits = allowed[word] ?? 0;
    if (bits === -1) continue;
    const end = Math.min(logits.length, (word + 1) * 32);
    if (bits === 0) logits.fill(Number.NEGATIVE_INFINITY, word * 32, end);
    else
      for (let i = word * 32; i < end; i++)
        if (((bits >>> (i & 31)) & 1) === 0) logits[i] = Number.NEGATIVE_INFINITY;
  }
}

function mostLikely(logits: Float32Array): number | undefined {
  let best: number | undefined;
  let top = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++)
    if ((logits[i] as number) > top) {
      top = logits[i] as number;
      best = i;
    }
  return best;
}

function draw(space: Space, logits: Float32Array, sampling: Sampling, random: Random): number | undefined {
  const { ids, weights } = space;
  const { temperature, topK, topP, minP } = sampling;
  const best = mostLikely(logits);
  if (best === undefined) return undefined;
  const top = logits[best] as number;
  // Where top-p needs the mass of all tokens, min-p must wait; elsewhere it spares their exponentials. Slack is for rounding.
  const floor =
    topP < 1 || minP === 0 ? Number.NEGATIVE_INFINITY : top + temperature * (Math.log(minP) - 1e-3);
  let count = gather(space, logits, floor, topK);
  let total = 0;
  for (let i = 0; i < count; i++) {
    const weight = Math.exp(((logits[ids[i] as number] as number) - top) / temperature);
    weights[i] = weight;
    total += weight;
  }
  if (topP < 1) {
    // All tokens lighter than this weigh less than 1 − topP together: none of them is needed.
    count = keepHeavy(space, count, ((1 - topP) * total) / count);
    count = heaviest(space, logits, count, topP * total);
  }
  if (minP > 0) count = keepHeavy(space, count, minP);
  if (topP < 1 || minP > 0) {
    total = 0;
    for (let i = 0; i < count; i++) total += weights[i] as number;
  }
  let left = random.uniform() * total;
  for (let i = 0; i < count; i++) {
    left -= weights[i] as number;
    if (left < 0) return ids[i] as number;
  }
  // Rounding: `left` is 0 or a little more.
  while (count > 1 && weights[count - 1] === 0) count--;
  return ids[count - 1] as number;
}

/** Lists the tokens with logits above `floor`, or the `most` most likely of them, 0 for all. @returns how many */
function gather(space: Space, logits: Float32Array, floor: number, most: number): number {
  const { ids, weights } = space;
  const full = most === 0 ? ids.length + 1 : Math.max(1_024, 2 * most);
  let above = floor;
  let count = 0;
  const cut = () => {
    weights.fill(1, 0, count);
    count = heaviest(space, logits, count, most);
    above = Number.POSITIVE_INFINITY;
    // A later token that is as likely as the last of these loses to it by its id.
    for (let j = 0; j < count; j++) above = Math.min(above, logits[ids[j] as number] as number);
  };
  for (let i = 0; i < logits.length; i++)
    if ((logits[i] as number) > above) {
      ids[count++] = i;
      if (count === full) cut();
    }
  if (most > 0 && count > most) cut();
  return count;
}

/** Drops tokens lighter than `weight`; the others keep their order. @returns how many are left */
function keepHeavy({ ids, weights }: Space, count: number, weight: number): number {
  let kept = 0;
  for (let i = 0; i < count; i++)
    if ((weights[i] as number) >= weight) {
      ids[kept] = ids[i] as number;
      weights[kept++] = weights[i] as number;
    }
  return kept;
}

/**
 * Moves the most likely of the listed tokens to the front: as few as weigh `target` together. Quickselect (Hoare 1961) with weights in
 * the place of counts: nothing is sorted.
 *
 * @returns how many these are
 */
function heaviest({ ids, weights }: Space, logits: Float32Array, count: number, target: number): number {
  const swap = (i: number, j: number) => {
    const id = ids[i] as number;
    const weight = weights[i] as number;
    ids[i] = ids[j] as number;
    weights[i] = weights[j] as number;
    ids[j] = id;
    weights[j] = weight;
  };
  let first = 0;
  let end = count;
  let before = 0; // weight of the tokens in front of `first`
  while (first < end) {
    swap((first + end) >> 1, end - 1);
    const pivot = ids[end - 1] as number;
    const z = logits[pivot] as number;
    let split = first;
    let weight = 0;
    for (let i = first; i < end - 1; i++) {
      const id = ids[i] as number;
      const other = logits[id] as number;
      if (other < z || (other === z && id > pivot)) continue;
      weight += weights[i] as number;
      if (i !== split) swap(i, split);
      split++;
    }
    if (before + weight >= target) {
      end = split;
      continue;
    }
    swap(split, end - 1);
    before += weight + (weights[split] as number);
    first = split + 1;
    if (before >= target) return first;
  }
  return first;
}

function chancesOf(space: Space, logits: Float32Array, chosen: number, alternatives: number): Chances {
  const top = logits[mostLikely(logits) as number] as number;
  let total = 0;
  for (let i = 0; i < logits.length; i++) total += Math.exp((logits[i] as number) - top);
  const chance = (id: number) => ({ id, logprob: (logits[id] as number) - top - Math.log(total) });
  const count = alternatives === 0 ? 0 : gather(space, logits, Number.NEGATIVE_INFINITY, alternatives);
  const likeliest = Array.from(space.ids.subarray(0, count), chance);
  likeliest.sort((a, b) => b.logprob - a.logprob || a.id - b.id);
  return { logprob: chance(chosen).logprob, top: likeliest };
}
