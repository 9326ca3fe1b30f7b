/** What serving will need, before anything is loaded: a process that runs out of memory is killed without a word. */
import {
  cacheBytes,
  type ModelConfig,
  type Precision,
  packedBytes,
  precisions,
  weightShapes,
} from "../engine/index.ts";
import { OpenLoraError } from "./errors.ts";
import { openLoraOptionsSchema, type ServingLimits, servingLimits } from "./options.ts";

/**
 * Resident bytes while a decoder is built, for each byte of the weights in float32: the checkpoint, the graph and the runtime's copies.
 * Measured at 135M parameters: 4.4, 2.5 and less.
 */
const peakFactors: Record<Precision, number> = { f32: 4.5, int8: 2.6, int4: 2.4 };

/** Bytes of a graph for each byte of its weights in float32. */
const graphFactors: Record<Precision, number> = { f32: 1, int8: 0.3, int4: 0.3 };
/** Largest protobuf message. */
const graphBytesMax = 2 ** 31 - 1;

export type ServingMemory = {
  /** While the base is loaded, its weights in all forms. */
  readonly base: number;
  /** Adapters of all rows. */
  readonly rows: number;
  /** Keys and values of all rows at the whole context. */
  readonly cache: number;
  readonly adapters: number;
  readonly prefixes: number;
  readonly total: number;
};

const weightBytes = (config: ModelConfig): number =>
  [...weightShapes(config).values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 4), 0);

const graphBytes = (config: ModelConfig, precision: Precision): number =>
  weightBytes(config) * graphFactors[precision];

/** The most bytes that serving a base within these limits takes. */
export function servingMemory(config: ModelConfig, limits: ServingLimits): ServingMemory {
  const base = Math.ceil(weightBytes(config) * peakFactors[limits.precision]);
  const rows = limits.maxRows * packedBytes(config, limits);
  const cache = limits.maxRows * cacheBytes(config, limits.contextTokens);
  const { adapterMemoryBytes: adapters, prefixCacheBytes: prefixes } = limits;
  return { base, rows, cache, adapters, prefixes, total: base + rows + cache + adapters + prefixes };
}

/** What serving a base takes by precision, everything else at its default. `servable`: the runtime reads a graph of this size. */
export function memoryByPrecision(
  config: ModelConfig,
): { precision: Precision; bytes: number; servable: boolean }[] {
  return precisions.map((precision) => ({
    precision,
    bytes: servingMemory(config, servingLimits(openLoraOptionsSchema.parse({ precision }), config)).total,
    servable: graphBytes(config, precision) <= graphBytesMax,
  }));
}

const size = (bytes: number) =>
  bytes < 2 ** 30 ? `${Math.ceil(bytes / 2 ** 20)} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`;

/**
 * @param available bytes that this process may still take
 * @throws OpenLoraError `invalid-request` when the base does not fit, saying what takes how much and what to lower
 */
export function requireMemory(config: ModelConfig, limits: ServingLimits, available: number): void {
  const graph = graphBytes(config, limits.precision);
  if (graph > graphBytesMax)
    throw new OpenLoraError(
      "invalid-request",
      `The base's weights take ${size(graph)} in ${limits.precision}; the runtime reads graphs of up to 2 GiB. Serve it in int8, or a smaller base.`,
      { limit: graphBytesMax, actual: graph },
    );
  const { base, rows, cache, adapters, prefixes, total } = servingMemory(config, limits);
  if (total <= available) return;
  throw new OpenLoraError(
    "invalid-request",
    `Serving this base may take ${size(total)} of memory and ${size(available)} are available: ${size(base)} to load its weights in ${limits.precision}, ${size(cache)} for ${limits.maxRows} rows of ${limits.contextTokens} tokens, ${size(rows)} for their adapters, ${size(adapters)} for adapters in memory, ${size(prefixes)} for prompts' beginnings. Serve in int8, or lower maxRows, contextTokens, rank, modules, adapterMemoryBytes or prefixCacheBytes.`,
    { limit: available, actual: total },
  );
}
