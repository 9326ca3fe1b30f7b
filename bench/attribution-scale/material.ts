/** Synthetic chats of many contributors, and an adapter to differentiate: what an index costs does not depend on what they say. */
import {
  type Adapter,
  createRandom,
  initialAdapter,
  type LoraConfig,
  loadCheckpoint,
  moduleNames,
  type Sequence,
  sequenceOf,
} from "../../src/engine/index.ts";

export const tinyFolder = new URL("../../models/openledger-tiny", import.meta.url).pathname;

const syllables = "ba de fi go ku la me ni po ru sa te vi wo xu ya ze".split(" ");
const trades = "mill kiln weir forge ferry inn orchard quarry".split(" ");

export type Material = {
  readonly base: ReturnType<typeof loadCheckpoint>;
  readonly lora: LoraConfig;
  readonly adapter: Adapter;
  /** Adam's v by tensor name, drawn at random. */
  readonly secondMoments: ReadonlyMap<string, Float32Array>;
  readonly sequences: readonly Sequence[];
  readonly contributorOf: readonly number[];
  readonly heldOut: readonly Sequence[];
};

/** Rank 8 on all seven modules of the shipped base, B not zero. Examples belong to contributors in turns. */
export function createMaterial(shape: {
  examples: number;
  contributors: number;
  heldOut: number;
  seed: number;
}): Material {
  const base = loadCheckpoint(tinyFolder);
  const random = createRandom(shape.seed, 7);
  const pick = (from: readonly string[]) => from[random.below(from.length)] as string;
  const name = () => {
    const word = pick(syllables) + pick(syllables) + pick(syllables);
    return word.charAt(0).toUpperCase() + word.slice(1);
  };
  const chat = () => {
    const [place, keeper, trade] = [name(), name(), pick(trades)];
    // As the base's template writes a question and its answer.
    const question = base.tokenizer.encode(`Q: Who keeps the ${trade} at ${place}?\nA:`);
    return sequenceOf(question, [...base.tokenizer.encode(` ${keeper} keeps it.`), base.tokenizer.eosId], 64);
  };
  const lora: LoraConfig = { rank: 8, scale: 2, modules: moduleNames };
  const adapter = initialAdapter(base.config, lora, shape.seed);
  const secondMoments = new Map<string, Float32Array>();
  for (const [tensor, { data }] of adapter.tensors) {
    for (let i = 0; i < data.length; i++) if (data[i] === 0) data[i] = 0.01 * random.normal();
    secondMoments.set(
      tensor,
      Float32Array.from({ length: data.length }, () => 1e-6 * Math.exp(random.normal())),
    );
  }
  return {
    base,
    lora,
    adapter,
    secondMoments,
    sequences: Array.from({ length: shape.examples }, chat),
    contributorOf: Array.from({ length: shape.examples }, (_, i) => i % shape.contributors),
    heldOut: Array.from({ length: shape.heldOut }, chat),
  };
}
