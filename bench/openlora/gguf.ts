/// <reference lib="esnext.float16" />
/**
 * Writes GGUF version 3, llama.cpp's file format (github.com/ggml-org/ggml, docs/gguf.md), so that the peer of a benchmark serves the
 * very weights and adapters we do.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import {
  type Adapter,
  adapterShapes,
  type ModelConfig,
  type ModuleName,
  modulePath,
  type Weights,
  weightShapes,
} from "../../src/engine/index.ts";

export type GgufValue =
  | { readonly u32: number }
  | { readonly f32: number }
  | { readonly string: string }
  | { readonly strings: readonly string[] }
  | { readonly i32s: readonly number[] };

/** Q8_0: blocks of 32 weights as int8, each with its largest magnitude / 127 as a float16. */
export type GgufType = "F32" | "Q8_0";

/** `shape` as in safetensors, the fastest dimension last; the file has them the other way round. */
export type GgufTensor = {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: GgufType;
  /** Read when its turn comes. */
  readonly data: () => Float32Array;
};

const alignment = 32;
const block = 32;
const valueTypes = { i32: 5, u32: 4, f32: 6, string: 8, array: 9 };
const tensorTypes: Record<GgufType, number> = { F32: 0, Q8_0: 8 };
const align = (bytes: number) => Math.ceil(bytes / alignment) * alignment;
const count = (shape: readonly number[]) => shape.reduce((product, n) => product * n, 1);
const byteLength = ({ type, shape }: GgufTensor) =>
  type === "F32" ? count(shape) * 4 : (count(shape) / block) * (2 + block);

const numbers = {
  u32: (value: number) => Buffer.from(Uint32Array.of(value).buffer),
  i32: (value: number) => Buffer.from(Int32Array.of(value).buffer),
  u64: (value: number) => Buffer.from(BigUint64Array.of(BigInt(value)).buffer),
  f32: (value: number) => Buffer.from(Float32Array.of(value).buffer),
};
const text = (value: string) => {
  const bytes = Buffer.from(value);
  return Buffer.concat([numbers.u64(bytes.length), bytes]);
};
const array = (type: number, items: readonly Buffer[]) =>
  Buffer.concat([
    numbers.u32(valueTypes.array),
    numbers.u32(type),
    numbers.u64(items.length),
    Buffer.concat(items),
  ]);

function formatValue(value: GgufValue): Buffer {
  if ("u32" in value) return Buffer.concat([numbers.u32(valueTypes.u32), numbers.u32(value.u32)]);
  if ("f32" in value) return Buffer.concat([numbers.u32(valueTypes.f32), numbers.f32(value.f32)]);
  if ("string" in value) return Buffer.concat([numbers.u32(valueTypes.string), text(value.string)]);
  if ("strings" in value) return array(valueTypes.string, value.strings.map(text));
  return array(valueTypes.i32, value.i32s.map(numbers.i32));
}

/** Everything before the tensors' data, padded to where that begins. */
export function formatGgufHeader(
  metadata: Readonly<Record<string, GgufValue>>,
  tensors: readonly GgufTensor[],
): Buffer {
  let offset = 0;
  const infos = tensors.map((tensor) => {
    const info = Buffer.concat([
      text(tensor.name),
      numbers.u32(tensor.shape.length),
      ...[...tensor.shape].reverse().map(numbers.u64),
      numbers.u32(tensorTypes[tensor.type]),
      numbers.u64(offset),
    ]);
    offset += align(byteLength(tensor));
    return info;
  });
  const header = Buffer.concat([
    Buffer.from("GGUF"),
    numbers.u32(3),
    numbers.u64(tensors.length),
    numbers.u64(Object.keys(metadata).length),
    ...Object.entries(metadata).flatMap(([key, value]) => [text(key), formatValue(value)]),
    ...infos,
  ]);
  return Buffer.concat([header], align(header.length));
}

/** Quantises rows of whole blocks as llama.cpp's reference does. @param data a multiple of 32 weights */
export function quantizeQ8(data: Float32Array): Uint8Array {
  const out = new Uint8Array((data.length / block) * (2 + block));
  const view = new DataView(out.buffer);
  for (let b = 0; b < data.length / block; b++) {
    const values = data.subarray(b * block, (b + 1) * block);
    let largest = 0;
    for (const value of values) largest = Math.max(largest, Math.abs(value));
    const scale = largest / 127;
    const at = b * (2 + block);
    view.setFloat16(at, scale, true);
    if (scale > 0) for (let i = 0; i < block; i++) view.setInt8(at + 2 + i, Math.round(values[i]! / scale));
  }
  return out;
}

export function writeGguf(
  path: string,
  metadata: Readonly<Record<string, GgufValue>>,
  tensors: readonly GgufTensor[],
): void {
  const file = openSync(path, "w");
  try {
    writeSync(file, formatGgufHeader(metadata, tensors));
    for (const tensor of tensors) {
      const data = tensor.data();
      if (data.length !== count(tensor.shape))
        throw new RangeError(
          `${tensor.name} has ${data.length} values, its shape [${tensor.shape}] needs others.`,
        );
      const bytes =
        tensor.type === "Q8_0"
          ? quantizeQ8(data)
          : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      writeSync(file, bytes);
      writeSync(file, new Uint8Array(align(bytes.length) - bytes.length));
    }
  } finally {
    closeSync(file);
  }
}

/** llama.cpp's names of the tensors that a layer repeats. */
const moduleNamesThere: Record<ModuleName, string> = {
  q_proj: "attn_q",
  k_proj: "attn_k",
  v_proj: "attn_v",
  o_proj: "attn_output",
  gate_proj: "ffn_gate",
  up_proj: "ffn_up",
  down_proj: "ffn_down",
};

/**
 * A head's rows as llama.cpp wants them: it rotates neighbours (2j, 2j + 1), Hugging Face's layout rotates halves (j, j + h/2).
 *
 * @param data `[heads · headDim, width]`
 */
export function interleaveHeads(data: Float32Array, heads: number, headDim: number): Float32Array {
  const width = data.length / (heads * headDim);
  const out = new Float32Array(data.length);
  const half = headDim / 2;
  for (let head = 0; head < heads; head++)
    for (let j = 0; j < half; j++)
      for (const part of [0, 1]) {
        const from = (head * headDim + part * half + j) * width;
        out.set(data.subarray(from, from + width), (head * headDim + 2 * j + part) * width);
      }
  return out;
}

/** Rows of q and k reordered, everything else as it is. */
function reordered(config: ModelConfig, name: ModuleName, data: Float32Array): Float32Array {
  if (name === "q_proj") return interleaveHeads(data, config.heads, config.headDim);
  if (name === "k_proj") return interleaveHeads(data, config.kvHeads, config.headDim);
  return data;
}

/** The tokenizer as llama.cpp reads it: the tokens' texts by number, the first of them a control token. */
export type GgufTokens = { readonly tokens: readonly string[]; readonly eosId: number };

/** Writes a base model of the llama family, its matrices as `type`. @param ropeTheta base of the rotation */
export function writeGgufModel(
  path: string,
  base: { config: ModelConfig; weights: Weights },
  { tokens, eosId }: GgufTokens,
  ropeTheta: number,
  type: GgufType,
): void {
  const { config, weights } = base;
  const weight = (name: string) => {
    const found = weights.get(name);
    if (found === undefined) throw new RangeError(`The checkpoint has no tensor "${name}".`);
    return found;
  };
  const shapes = weightShapes(config);
  const tensor = (name: string, from: string, change = (data: Float32Array) => data): GgufTensor => {
    const shape = shapes.get(from)!;
    return { name, shape, type: shape.length === 1 ? "F32" : type, data: () => change(weight(from)) };
  };
  const tensors: GgufTensor[] = [tensor("token_embd.weight", "model.embed_tokens.weight")];
  for (let layer = 0; layer < config.layers; layer++) {
    tensors.push(
      tensor(`blk.${layer}.attn_norm.weight`, `model.layers.${layer}.input_layernorm.weight`),
      tensor(`blk.${layer}.ffn_norm.weight`, `model.layers.${layer}.post_attention_layernorm.weight`),
    );
    for (const [name, there] of Object.entries(moduleNamesThere) as [ModuleName, string][])
      tensors.push(
        tensor(`blk.${layer}.${there}.weight`, `${modulePath(layer, name)}.weight`, (data) =>
          reordered(config, name, data),
        ),
      );
  }
  tensors.push(tensor("output_norm.weight", "model.norm.weight"));
  if (!config.tied) tensors.push(tensor("output.weight", "lm_head.weight"));
  writeGguf(
    path,
    {
      "general.architecture": { string: "llama" },
      "general.name": { string: "benchmark" },
      "general.file_type": { u32: type === "F32" ? 0 : 7 },
      "llama.block_count": { u32: config.layers },
      "llama.context_length": { u32: config.maxPositions },
      "llama.embedding_length": { u32: config.hidden },
      "llama.feed_forward_length": { u32: config.intermediate },
      "llama.attention.head_count": { u32: config.heads },
      "llama.attention.head_count_kv": { u32: config.kvHeads },
      "llama.attention.layer_norm_rms_epsilon": { f32: config.normEpsilon },
      "llama.rope.freq_base": { f32: ropeTheta },
      "llama.rope.dimension_count": { u32: config.headDim },
      "llama.vocab_size": { u32: config.vocab },
      "tokenizer.ggml.model": { string: "gpt2" },
      "tokenizer.ggml.pre": { string: "gpt-2" },
      "tokenizer.ggml.tokens": { strings: tokens },
      // 3: a control token, 1: an ordinary one.
      "tokenizer.ggml.token_type": { i32s: tokens.map((_, id) => (id === eosId ? 3 : 1)) },
      // llama.cpp asks for merges; nothing is tokenised there, so one will do.
      "tokenizer.ggml.merges": { strings: [`${tokens[1]} ${tokens[2]}`] },
      "tokenizer.ggml.bos_token_id": { u32: eosId },
      "tokenizer.ggml.eos_token_id": { u32: eosId },
    },
    tensors,
  );
}

/** Writes a LoRA adapter, A and B in f32. */
export function writeGgufAdapter(path: string, config: ModelConfig, adapter: Adapter): void {
  const { rank, scale } = adapter.config;
  writeGguf(
    path,
    {
      "general.type": { string: "adapter" },
      "general.architecture": { string: "llama" },
      "adapter.type": { string: "lora" },
      "adapter.lora.alpha": { f32: scale * rank },
    },
    adapterShapes(config, adapter.config).map(({ name, layer, part, shape }) => {
      const module = Object.keys(moduleNamesThere).find((known) => name.includes(known)) as ModuleName;
      return {
        name: `blk.${layer}.${moduleNamesThere[module]}.weight.lora_${part.toLowerCase()}`,
        shape,
        type: "F32",
        data: () => {
          const { data } = adapter.tensors.get(name)!;
          return part === "A" ? data : reordered(config, module, data);
        },
      };
    }),
  );
}
