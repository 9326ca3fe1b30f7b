/** The first pass of an index: every gradient it needs is taken once and put into a file. Nothing here grows with the number of examples. */
import { type Adapter, type createGradients, createRandom, type Sequence } from "../engine/index.ts";
import { applyMetric, type LayerBlock } from "./influence.ts";
import type { createScratch, RowFile } from "./scratch.ts";

type Gradients = Awaited<ReturnType<typeof createGradients>>;
export type Scratch = ReturnType<typeof createScratch>;

/** Examples between two reports, and among which those with drawn labels share batches. */
const chunk = 64;
/** Examples whose gradients are in memory at once: a batch. */
const batch = 16;

export type TrainingGradients = {
  /** `[N,p]`, scaled by the metric: labels of the data. */
  readonly own: RowFile;
  /** `[n,p]`, scaled: drawn labels, the samples of one example next to each other. */
  readonly fisher: RowFile;
  readonly fisherRows: number;
};

/** How many gradients with drawn labels there are: those of every `keepEvery`-th example. */
export function thinning(examples: number, options: { samples: number; maxFisherRows: number }) {
  const keepEvery = Math.max(1, Math.ceil((examples * options.samples) / options.maxFisherRows));
  return { keepEvery, fisherRows: Math.ceil(examples / keepEvery) * options.samples };
}

/**
 * Half of the mean non-zero eigenvalue damps too much where gradients are few: they are spread over n directions, not over as many as all of
 * them would be. ρ is scaled down by the part that was kept; docs/attribution.md has what that is worth.
 */
export const thinnedDamping = (
  examples: number,
  options: { samples: number; maxFisherRows: number; damping: number },
) => (options.damping * thinning(examples, options).fisherRows) / (examples * options.samples);

/** Draws come from a seeded generator in a fixed order, so the same input gives the same files bit for bit. */
export async function trainingGradients(
  gradients: Gradients,
  adapter: Adapter,
  sequences: readonly Sequence[],
  metric: Float32Array,
  blocks: readonly LayerBlock[],
  scratch: Scratch,
  options: { samples: number; maxFisherRows: number; seed: number },
  onProgress: (done: number) => void,
): Promise<TrainingGradients> {
  const { keepEvery, fisherRows } = thinning(sequences.length, options);
  const own = scratch.file(sequences.length, blocks);
  const fisher = scratch.file(fisherRows, blocks);
  const labels = createRandom(options.seed, 41);
  const take = async (examples: readonly number[], samples: number) => {
    const chosen = examples.map((at) => sequences[at] as Sequence);
    const { data, sampled } = await gradients.rows(adapter, chosen, samples, labels, batch);
    applyMetric(data, metric);
    applyMetric(sampled, metric);
    const p = metric.length;
    examples.forEach((at, i) => {
      own.write(at, data.subarray(i * p, (i + 1) * p));
    });
    if (samples > 0) fisher.write(((examples[0] as number) / keepEvery) * samples, sampled);
  };
  for (let start = 0; start < sequences.length; start += chunk) {
    const part = Array.from({ length: Math.min(chunk, sequences.length - start) }, (_, i) => start + i);
    const drawn = part.filter((at) => at % keepEvery === 0);
    const rest = part.filter((at) => at % keepEvery !== 0);
    for (let i = 0; i < drawn.length; i += batch) await take(drawn.slice(i, i + batch), options.samples);
    for (let i = 0; i < rest.length; i += batch) await take(rest.slice(i, i + batch), 0);
    onProgress(start + part.length);
  }
  return { own, fisher, fisherRows };
}

/** Gradients of other sequences, labels as they are. @param metric scales them, when given */
export async function gradientFile(
  gradients: Gradients,
  adapter: Adapter,
  sequences: readonly Sequence[],
  metric: Float32Array | undefined,
  blocks: readonly LayerBlock[],
  scratch: Scratch,
  onProgress: (done: number) => void = () => {},
): Promise<RowFile> {
  const file = scratch.file(sequences.length, blocks);
  for (let start = 0; start < sequences.length; start += batch) {
    const { data } = await gradients.rows(adapter, sequences.slice(start, start + batch));
    if (metric !== undefined) applyMetric(data, metric);
    file.write(start, data);
    onProgress(Math.min(start + batch, sequences.length));
  }
  return file;
}
