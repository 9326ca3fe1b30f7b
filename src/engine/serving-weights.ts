/**
 * A checkpoint's weights inside a serving graph, in the precision asked for. Only what linear layers and the output head multiply by
 * is ever quantized; embeddings are looked up, norms and biases added, in float32.
 */
import type { Weights } from "./checkpoint.ts";
import { type ModelConfig, weightShapes } from "./config.ts";
import type { Graph, Value } from "./onnx.ts";
import { type Precision, type QuantizeOptions, quantize } from "./quantize.ts";
import type { arithmetic } from "./transformer.ts";

/**
 * Measured on SmolLM2-135M's shapes and `models/openledger-tiny`. int8: blocks of 32 are slower than float32 from 16 rows on, blocks of 64
 * are not; of 128, results of a row depend on how many rows run beside it (the kernel adds in another order). int4: blocks of 32 cost
 * 1.1 % of perplexity, of 64 2 %; zeros of their own bring as much as the best of several scales.
 */
const quantizations: Record<Exclude<Precision, "f32">, QuantizeOptions> = {
  int8: { bits: 8, block: 64, asymmetric: false },
  int4: { bits: 4, block: 32, asymmetric: true },
};

const embedding = "model.embed_tokens.weight";

/** Puts the weights into `graph`. @returns y = x Wᵀ, x `[…, in]`, for a weight `[out, in]` by its checkpoint name */
export function servingWeights(
  graph: Graph,
  config: ModelConfig,
  weights: Weights,
  precision: Precision,
  matmul: ReturnType<typeof arithmetic>["matmul"],
): (x: Value, name: string) => Value {
  const shapes = weightShapes(config);
  const data = (name: string) => weights.get(name) as Float32Array;
  for (const [name, shape] of shapes)
    if (precision === "f32" || shape.length === 1 || name === embedding)
      graph.initializer(name, "float32", shape, data(name));
  if (precision === "f32") return (x, name) => matmul(x, name, { transB: 1 });

  return (x, name) => {
    const [N, K] = shapes.get(name) as readonly [number, number];
    const { bits, block, codes, scales, zeros } = quantize(data(name), [N, K], quantizations[precision]);
    const blocks = Math.ceil(K / block);
    const inputs = [
      x,
      graph.initializer(`${name}.codes`, "uint8", [N, blocks, (block * bits) / 8], codes),
      graph.initializer(`${name}.scales`, "float32", [N, blocks], scales),
    ];
    if (zeros !== undefined)
      inputs.push(graph.initializer(`${name}.zeros`, "uint8", [N, zeros.length / N], zeros));
    // Level 4: inputs are rounded to 8 bits, block by block, and products summed as integers. Without it, int8 is 150 times slower.
    const how = { N, K, bits, block_size: block, accuracy_level: 4 };
    return graph.op("MatMulNBits", inputs, how, "com.microsoft");
  };
}
