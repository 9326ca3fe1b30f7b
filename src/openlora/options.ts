/** How much of a machine serving may use. */
import { z } from "zod";
import { devices, type ModelConfig, moduleNames, precisions } from "../engine/index.ts";
import { OpenLoraError } from "./errors.ts";

export const openLoraOptionsSchema = z.strictObject({
  /** Threads of one operator. */
  threads: z.int().min(1).max(256).default(2),
  /**
   * What the base's weights are held in. int8 takes a third of the memory and answers twice as fast one at a time, a third faster 16 at once,
   * with prompts a little slower; int4 takes less and costs quality. `openledger bench quantised --model <folder>` measures it for a
   * base. Adapters are float32 always.
   */
  precision: z.enum(precisions).default("f32"),
  /** Where answers are computed. */
  device: z.enum(devices).default("cpu"),
  /** Linear modules that adapters may change. Each costs time in every step: q and v alone are several times cheaper than all seven. */
  modules: z.array(z.enum(moduleNames)).min(1).readonly().default(moduleNames),
  /** Largest rank of an adapter. */
  rank: z.int().min(1).max(256).default(16),
  /** Answers generated at once, each under an adapter of its own if it must be. */
  maxRows: z.int().min(1).max(1_024).default(16),
  /** Prompt and answer together; left out, what the model was made for, up to 2,048. */
  contextTokens: z.int().min(2).optional(),
  /** Length of an answer whose asker names none. */
  defaultMaxTokens: z.int().min(1).default(256),
  /** Requests waiting for a row, all tenants together and each of them. */
  maxQueue: z.int().min(1).max(100_000).default(256),
  maxQueuePerTenant: z.int().min(1).max(100_000).default(64),
  /** Prompt tokens taken in before answers under way advance again; a longer prompt is taken in by pieces. */
  prefillTokensPerStep: z.int().min(1).default(512),
  /** Threads that hold answers to formats, started when they are needed: grammars that can be new at once, 20 to 60 MB each. */
  grammarThreads: z.int().min(1).max(64).default(4),
  /** Adapters kept in memory. */
  adapterMemoryBytes: z
    .int()
    .min(0)
    .default(256 * 2 ** 20),
  /** Keys and values of prompts' beginnings, kept for prompts that begin alike. 0: none. */
  prefixCacheBytes: z
    .int()
    .min(0)
    .default(64 * 2 ** 20),
  /**
   * Answers are the same to the last bit whatever runs beside them, at the price of steps that always compute every row and the whole
   * context.
   */
  deterministic: z.boolean().default(false),
  adapterLoadTimeoutMs: z.int().min(1).default(30_000),
});

/** What an operator sets beside threads, precision, device and determinism. */
export const servingSchema = openLoraOptionsSchema
  .omit({ threads: true, precision: true, device: true, deterministic: true, defaultMaxTokens: true })
  .extend({ defaultMaxTokens: z.int().min(1).default(128) });

/** Options as a caller writes them. */
export type OpenLoraOptions = z.input<typeof openLoraOptionsSchema>;

/** Options with everything decided. */
export type ServingLimits = z.infer<typeof openLoraOptionsSchema> & {
  contextTokens: number;
  /** Tokens the model knows. */
  vocabTokens: number;
};

/** Decides what was left open. @throws OpenLoraError `invalid-request` when the model cannot do what is asked */
export const servingLimits = (
  options: z.infer<typeof openLoraOptionsSchema>,
  config: ModelConfig,
): ServingLimits => ({
  ...options,
  contextTokens: contextOf(options.contextTokens, config),
  vocabTokens: config.vocab,
});

/** Prompt and answer together, in tokens. @throws OpenLoraError `invalid-request` when the model has fewer positions */
export function contextOf(asked: number | undefined, config: ModelConfig): number {
  const contextTokens = asked ?? Math.min(config.maxPositions, 2_048);
  if (contextTokens <= config.maxPositions) return contextTokens;
  throw new OpenLoraError(
    "invalid-request",
    `A context of ${contextTokens} tokens was asked for; this model has ${config.maxPositions} positions. Lower contextTokens.`,
    { limit: config.maxPositions, actual: contextTokens },
  );
}
