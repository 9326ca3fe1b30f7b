/**
 * Reads from the engine what the methods score with.
 *
 * Memory: 4p(N + Q + N·s) bytes for the final state and for each checkpoint with draws; N = 500, Q = 40, s = 4 and p = 110,592 are 1.1 GB.
 */
import {
  type Adapter,
  adapterFeeds,
  createGradients,
  createRandom,
  createSession,
  type Factors,
  factorOutput,
  type LoraConfig,
  type ModelConfig,
  makeBatch,
  type OptimizerState,
  positionsFor,
  run,
  type Sequence,
  trainingGraph,
  type Weights,
  weightFeeds,
} from "../../engine/index.ts";
import { adamMetric } from "../influence.ts";
import type { Checkpoint, Gradients, Material } from "./method.ts";

export type Base = { config: ModelConfig; weights: Weights };

/** What Adam knew at a state. */
export type AdamMoments = { readonly optimizer: OptimizerState; readonly beta2: number };

export type CollectOptions = {
  readonly parts: readonly ("A" | "B")[];
  /** Label draws per training example. */
  readonly samples: number;
  readonly seed: number;
  readonly threads: number;
  /** Also collect the last hidden states, for RepSim, at a forward pass an example. */
  readonly hidden?: boolean;
  /** Also collect Kronecker factors, for EK-FAC; needs at least one draw. */
  readonly factors?: boolean;
  readonly checkpoints?: readonly { adapter: Adapter; moments: AdamMoments; learningRate: number }[];
  /** Label draws per training example at each checkpoint; 0 when left out. */
  readonly checkpointSamples?: number;
  /** Examples run at once. */
  readonly batch?: number;
  /** Most bytes of gradients; 12 GiB when left out. */
  readonly bytesMax?: number;
  readonly onProgress?: (done: number, of: number) => void;
};

/**
 * @param sequences the N training examples
 * @param queries Q prompts with the answers whose loss is attributed
 * @param texts what BM25 reads of them
 * @throws RangeError when it would take more memory than allowed
 */
export async function collectMaterial(
  base: Base,
  adapter: Adapter,
  moments: AdamMoments,
  sequences: readonly Sequence[],
  queries: readonly Sequence[],
  texts: Material["texts"],
  options: CollectOptions,
): Promise<Material> {
  const { parts, samples, seed, threads, batch = 16, checkpoints = [], checkpointSamples = 0 } = options;
  if (texts.train.length !== sequences.length || texts.queries.length !== queries.length)
    throw new RangeError(
      `There are texts for ${texts.train.length} examples and ${texts.queries.length} queries, of ${sequences.length} and ${queries.length}.`,
    );
  if (options.factors && samples === 0)
    throw new RangeError("Kronecker factors need at least one label draw.");
  const positions = positionsFor([...sequences, ...queries]);
  const factors: Factors = new Map();
  const shared = { parts, positions, threads };
  const final = await createGradients(base, adapter.config, {
    ...shared,
    ...(options.factors && { factors }),
  });
  const { segments, width } = final;

  const rows = (draws: number) => sequences.length * (1 + draws) + queries.length;
  const bytes = 4 * width * (rows(samples) + checkpoints.length * rows(checkpointSamples));
  const bytesMax = options.bytesMax ?? 12 * 2 ** 30;
  if (bytes > bytesMax)
    throw new RangeError(
      `The gradients would take ${(bytes / 2 ** 30).toFixed(1)} GiB, and ${(bytesMax / 2 ** 30).toFixed(1)} GiB are allowed. Use fewer draws, fewer checkpoints, or the B matrices alone.`,
    );

  let done = 0;
  const report = (count: number) => {
    done += count;
    options.onProgress?.(done, (1 + checkpoints.length) * (sequences.length + queries.length));
  };
  const of = async (
    gradients: typeof final,
    at: Adapter,
    { optimizer, beta2 }: AdamMoments,
    draws: number,
    stream: number,
  ): Promise<Gradients> => {
    const metric = adamMetric(
      segments,
      width,
      (name) => {
        const own = optimizer.moments.get(name);
        if (own === undefined) throw new RangeError(`The optimizer's state lacks ${name}.`);
        return own.v;
      },
      1 - beta2 ** optimizer.step,
    );
    const random = createRandom(seed, stream);
    const train = new Float32Array(sequences.length * width);
    const sampled = new Float32Array(sequences.length * draws * width);
    for (const chunk of chunks(sequences, batch)) {
      const out = await gradients.rows(
        at,
        chunk.map((i) => sequences[i] as Sequence),
        draws,
        random,
        batch,
      );
      chunk.forEach((i, row) => {
        train.set(out.data.subarray(row * width, (row + 1) * width), i * width);
        sampled.set(out.sampled.subarray(row * draws * width, (row + 1) * draws * width), i * draws * width);
      });
      report(chunk.length);
    }
    const asked = new Float32Array(queries.length * width);
    for (const chunk of chunks(queries, batch)) {
      const { data } = await gradients.rows(
        at,
        chunk.map((i) => queries[i] as Sequence),
        0,
        undefined,
        batch,
      );
      chunk.forEach((i, row) => {
        asked.set(data.subarray(row * width, (row + 1) * width), i * width);
      });
      report(chunk.length);
    }
    return { train, queries: asked, sampled, samples: draws, metric };
  };

  const state = await of(final, adapter, moments, samples, 51);
  const earlier: Checkpoint[] = [];
  const plain =
    checkpoints.length > 0 && options.factors ? await createGradients(base, adapter.config, shared) : final;
  for (const [i, { adapter: at, moments: own, learningRate }] of checkpoints.entries())
    earlier.push({ ...(await of(plain, at, own, checkpointSamples, 52 + i)), learningRate });
  return {
    ...state,
    segments,
    width,
    checkpoints: earlier,
    texts,
    hidden: options.hidden
      ? await hiddenStates(base, adapter, sequences, queries, positions, threads, batch)
      : { train: new Float32Array(0), queries: new Float32Array(0), width: 0 },
    factors: options.factors
      ? segments.map(({ name }) => ({
          name,
          inputs: factors.get(factorOutput(name, "inputs")) as Float64Array,
          gradients: factors.get(factorOutput(name, "gradients")) as Float64Array,
        }))
      : [],
  };
}

/** Numbers of sequences in batches of like length, so that little of a batch is padding. */
function chunks(sequences: readonly Sequence[], batch: number): number[][] {
  const length = (i: number) => (sequences[i] as Sequence).targets.at(-1) as number;
  const order = [...sequences.keys()].sort((a, b) => length(a) - length(b) || a - b);
  return Array.from({ length: Math.ceil(order.length / batch) }, (_, i) =>
    order.slice(i * batch, (i + 1) * batch),
  );
}

/** Means of the last hidden state, after the last norm, over the positions that predict targets: `[·,hidden]`. */
async function hiddenStates(
  { config, weights }: Base,
  adapter: Adapter,
  sequences: readonly Sequence[],
  queries: readonly Sequence[],
  positions: number,
  threads: number,
  batch: number,
): Promise<Material["hidden"]> {
  const width = config.hidden;
  const { modules, scale }: LoraConfig = adapter.config;
  const session = await createSession(
    trainingGraph({ config, lora: modules, loraScale: scale, positions, gradients: "none", hidden: true }),
    { threads },
  );
  const { "lm_head.weight": _, ...baseFeeds } = weightFeeds(config, weights);
  const feeds = { ...baseFeeds, ...adapterFeeds(adapter) };
  const means = async (of: readonly Sequence[]) => {
    const out = new Float32Array(of.length * width);
    for (const chunk of chunks(of, batch)) {
      const { feeds: own, owner } = makeBatch(
        config,
        chunk.map((i) => of[i] as Sequence),
        { forwardOnly: true },
      );
      const { labels: __, ...inputs } = own;
      const { hidden } = await run(session, { ...inputs, ...feeds });
      owner.forEach((b, row) => {
        const i = chunk[b] as number;
        const count = (of[i] as Sequence).targets.length;
        for (let j = 0; j < width; j++)
          out[i * width + j] =
            (out[i * width + j] as number) + ((hidden as Float32Array)[row * width + j] as number) / count;
      });
    }
    return out;
  };
  return { train: await means(sequences), queries: await means(queries), width };
}
