/**
 * Per-example gradients of an adapter: rows `[N, p]` of ∇ℓ(example) with ℓ the summed loss of its target tokens, for the labels the
 * example has or for labels drawn from the model itself. Columns are ordered layer by layer.
 */
import { makeBatch, type Sequence } from "./batch.ts";
import type { Weights } from "./checkpoint.ts";
import type { ModelConfig } from "./config.ts";
import { type Adapter, adapterShapes, type LoraConfig } from "./lora.ts";
import type { Random } from "./random.ts";
import { createSession, type Device, run, toDevice } from "./runtime.ts";
import { adapterFeeds, weightFeeds } from "./trainer.ts";
import { factorOutput, gradientOutput, trainingGraph } from "./training-graph.ts";

export type GradientSegment = {
  readonly name: string;
  readonly layer: number;
  readonly offset: number;
  readonly length: number;
  /** Of the tensor, which lies row-major in the `length` columns: A `[rank, in]`, B `[out, rank]`. */
  readonly shape: readonly [number, number];
};

/** Where each tensor's gradient lies in a row. */
export function gradientSegments(
  model: ModelConfig,
  lora: LoraConfig,
  parts: readonly ("A" | "B")[],
): { segments: GradientSegment[]; width: number } {
  let offset = 0;
  const segments = adapterShapes(model, lora)
    .filter(({ part }) => parts.includes(part))
    .map(({ name, layer, shape }) => {
      const segment = { name, layer, offset, length: shape[0] * shape[1], shape };
      offset += segment.length;
      return segment;
    });
  return { segments, width: offset };
}

export type GradientRows = {
  /** `[N, p]` for the labels of the examples. */
  readonly data: Float32Array;
  /** `[N · samples, p]`, the samples of one example next to each other, for labels drawn from the model. */
  readonly sampled: Float32Array;
  /** Summed loss of each example, nats. */
  readonly loss: Float64Array;
};

/** Sums over tokens by {@link factorOutput} name; grows with every call that draws labels, by the first draw of each example. */
export type Factors = Map<string, Float64Array>;

export async function createGradients(
  base: { config: ModelConfig; weights: Weights },
  lora: LoraConfig,
  options: {
    parts: readonly ("A" | "B")[];
    positions: number;
    threads: number;
    device?: Device;
    /** Where to add up second moments, if they are wanted. */
    factors?: Factors;
  },
) {
  const { config } = base;
  const { threads, device = "cpu" } = options;
  const { segments, width } = gradientSegments(config, lora, options.parts);
  const open = (more: { logits?: boolean; factors?: boolean }) => {
    const graph = trainingGraph({
      config,
      lora: lora.modules,
      loraScale: lora.scale,
      positions: options.positions,
      gradients: "lora-per-example",
      parts: options.parts,
      device,
      ...more,
    });
    return createSession(graph, { threads, device });
  };
  const session = await open({ logits: true });
  const { factors } = options;
  const factorSession = factors && (await open({ factors: true }));
  const baseFeeds = await toDevice(weightFeeds(config, base.weights), device);

  /** Copies one batch's gradients into rows of `into`, row b at `at(b)`. */
  function scatter(
    out: Record<string, Float32Array>,
    rows: number,
    into: Float32Array,
    at: (b: number) => number,
  ) {
    for (const { name, offset, length } of segments) {
      const gradient = out[gradientOutput(name)] as Float32Array;
      for (let b = 0; b < rows; b++)
        into.set(gradient.subarray(b * length, (b + 1) * length), at(b) * width + offset);
    }
  }

  function addFactors(sums: Factors, out: Record<string, Float32Array>) {
    for (const { name } of segments)
      for (const side of ["inputs", "gradients"] as const) {
        const key = factorOutput(name, side);
        const part = out[key] as Float32Array;
        const sum = sums.get(key) ?? new Float64Array(part.length);
        for (let i = 0; i < part.length; i++) sum[i] = (sum[i] as number) + (part[i] as number);
        sums.set(key, sum);
      }
  }

  return {
    segments,
    width,
    /**
     * @param samples label draws per example; 0 when only the examples' own labels are wanted
     * @param random where the draws come from; the same order of calls gives the same labels
     */
    async rows(
      adapter: Adapter,
      sequences: readonly Sequence[],
      samples = 0,
      random?: Random,
      batchSize = 16,
      onProgress?: (done: number) => void,
    ): Promise<GradientRows> {
      const data = new Float32Array(sequences.length * width);
      const sampled = new Float32Array(sequences.length * samples * width);
      const loss = new Float64Array(sequences.length);
      const feeds = { ...baseFeeds, ...adapterFeeds(adapter) };
      for (let start = 0; start < sequences.length; start += batchSize) {
        const chosen = sequences.slice(start, start + batchSize);
        const batch = makeBatch(config, chosen);
        const out = await run(session, { ...batch.feeds, ...feeds });
        scatter(out, chosen.length, data, (b) => start + b);
        batch.owner.forEach((b, i) => {
          loss[start + b] = (loss[start + b] as number) + (out.nll?.[i] as number);
        });
        if (samples > 0 && random === undefined)
          throw new TypeError("Drawing labels needs a source of randomness.");
        const draws =
          samples > 0 ? drawLabels(out.logits as Float32Array, config.vocab, samples, random as Random) : [];
        for (const [s, labels] of draws.entries()) {
          const drawn = makeBatch(config, chosen, { labels });
          const own = s === 0 && factorSession !== undefined ? factorSession : session;
          const back = await run(own, { ...drawn.feeds, ...feeds });
          if (own === factorSession) addFactors(factors as Factors, back);
          scatter(back, chosen.length, sampled, (b) => (start + b) * samples + s);
        }
        onProgress?.(start + chosen.length);
      }
      return { data, sampled, loss };
    },
  };
}

/**
 * Labels drawn from softmax(logits), `[draws][M]`, for logits `[M, V]`. The random numbers are taken draw by draw; a row's exponentials,
 * the costly part, are computed once for all of them.
 */
function drawLabels(logits: Float32Array, vocab: number, draws: number, random: Random): number[][] {
  const rows = logits.length / vocab;
  const uniform = Array.from({ length: draws }, () => Float64Array.from({ length: rows }, random.uniform));
  const labels = uniform.map(() => new Array<number>(rows));
  const weights = new Float64Array(vocab);
  for (let row = 0; row < rows; row++) {
    const z = logits.subarray(row * vocab, (row + 1) * vocab);
    let top = Number.NEGATIVE_INFINITY;
    for (let v = 0; v < vocab; v++) if ((z[v] as number) > top) top = z[v] as number;
    let total = 0;
    for (let v = 0; v < vocab; v++) {
      weights[v] = Math.exp((z[v] as number) - top);
      total += weights[v] as number;
    }
    uniform.forEach((u, draw) => {
      let left = (u[row] as number) * total;
      let v = 0;
      for (; v < vocab - 1; v++) {
        left -= weights[v] as number;
        if (left < 0) break;
      }
      (labels[draw] as number[])[row] = v;
    });
  }
  return labels;
}
