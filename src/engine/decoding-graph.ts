/**
 * The serving graph: prefill and decode in one, a different adapter for every row of the batch.
 *
 * Every row brings its own adapter (the batched form of Punica, arXiv 2310.18547, and S-LoRA, arXiv 2311.03285; `adapter-rows` says why
 * rows hold them); zeros are the base model. Modules that read the same input are one product. Cached keys and values are an input and
 * only new ones are returned, because ONNX Runtime copies outputs.
 *
 * Shapes: B rows, S new positions, T cached positions, K key/value heads, G = heads / K, h head dimension.
 */

import { moduleGroups, rowsB, stackedA } from "./adapter-rows.ts";
import type { Weights } from "./checkpoint.ts";
import { headNorm, type ModelConfig, type ModuleName, modulePath, moduleShape } from "./config.ts";
import { createGraph, type Value } from "./onnx.ts";
import type { Precision } from "./quantize.ts";
import type { Device } from "./runtime.ts";
import { servingWeights } from "./serving-weights.ts";
import { arithmetic, ropeTables } from "./transformer.ts";

export const cacheInput = (layer: number, part: "k" | "v") => `past.${layer}.${part}`;
export const cacheOutput = (layer: number, part: "k" | "v") => `new.${layer}.${part}`;
/** WebGPU only: the cache with the new rows in it, for the next step. */
export const nextCacheOutput = (layer: number, part: "k" | "v") => `next.${layer}.${part}`;

/**
 * Inputs: `input_ids`, `position_ids` int64 `[B,S]`; `bias` float `[B,1,G·S,T+S]`, 0 where a query may look; `split` int64 `[2]` = T, S;
 * `last` int64 `[B,1]`, the position to predict from; every row's adapter, as `adapter-rows` names and lays it out; caches `[B,K,T,h]`.
 * Outputs: `logits` `[B,V]` and new cache rows `[B,K,S,h]`.
 *
 * On WebGPU caches stay on the device: with `place` float `[B,1,T,S]`, 1 where a new row belongs, the graph also returns the next step's
 * caches `[B,K,T,h]`; and new rows as one output `new` `[2·layers,B,K,S,h]`, since each output that is read waits for the device.
 */
export function decodingGraph(
  config: ModelConfig,
  weights: Weights,
  options: {
    readonly modules: readonly ModuleName[];
    readonly positions: number;
    readonly precision?: Precision | undefined;
    readonly device?: Device | undefined;
  },
): Uint8Array {
  const { modules, positions, precision = "f32", device = "cpu" } = options;
  const graph = createGraph();
  const { mul, add, matmul, reshape, norm: normed } = arithmetic(graph, device);
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
  if (device === "webgpu") graph.input("place", "float32", ["B", 1, "T", "S"]);

  const swap = (x: Value) => graph.op("Transpose", [x], { perm: [0, 2, 1, 3] });
  const rotate = (x: Value) =>
    graph.op("RotaryEmbedding", [x, "position_ids", "rope_cos", "rope_sin"], {}, "com.microsoft");
  const norm = (x: Value, weight: string) => normed(x, weight, config.normEpsilon).y;

  /** Biases of modules that read the same input as one `[Σ out]`, where any of them has one. */
  function stackedBias(layer: number, names: readonly ModuleName[]): Value | undefined {
    if (!names.some((name) => config.biases.includes(name))) return undefined;
    const bias = names.flatMap((name) => [
      ...(weights.get(`${modulePath(layer, name)}.bias`) ?? new Float32Array(moduleShape(config, name)[0])),
    ]);
    const name = `${modulePath(layer, names[0] as ModuleName)}.stacked_bias`;
    return graph.initializer(name, "float32", [bias.length], Float32Array.from(bias));
  }

  /** The modules `names`, which all read x, each row under its own adapter. */
  function linear(layer: number, names: readonly ModuleName[], x: Value): Value[] {
    const outs = names.map((name) => moduleShape(config, name)[0]);
    const all = add(
      product(
        x,
        names.map((name) => `${modulePath(layer, name)}.weight`),
      ),
      stackedBias(layer, names),
    );
    const ys =
      names.length === 1 ? [all] : graph.ops("Split", [all, graph.ints(outs)], names.length, { axis: -1 });
    const adapted = names.filter((name) => modules.includes(name));
    if (adapted.length === 0) return ys;
    const inp = moduleShape(config, names[0] as ModuleName)[1];
    const a = graph.input(stackedA(layer, adapted), "float32", ["B", `${adapted.length}r`, inp]);
    const xa = matmul(x, a, { transB: 1, axes: 3 }); // [B,S,n·r]
    const xas =
      adapted.length === 1
        ? [xa]
        : graph.ops("Split", [xa], adapted.length, { axis: -1, num_outputs: adapted.length });
    return names.map((name, i) => {
      const at = adapted.indexOf(name);
      if (at < 0) return ys[i] as Value;
      const b = graph.input(rowsB(layer, name), "float32", ["B", "r", outs[i] as number]);
      return add(ys[i] as Value, graph.op("MatMul", [xas[at] as Value, b]));
    });
  }

  /** A projection `[B,S,n·h]` as rotated heads `[B,n,S,h]`, normed before where the family does. */
  function rotatedHeads(layer: number, part: "q" | "k", x: Value, n: number): Value {
    const heads = swap(reshape(x, [0, 0, n, h]));
    return rotate(config.qkNorm ? norm(heads, headNorm(layer, part)) : heads);
  }

  const fresh: Value[] = [];
  /** The cache of a layer's keys or values, and outputs that continue it with the new rows. */
  function cached(layer: number, part: "k" | "v", rows: Value): Value {
    const past = graph.input(cacheInput(layer, part), "float32", ["B", K, "T", h]);
    if (device === "cpu") graph.output(rows, cacheOutput(layer, part), "float32", ["B", K, "S", h]);
    else {
      fresh.push(graph.op("Unsqueeze", [rows, graph.ints([0])]));
      const next = add(past, matmul("place", rows)); // free positions of a cache are zero
      graph.output(next, nextCacheOutput(layer, part), "float32", ["B", K, "T", h]);
    }
    return past;
  }

  let x: Value = embed("input_ids");
  for (let layer = 0; layer < config.layers; layer++) {
    const n1 = norm(x, `model.layers.${layer}.input_layernorm.weight`);
    const [q0, k0, v0] = linear(layer, moduleGroups[0], n1) as [Value, Value, Value];
    const q = reshape(rotatedHeads(layer, "q", q0, H), [0, K, -1, h]); // [B,K,G·S,h]
    const k = rotatedHeads(layer, "k", k0, K); // [B,K,S,h]
    const v = swap(reshape(v0, [0, 0, K, h]));
    const pastK = cached(layer, "k", k);
    const pastV = cached(layer, "v", v);
    const scaled = { transB: 1, alpha: 1 / Math.sqrt(h), axes: 4 } as const;
    const scores = graph.op("Concat", [matmul(q, pastK, scaled), matmul(q, k, scaled)], { axis: -1 });
    const p = graph.op("Softmax", [add(scores, "bias")], { axis: -1 });
    const [pPast, pNew] = graph.ops("Split", [p, "split"], 2, { axis: -1 }) as [Value, Value];
    const mixed = add(graph.op("MatMul", [pPast, pastV]), graph.op("MatMul", [pNew, v])); // [B,K,G·S,h]
    const joined = reshape(swap(reshape(mixed, [0, H, -1, h])), [0, 0, H * h]);
    const middle = add(x, ...linear(layer, moduleGroups[1], joined));
    const n2 = norm(middle, `model.layers.${layer}.post_attention_layernorm.weight`);
    const [gate, up] = linear(layer, moduleGroups[2], n2) as [Value, Value];
    const act = mul(mul(gate, graph.op("Sigmoid", [gate])), up);
    x = add(middle, ...linear(layer, moduleGroups[3], act));
  }
  const chosen = graph.op("GatherND", [x, "last"], { batch_dims: 1 }); // [B,d]
  const final = reshape(norm(reshape(chosen, [0, 1, d]), "model.norm.weight"), [-1, d]);
  const head = config.tied ? "model.embed_tokens.weight" : "lm_head.weight";
  graph.output(product(final, [head]), "logits", "float32", ["B", config.vocab]);
  if (device === "webgpu")
    graph.output(graph.op("Concat", fresh, { axis: 0 }), "new", "float32", [fresh.length, "B", K, "S", h]);
  return graph.build();
}
