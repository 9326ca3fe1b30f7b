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
import { gradientOutput, trainingGraph } from "./training-graph.ts";

export type GradientSegment = {
  readonly name: string;
  readonly layer: number;
  readonly offset: number;
  readonly length: number;
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
      const segment = { name, layer, offset, length: shape[0] * shape[1] };
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

export async function createGradients(
  base: { config: ModelConfig; weights: Weights },
  lora: LoraConfig,
  options: { parts: readonly ("A" | "B")[]; positions: number; threads: number; device?: Device },
) {
  const { config } = base;
  const { threads, device = "cpu" } = options;
  const { segments, width } = gradientSegments(config, lora, options.parts);
  const graph = (logits: boolean) =>
    trainingGraph({
      config,
      lora: lora.modules,
      loraScale: lora.scale,
      positions: options.positions,
      gradients: "lora-per-example",
      parts: options.parts,
      logits,
      device,
    });
  const session = await createSession(graph(true), { threads, device });
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
        for (let s = 0; s < samples; s++) {
          if (random === undefined) throw new TypeError("Drawing labels needs a source of randomness.");
          const labels = drawLabels(out.logits as Float32Array, config.vocab, random);
          const drawn = makeBatch(config, chosen, { labels });
          scatter(
            await run(session, { ...drawn.feeds, ...feeds }),
            chosen.length,
            sampled,
            (b) => (start + b) * samples + s,
          );
        }
        onProgress?.(start + chosen.length);
      }
      return { data, sampled, loss };
    },
  };
}

/** One label per row of logits `[M, V]`, drawn from softmax(logits). */
function drawLabels(logits: Float32Array, vocab: number, random: Random): number[] {
  return Array.from({ length: logits.length / vocab }, (_, row) => {
    const z = logits.subarray(row * vocab, (row + 1) * vocab);
    let top = Number.NEGATIVE_INFINITY;
    for (const x of z) if (x > top) top = x;
    let total = 0;
    for (const x of z) total += Math.exp(x - top);
    let left = random.uniform() * total;
    for (let v = 0; v < vocab - 1; v++) {
      left -= Math.exp((z[v] as number) - top);
      if (left < 0) return v;
    }
    return vocab - 1;
  });
}
