/**
 * The serving graph: prefill and decode in one, a different adapter for every row of the batch.
 *
 * Adapters of one module lie stacked in pools, A `[slots, in, r]` and B `[slots, r, out]` (scale folded in); each row gathers its own
 * (the batched form of Punica, arXiv 2310.18547, and S-LoRA, arXiv 2311.03285). Slot 0 holds zeros: the base model. The KV cache is read
 * as an input and only new rows are returned, because ONNX Runtime copies outputs.
 *
 * Shapes: B rows, S new positions, T cached positions, K key/value heads, G = heads / K, h head dimension.
 */
import type { Weights } from "./checkpoint.ts";
import { headNorm, type ModelConfig, type ModuleName, modulePath, moduleShape } from "./config.ts";
import { createGraph, type Value } from "./onnx.ts";
import type { Precision } from "./quantize.ts";
import type { Device } from "./runtime.ts";
import { servingWeights } from "./serving-weights.ts";
import { arithmetic, ropeTables } from "./transformer.ts";

export const poolInput = (layer: number, name: ModuleName, part: "A" | "B") =>
  `${modulePath(layer, name)}.pool_${part}`;
export const cacheInput = (layer: number, part: "k" | "v") => `past.${layer}.${part}`;
export const cacheOutput = (layer: number, part: "k" | "v") => `new.${layer}.${part}`;

/**
 * Inputs: `input_ids`, `position_ids` int64 `[B,S]`; `bias` float `[B,1,G·S,T+S]`, 0 where a query may look; `split` int64 `[2]` = T, S;
 * `last` int64 `[B,1]`, the position to predict from; `slots` int64 `[B]`; pools; caches `[B,K,T,h]`.
 * Outputs: `logits` `[B,V]` and new cache rows `[B,K,S,h]`.
 */
export function decodingGraph(
  config: ModelConfig,
  weights: Weights,
  modules: readonly ModuleName[],
  positions: number,
  precision: Precision = "f32",
  device: Device = "cpu",
): Uint8Array {
  const graph = createGraph();
  const { mul, add, matmul, reshape } = arithmetic(graph, device);
  const { heads: H, kvHeads: K, headDim: h, hidden: d } = config;
  const { embed, product } = servingWeights(graph, config, weights, precision, matmul);
  const { cos, sin } = ropeTables(config, positions);
  graph.initializer("rope_cos", "float32", [positions, h / 2], cos);
  graph.initializer("rope_sin", "float32", [positions, h / 2], sin);
  graph.input("input_ids", "int64", ["B", "S"]);
  graph.input("position_ids", "int64", ["B", "S"]);
  graph.input("bias", "float32", ["B", 1, "GS", "TS"]);
  graph.input("split", "int64", [2]);
  graph.input("last", "int64", ["B", 1]);
  if (modules.length > 0) graph.input("slots", "int64", ["B"]);

  const swap = (x: Value) => graph.op("Transpose", [x], { perm: [0, 2, 1, 3] });
  const rotate = (x: Value) =>
    graph.op("RotaryEmbedding", [x, "position_ids", "rope_cos", "rope_sin"], {}, "com.microsoft");
  const norm = (x: Value, weight: string) =>
    graph.op("SimplifiedLayerNormalization", [x, weight], {
      axis: -1,
      epsilon: { float: config.normEpsilon },
      stash_type: 1,
    });

  function linear(layer: number, name: ModuleName, x: Value): Value {
    const path = modulePath(layer, name);
    const bias = config.biases.includes(name) ? `${path}.bias` : undefined;
    const base = add(product(x, `${path}.weight`), bias);
    if (!modules.includes(name)) return base;
    const [out, inp] = moduleShape(config, name);
    const a = graph.input(poolInput(layer, name, "A"), "float32", ["slots", inp, "r"]);
    const b = graph.input(poolInput(layer, name, "B"), "float32", ["slots", "r", out]);
    const own = (pool: Value) => graph.op("Gather", [pool, "slots"], { axis: 0 });
    return add(base, graph.op("MatMul", [graph.op("MatMul", [x, own(a)]), own(b)]));
  }

  /** A projection `[B,S,n·h]` as rotated heads `[B,n,S,h]`, normed before where the family does. */
  function rotatedHeads(layer: number, part: "q" | "k", x: Value, n: number): Value {
    const heads = swap(reshape(x, [0, 0, n, h]));
    return rotate(config.qkNorm ? norm(heads, headNorm(layer, part)) : heads);
  }

  let x: Value = embed("input_ids");
  for (let layer = 0; layer < config.layers; layer++) {
    const n1 = norm(x, `model.layers.${layer}.input_layernorm.weight`);
    const q = reshape(rotatedHeads(layer, "q", linear(layer, "q_proj", n1), H), [0, K, -1, h]); // [B,K,G·S,h]
    const k = rotatedHeads(layer, "k", linear(layer, "k_proj", n1), K); // [B,K,S,h]
    const v = swap(reshape(linear(layer, "v_proj", n1), [0, 0, K, h]));
    graph.output(k, cacheOutput(layer, "k"), "float32", ["B", K, "S", h]);
    graph.output(v, cacheOutput(layer, "v"), "float32", ["B", K, "S", h]);
    const pastK = graph.input(cacheInput(layer, "k"), "float32", ["B", K, "T", h]);
    const pastV = graph.input(cacheInput(layer, "v"), "float32", ["B", K, "T", h]);
    const scaled = { transB: 1, axes: 4, alpha: 1 / Math.sqrt(h) } as const;
    const scores = graph.op("Concat", [matmul(q, pastK, scaled), matmul(q, k, scaled)], { axis: -1 });
    const p = graph.op("Softmax", [add(scores, "bias")], { axis: -1 });
    const [pPast, pNew] = graph.ops("Split", [p, "split"], 2, { axis: -1 }) as [Value, Value];
    const mixed = add(graph.op("MatMul", [pPast, pastV]), graph.op("MatMul", [pNew, v])); // [B,K,G·S,h]
    const joined = reshape(swap(reshape(mixed, [0, H, -1, h])), [0, 0, H * h]);
    const middle = add(x, linear(layer, "o_proj", joined));
    const n2 = norm(middle, `model.layers.${layer}.post_attention_layernorm.weight`);
    const gate = linear(layer, "gate_proj", n2);
    const act = mul(mul(gate, graph.op("Sigmoid", [gate])), linear(layer, "up_proj", n2));
    x = add(middle, linear(layer, "down_proj", act));
  }
  const chosen = graph.op("GatherND", [x, "last"], { batch_dims: 1 }); // [B,d]
  const final = reshape(norm(reshape(chosen, [0, 1, d]), "model.norm.weight"), [-1, d]);
  const head = config.tied ? "model.embed_tokens.weight" : "lm_head.weight";
  graph.output(product(final, head), "logits", "float32", ["B", config.vocab]);
  return graph.build();
}
