/**
 * A checkpoint's weights inside a serving graph, in the precision asked for. What linear layers and the output head multiply by, and the
 * rows that tokens are looked up in, are quantized; norms and biases are not.
 */
import type { Weights } from "./checkpoint.ts";
import { type ModelConfig, weightShapes } from "./config.ts";
import type { Graph, Value } from "./onnx.ts";
import { type Precision, type QuantizeOptions, quantize } from "./quantize.ts";
import type { arithmetic } from "./transformer.ts";

/**
 * Measured on SmolLM2-135M's shapes and `models/openledger-tiny`. int8: blocks of 32 are slower than float32 from 16 rows on, blocks of 64
 * are not; of 128, results of a row depend on how many rows run beside it (the kernel adds in another order). int4 is for linear
 * layers only: it raises perplexity by 0.4 %, with a head in 4 bits by 1.7 %, with blocks of 64 by 0.8 %. A zero for every block brings as
 * much as the best of several scales.
 */
const quantizations: Record<Exclude<Precision, "f32">, QuantizeOptions> = {
  int8: { bits: 8, block: 64, asymmetric: false },
  int4: { bits: 4, block: 32, asymmetric: true },
};

const embedding = "model.embed_tokens.weight";

/** {@link quantize}, and the weight's name where it is refused. */
function rounded(name: string, ...given: Parameters<typeof quantize>) {
  try {
    return quantize(...given);
  } catch (cause) {
    throw new RangeError(`${name}: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Puts the weights into `graph`.
 *
 * @returns `embed`: token ids `[…]` → their rows `[…, d]`; `product`: y = x [W₁; W₂; …]ᵀ, x `[…, in]`, for weights
 * `[out, in]` by their checkpoint names, in one product
 */
export function servingWeights(
  graph: Graph,
  config: ModelConfig,
  weights: Weights,
  precision: Precision,
  matmul: ReturnType<typeof arithmetic>["matmul"],
) {
  const shapes = weightShapes(config);
  const data = (name: string) => weights.get(name) as Float32Array;
  const exact = precision === "f32";
  const head = config.tied ? embedding : "lm_head.weight";
  /** The operator pads rows for products, but not for looking up. */
  const exactRows = exact || config.hidden % quantizations.int8.block !== 0;
  for (const [name, shape] of shapes)
    if ((shape.length === 1 && !name.endsWith(".bias")) || (exactRows && name === embedding))
      graph.initializer(name, "float32", shape, data(name));

  /** In 8 bits, like the head, even where linear weights are in 4. */
  function embed(ids: Value): Value {
    if (exactRows) return graph.op("Gather", [embedding, ids], { axis: 0 });
    const [V, d] = [config.vocab, config.hidden];
    const { codes, scales, block, shape } = rounded(embedding, data(embedding), [V, d], quantizations.int8);
    const from = [
      graph.initializer(`${embedding}.row_codes`, "uint8", shape, codes),
      ids,
      graph.initializer(`${embedding}.row_scales`, "float32", [V, d / block], scales),
    ];
    const how = { bits: 8, block_size: block, gather_axis: 0, quantize_axis: 1 };
    return graph.op("GatherBlockQuantized", from, how, "com.microsoft");
  }

  /** Weights that the same input is multiplied by, one below the other. */
  function stacked(names: readonly string[]): { rows: Float32Array; shape: [N: number, K: number] } {
    const parts = names.map(data);
    const K = shapes.get(names[0] as string)?.[1] as number;
    const N = parts.reduce((sum, { length }) => sum + length / K, 0);
    if (parts.length === 1) return { rows: parts[0] as Float32Array, shape: [N, K] };
    const rows = new Float32Array(N * K);
    let at = 0;
    for (const part of parts) {
      rows.set(part, at);
      at += part.length;
    }
    return { rows, shape: [N, K] };
  }

  function product(x: Value, names: readonly string[]): Value {
    const name = names.join("+");
    if (precision === "f32" && name === embedding) return matmul(x, embedding, { transB: 1 });
    const { rows, shape } = stacked(names);
    if (precision === "f32") return matmul(x, graph.initializer(name, "float32", shape, rows), { transB: 1 });
    const [N, K] = shape;
    const options = name === head ? quantizations.int8 : quantizations[precision];
    const { bits, block, codes, scales, zeros } = rounded(name, rows, shape, options);
    const blocks = Math.ceil(K / block);
    const from = [
      x,
      graph.initializer(`${name}.codes`, "uint8", [N, blocks, (block * bits) / 8], codes),
      graph.initializer(`${name}.scales`, "float32", [N, blocks], scales),
    ];
    if (zeros !== undefined)
      from.push(graph.initializer(`${name}.zeros`, "uint8", [N, zeros.length / N], zeros));
    // Level 4: inputs are rounded to 8 bits, block by block, and products summed as integers. Without it, int8 is 150 times slower.
    const how = { N, K, bits, block_size: block, accuracy_level: 4 };
    return graph.op("MatMulNBits", from, how, "com.microsoft");
  }

  return { embed, product };
}
