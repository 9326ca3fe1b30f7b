/** Texts as vectors: a checkpoint's last hidden states, pooled as sentence-transformers pools them, under any adapter. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { makeBatch } from "./batch.ts";
import { readJsonFile, type Weights } from "./checkpoint.ts";
import type { ModelConfig, ModuleName } from "./config.ts";
import { type Adapter, adapterShapes } from "./lora.ts";
import { createSession, type Device, f32, run, type Tensor, toDevice } from "./runtime.ts";
import { CheckpointError } from "./safetensors.ts";
import { weightFeeds } from "./trainer.ts";
import { trainingGraph } from "./training-graph.ts";

export type Pooling = {
  /** The mean over all tokens, the last token's state, or the first one's ("cls"). */
  readonly mode: "mean" | "last" | "cls";
  /** Vectors are scaled to length 1. */
  readonly normalize: boolean;
};

const poolingModes = {
  pooling_mode_mean_tokens: "mean",
  pooling_mode_lasttoken: "last",
  pooling_mode_cls_token: "cls",
} as const;
/** How newer versions of sentence-transformers name the mode. */
const poolingNames = { mean: "mean", lasttoken: "last", cls: "cls" } as const;

const poolingConfig = z.looseObject({
  pooling_mode: z.string().optional(),
});
const moduleList = z.array(z.object({ type: z.string(), path: z.string() })).max(16);

/**
 * How a model folder's texts become vectors, from sentence-transformers' `1_Pooling/config.json` and `modules.json`.
 *
 * @returns undefined when the folder is no embedding model
 * @throws CheckpointError when it is one that works otherwise
 */
export function poolingOf(folder: string): Pooling | undefined {
  const file = join(folder, "1_Pooling", "config.json");
  if (!existsSync(file)) return undefined;
  const refuse = (what: string) =>
    new CheckpointError(`${folder} asks for ${what}. Supported: one pooling of mean, last token or cls.`);
  const parsed = poolingConfig.safeParse(readJsonFile(file));
  if (!parsed.success) throw refuse(`a pooling that is malformed (${z.prettifyError(parsed.error)})`);
  const { pooling_mode: named, ...rest } = parsed.data;
  const asked =
    named === undefined
      ? Object.keys(rest).filter((key) => key.startsWith("pooling_mode_") && rest[key] === true)
      : [named];
  const known: Record<string, Pooling["mode"]> = named === undefined ? poolingModes : poolingNames;
  const mode =
    asked.length === 1 && Object.hasOwn(known, asked[0] as string) ? known[asked[0] as string] : undefined;
  if (mode === undefined) throw refuse(`the pooling "${asked.join(" and ")}"`);
  return { mode, normalize: stepsOf(folder, refuse).includes("Normalize") };
}

/** Class names of the steps after the transformer. */
function stepsOf(folder: string, refuse: (what: string) => CheckpointError): string[] {
  const file = join(folder, "modules.json");
  if (!existsSync(file)) return [];
  const parsed = moduleList.safeParse(readJsonFile(file));
  if (!parsed.success) throw refuse(`steps that are malformed (${z.prettifyError(parsed.error)})`);
  const steps = parsed.data.map(({ type }) => type.split(".").at(-1) as string);
  const other = steps.find((step) => !["Transformer", "Pooling", "Normalize"].includes(step));
  if (other !== undefined) throw refuse(`the step "${other}"`);
  return steps;
}

export type EmbedderOptions = {
  pooling: Pooling;
  /** Modules that an adapter may change. */
  modules: readonly ModuleName[];
  /** Longest text in tokens. */
  maxLength: number;
  threads: number;
  device?: Device | undefined;
};

export type Embedder = Awaited<ReturnType<typeof createEmbedder>>;

/** Positions computed at once, padding included. */
const batchPositions = 2_048;

/**
 * Shares the base's weights with everything else that holds them: none are copied on the CPU.
 *
 * @example
 * const embedder = await createEmbedder(base, { pooling, modules: moduleNames, maxLength: 512, threads: 2 });
 * const [vector] = await embedder.embed([base.tokenizer.encodeWhole("the valley")]);
 */
export async function createEmbedder(
  base: { config: ModelConfig; weights: Weights },
  options: EmbedderOptions,
) {
  const { config } = base;
  const { pooling, modules, maxLength, threads, device = "cpu" } = options;
  const session = await createSession(
    trainingGraph({
      config,
      lora: modules,
      loraScale: 1,
      positions: maxLength,
      gradients: "none",
      hidden: true,
      device,
    }),
    { threads, device },
  );
  const { "lm_head.weight": _, ...baseWeights } = weightFeeds(config, base.weights);
  const baseFeeds = await toDevice(baseWeights, device);
  const known = new WeakMap<Adapter, Record<string, Tensor>>();

  /** Every module's A and B with the scale in B, zeros where the adapter changes nothing. */
  function loraFeeds(adapter: Adapter | undefined): Record<string, Tensor> {
    const foreign = adapter?.config.modules.find((name) => !modules.includes(name));
    if (foreign !== undefined)
      throw new RangeError(`The adapter changes ${foreign}; here only ${modules.join(", ")} may be.`);
    const feeds: Record<string, Tensor> = {};
    const { rank, scale } = adapter?.config ?? { rank: 1, scale: 1 };
    for (const { name, part, shape } of adapterShapes(config, { rank, scale, modules })) {
      const own = adapter?.tensors.get(name)?.data ?? new Float32Array(shape[0] * shape[1]);
      feeds[name] = f32(part === "A" || scale === 1 ? own : own.map((x) => x * scale), shape);
    }
    return feeds;
  }

  const base0 = loraFeeds(undefined);
  function feedsOf(adapter: Adapter | undefined): Record<string, Tensor> {
    if (adapter === undefined) return base0;
    let feeds = known.get(adapter);
    if (feeds === undefined) {
      feeds = loraFeeds(adapter);
      known.set(adapter, feeds);
    }
    return feeds;
  }

  /** Positions whose states are pooled. */
  function pooled(length: number): number[] {
    if (pooling.mode === "mean") return Array.from({ length }, (_, t) => t);
    return [pooling.mode === "last" ? length - 1 : 0];
  }

  return {
    /** Numbers of a vector, d. */
    width: config.hidden,
    /**
     * @param texts token ids, each 1 to `maxLength`
     * @returns a vector `[d]` for each text
     * @throws RangeError when a text is empty or too long, or the adapter does not fit
     */
    async embed(texts: readonly (readonly number[])[], adapter?: Adapter): Promise<Float32Array[]> {
      for (const { length } of texts)
        if (length < 1 || length > maxLength)
          throw new RangeError(`A text to embed has ${length} tokens: expected 1 to ${maxLength}.`);
      const feeds = { ...baseFeeds, ...feedsOf(adapter) };
      const vectors: Float32Array[] = [];
      for (const numbers of batches(texts.map(({ length }) => length))) {
        // A position's state is what predicts the next token; behind the last one stands a token that is never read.
        const sequences = numbers.map((i) => {
          const ids = texts[i] as readonly number[];
          return { ids: [...ids, 0], targets: pooled(ids.length).map((t) => t + 1) };
        });
        const batch = makeBatch(config, sequences, { forwardOnly: true });
        const { labels: _, ...inputs } = batch.feeds;
        const { hidden } = await run(session, { ...inputs, ...feeds });
        for (const i of numbers) vectors[i] = new Float32Array(config.hidden);
        batch.owner.forEach((b, row) => {
          const vector = vectors[numbers[b] as number] as Float32Array;
          const parts = sequences[b]?.targets.length as number;
          for (let j = 0; j < config.hidden; j++)
            vector[j] =
              (vector[j] as number) + ((hidden as Float32Array)[row * config.hidden + j] as number) / parts;
        });
      }
      return pooling.normalize ? vectors.map(unit) : vectors;
    },
  };
}

/** Numbers of texts to run together: of like length, so that little is padding. */
function batches(lengths: readonly number[]): number[][] {
  const order = lengths.map((_, i) => i).sort((a, b) => (lengths[a] as number) - (lengths[b] as number));
  const groups: number[][] = [];
  let group: number[] = [];
  for (const i of order) {
    if (group.length > 0 && (group.length + 1) * (lengths[i] as number) > batchPositions) {
      groups.push(group);
      group = [];
    }
    group.push(i);
  }
  return group.length > 0 ? [...groups, group] : groups;
}

function unit(vector: Float32Array): Float32Array {
  const norm = Math.hypot(...vector);
  return norm === 0 ? vector : vector.map((x) => x / norm);
}
