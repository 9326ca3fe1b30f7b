/// <reference lib="esnext.float16" />
/**
 * What the benchmark serves: a base model of random weights in SmolLM2-135M's shape, and any number of random adapters over it. Speed
 * does not depend on what the weights say.
 */
import { statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Adapter,
  adapterShapes,
  createRandom,
  exportPeft,
  formatSafetensors,
  initialAdapter,
  type ModelConfig,
  type ModuleName,
  parseConfig,
  parseSafetensors,
  readPeft,
  type TensorData,
  trainTokenizer,
  type Weights,
  weightShapes,
} from "../../src/engine/index.ts";
import { bytesDigest, type Digest } from "../../src/protocol/index.ts";
import type { GgufTokens } from "./gguf.ts";

export const ropeTheta = 100_000;
export const adapterRank = 8;
export const baseName = "benchmark/base";
export const qv: readonly ModuleName[] = ["q_proj", "v_proj"];

const shape = (size: Record<string, number>) => ({
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  ...size,
  rope_theta: ropeTheta,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: true,
  attention_bias: false,
  mlp_bias: false,
  hidden_act: "silu",
  bos_token_id: 0,
  eos_token_id: 0,
});

/** `config.json` of SmolLM2-135M, with a shorter context. */
export const smolShape = shape({
  num_hidden_layers: 30,
  hidden_size: 576,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  head_dim: 64,
  intermediate_size: 1_536,
  vocab_size: 49_152,
  max_position_embeddings: 2_048,
});

/** Small enough for a trial run of seconds. */
export const tinyShape = shape({
  num_hidden_layers: 2,
  hidden_size: 64,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 16,
  intermediate_size: 128,
  vocab_size: 512,
  max_position_embeddings: 512,
});

export type Base = { config: ModelConfig; weights: Weights };

/** Repeats only after a prime number of values, so that no two rows of a matrix are the same. */
const poolSize = 4_194_301;

/** Normals of deviation 1, or as many of them as are asked for. */
function normals(count: number, seed: number): Float32Array {
  const random = createRandom(seed, 23);
  return Float32Array.from({ length: Math.min(count, poolSize) }, () => random.normal());
}

/**
 * Random weights under which the layers, not the last token's embedding, decide what comes next: with the tied embeddings of a usual
 * initialisation a random model repeats its last token for ever, and two engines would agree whatever they computed.
 */
export function randomBase(configJson: object): Base {
  const config = parseConfig(configJson);
  const pool = normals(poolSize, 1);
  let at = 0;
  const weights = new Map<string, Float32Array>();
  for (const [name, dims] of weightShapes(config)) {
    const data = new Float32Array(dims.reduce((product, n) => product * n, 1));
    const deviation = 1 / Math.sqrt(dims[1] ?? 1);
    for (let i = 0; i < data.length; i++) {
      data[i] = dims.length === 1 ? 1 : pool[at]! * deviation;
      at = at + 1 === pool.length ? 0 : at + 1;
    }
    weights.set(name, data);
  }
  return { config, weights };
}

/** The tokens by number: end of text, the 256 bytes, and texts that no prompt here spells. */
export function benchTokens(vocab: number): GgufTokens {
  const bytes = (trainTokenizer([], 257, endOfText) as { model: { vocab: Record<string, number> } }).model
    .vocab;
  const tokens = Object.entries(bytes)
    .sort(([, a], [, b]) => a - b)
    .map(([token]) => token);
  for (let id = tokens.length; id < vocab; id++) tokens.push(`t${id.toString(36)}`);
  return { tokens, eosId: 0 };
}

const endOfText = "<|endoftext|>";

/** Writes a Hugging Face folder, as the service reads it. */
export function writeBase(folder: string, configJson: object, { config, weights }: Base): void {
  const tokenizer = trainTokenizer([], 257, endOfText) as { model: { vocab: Record<string, number> } };
  tokenizer.model.vocab = Object.fromEntries(
    benchTokens(config.vocab).tokens.map((token, id) => [token, id]),
  );
  const json = (name: string, value: object) => writeFileSync(join(folder, name), JSON.stringify(value));
  json("config.json", configJson);
  json("tokenizer.json", tokenizer);
  json("tokenizer_config.json", { bos_token: endOfText, eos_token: endOfText, add_bos_token: false });
  const tensors = [...weightShapes(config)].map(
    ([name, dims]) => [name, { data: weights.get(name)!, shape: dims }] as const,
  );
  writeFileSync(join(folder, "model.safetensors"), formatSafetensors(tensors, "F32"));
}

/** Any number of distinct adapters: number i has its values at its own place in a pool of random ones. */
export type AdapterMaker = {
  readonly config: Uint8Array;
  /** An `adapter_model.safetensors` of float16. Valid until the next call. */
  tensors(number: number): Uint8Array;
  /** The same, read. */
  adapter(number: number): Adapter;
  readonly bytes: number;
  /** How many there are. */
  readonly limit: number;
};

const adaptersMax = 100_000;

/** @param madeFor what the adapters call their base */
export function createAdapterMaker(
  config: ModelConfig,
  modules: readonly ModuleName[],
  madeFor = baseName,
): AdapterMaker {
  const lora = { rank: adapterRank, scale: 2, modules };
  const files = exportPeft(initialAdapter(config, lora, 1), madeFor);
  const named = parseSafetensors(files["adapter_model.safetensors"], "template");
  const template = formatSafetensors(named, "F16");
  const values = adapterShapes(config, lora).reduce((sum, { shape: [a, b] }) => sum + a * b, 0);
  const start = template.length - values * 2;
  // In a random direction each, and together about as large as a fifth of the weights they change.
  const pool = normals(values + adaptersMax, 2);
  const halves = new Uint8Array(Float16Array.from(pool, (value) => value / Math.sqrt(config.hidden)).buffer);
  const tensors = (number: number) => {
    if (number >= adaptersMax) throw new RangeError(`There are ${adaptersMax} adapters to be had.`);
    const at = (number * 2) % (halves.length - values * 2 + 1);
    template.set(halves.subarray(at, at + values * 2), start);
    return template;
  };
  const configJson = JSON.parse(new TextDecoder().decode(files["adapter_config.json"]));
  return {
    config: files["adapter_config.json"],
    tensors,
    adapter: (number) =>
      readPeft(
        configJson,
        parseSafetensors(tensors(number), `adapter ${number}`) as Map<string, TensorData>,
        config,
        `adapter ${number}`,
      ),
    bytes: template.length,
    limit: adaptersMax,
  };
}

/** Where the adapters of a folder are, by number, and what they are called. */
export const adapterFile = (folder: string, number: number) => join(folder, `${number}.safetensors`);

/** Writes adapters 0 … count − 1. @returns their digests */
export function writeAdapters(
  folder: string,
  maker: AdapterMaker,
  count: number,
  progress: (written: number) => void,
): Digest[] {
  writeFileSync(join(folder, "adapter_config.json"), maker.config);
  return Array.from({ length: count }, (_, number) => {
    const bytes = maker.tensors(number);
    writeFileSync(adapterFile(folder, number), bytes);
    if ((number + 1) % 1_000 === 0) progress(number + 1);
    return bytesDigest(bytes);
  });
}

/** @throws Error that says how to need less, when a folder's disk has not 1.5 times the room */
export function requireRoom(folder: string, bytes: number, fix: string): void {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  const gigabytes = (n: number) => `${(n / 1e9).toFixed(1)} GB`;
  if (free < bytes * 1.5)
    throw new Error(
      `The benchmark writes ${gigabytes(bytes)} below ${folder} and asks for ${gigabytes(bytes * 1.5)} free; there are ${gigabytes(free)}. ${fix}`,
    );
}
