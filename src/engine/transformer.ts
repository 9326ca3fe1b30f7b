/**
 * The transformer block of Llama, Qwen and Mistral as ONNX nodes: forward, and backward derived by hand, both in one place so that they can be read side by side.
 *
 * Shapes are in comments: B rows, S positions, d hidden, H heads, K key/value heads, h head dimension, f MLP width, r LoRA rank,
 * G = H / K. Weights have the checkpoint's own layout `[out, in]`, so y = x Wᵀ and ∂x = ∂y W, both without a copy.
 * LoRA matrices have PEFT's layout, A `[r, in]` and B `[out, r]`: y = x Wᵀ + s (x Aᵀ) Bᵀ (Hu et al. 2021, arXiv 2106.09685).
 */
import { headNorm, type ModelConfig, type ModuleName, modulePath, type Rope } from "./config.ts";
import type { Graph, Value } from "./onnx.ts";
import type { Device } from "./runtime.ts";

const microsoft = "com.microsoft";

/** Names of the graph inputs that hold one module's adapter. */
export const loraInput = (layer: number, name: ModuleName, part: "A" | "B") =>
  `${modulePath(layer, name)}.lora_${part}`;

/**
 * Small arithmetic on values of one graph, in operators that the device runs itself. ONNX Runtime's WebGPU provider has no `FusedMatMul`
 * and no `LogSoftmax`, and the second output of its `SimplifiedLayerNormalization` is not 1 / rms, so these are written out there.
 */
export function arithmetic(graph: Graph, device: Device) {
  const mul = (a: Value, b: Value) => graph.op("Mul", [a, b]);
  const sub = (a: Value, b: Value) => graph.op("Sub", [a, b]);
  const add = (first: Value, ...rest: (Value | undefined)[]) =>
    rest.reduce<Value>((sum, item) => (item === undefined ? sum : graph.op("Add", [sum, item])), first);
  const reshape = (x: Value, dims: readonly number[]) => graph.op("Reshape", [x, graph.ints(dims)]);
  /**
   * α · op(a) op(b), the last two axes transposed on request; `axes` is how many the transposed operand has. A constant that is
   * transposed costs nothing when the graph runs: ONNX Runtime folds it.
   */
  const matmul = (
    a: Value,
    b: Value,
    how: { transA?: 1; transB?: 1; alpha?: number; axes?: 2 | 3 | 4 } = {},
  ) => {
    const { alpha, axes = 2, ...transposes } = how;
    if (device === "webgpu") {
      const perm = [...[0, 1].slice(0, axes - 2), axes - 1, axes - 2];
      const turned = (x: Value, turn: 1 | undefined) => (turn ? graph.op("Transpose", [x], { perm }) : x);
      const product = graph.op("MatMul", [turned(a, how.transA), turned(b, how.transB)]);
      return alpha === undefined ? product : mul(product, graph.scalar(alpha));
    }
    return graph.op(
      "FusedMatMul",
      [a, b],
      { ...transposes, ...(alpha === undefined ? {} : { alpha: { float: alpha } }) },
      microsoft,
    );
  };
  const flat = (x: Value, width: number) => reshape(x, [-1, width]);
  const sum = (x: Value, axes: readonly number[], keep: 0 | 1) =>
    graph.op("ReduceSum", [x, graph.ints(axes)], { keepdims: keep });
  const mean = (x: Value) => graph.op("ReduceMean", [x, graph.ints([-1])], { keepdims: 1 });
  /** RMSNorm (Zhang and Sennrich 2019) over the last axis: y = w · x / rms(x). Returns y and 1 / rms. */
  function norm(x: Value, weight: string, epsilon: number): { y: Value; inverse: Value } {
    if (device === "webgpu") {
      const inverse = graph.op("Reciprocal", [
        graph.op("Sqrt", [add(mean(mul(x, x)), graph.scalar(epsilon))]),
      ]);
      return { y: mul(mul(x, inverse), weight), inverse };
    }
    const [y, inverse] = graph.ops("SimplifiedLayerNormalization", [x, weight], 2, {
      axis: -1,
      epsilon: { float: epsilon },
      stash_type: 1,
    });
    return { y: y as Value, inverse: inverse as Value };
  }
  /** log softmax over the last axis. */
  function logSoftmax(x: Value): Value {
    if (device === "cpu") return graph.op("LogSoftmax", [x], { axis: -1 });
    const low = sub(x, graph.op("ReduceMax", [x, graph.ints([-1])], { keepdims: 1 }));
    return sub(low, graph.op("Log", [sum(graph.op("Exp", [low]), [-1], 1)]));
  }
  return { mul, sub, add, reshape, matmul, flat, sum, mean, norm, logSoftmax };
}

export type WeightGradient = (name: string, gradient: Value) => void;
export type LoraGradient = (layer: number, name: ModuleName, part: "A" | "B", gradient: Value) => void;
/** An adapter's half as a layer of its own: what goes into it, the gradient of what comes out, and a constant that the latter lacks. */
export type LoraTraffic = (
  layer: number,
  name: ModuleName,
  part: "A" | "B",
  traffic: { input: Value; gradient: Value; scale: number },
) => void;

export type BlockOptions = {
  /** Modules that carry a LoRA adapter. */
  lora: readonly ModuleName[];
  /** s in y = x Wᵀ + s (x Aᵀ) Bᵀ. */
  loraScale: number;
  /** Receives ∂W `[out, in]` of every base weight, or is left out. */
  onWeight?: WeightGradient | undefined;
  /** Receives ∂A and ∂B of every adapter, or is left out. */
  onLora?: LoraGradient | undefined;
  /** Receives, for every adapter, what its gradients are products of, or is left out. */
  onTraffic?: LoraTraffic | undefined;
  /** Gradients of adapters keep their batch axis. */
  perExample: boolean;
  /** Which adapter halves `onLora` wants. */
  parts: readonly ("A" | "B")[];
  device: Device;
};

/**
 * The building blocks of training graphs for one model. Graph inputs it expects: `position_ids` int64 `[B,S]`, `mask` float
 * `[G·S, S]` (0 or −∞, causal), every weight by its checkpoint name, every adapter by {@link loraInput}.
 */
export function trainingBlocks(graph: Graph, config: ModelConfig, options: BlockOptions) {
  const { mul, sub, add, reshape, matmul, flat, sum, mean, ...own } = arithmetic(graph, options.device);
  const { heads: H, kvHeads: K, headDim: h } = config;
  const swap = (x: Value) => graph.op("Transpose", [x], { perm: [0, 2, 1, 3] });
  const rotate = (x: Value, sine: "rope_sin" | "rope_sin_back") =>
    graph.op("RotaryEmbedding", [x, "position_ids", "rope_cos", sine], {}, microsoft);
  const softmaxScale = 1 / Math.sqrt(h);

  function linear(layer: number, name: ModuleName) {
    const path = modulePath(layer, name);
    const weight = `${path}.weight`;
    const bias = config.biases.includes(name) ? `${path}.bias` : undefined;
    const adapted = options.lora.includes(name);
    const a = loraInput(layer, name, "A");
    const b = loraInput(layer, name, "B");
    const scale = options.loraScale;
    return {
      /** x `[B,S,in]` → y `[B,S,out]`, and x Aᵀ `[B,S,r]` kept for the way back. */
      forward(x: Value): { y: Value; xa?: Value } {
        const base = add(matmul(x, weight, { transB: 1 }), bias);
        if (!adapted) return { y: base };
        const xa = matmul(x, a, { transB: 1 });
        return { y: add(base, matmul(xa, b, { transB: 1, alpha: scale })), xa };
      },
      /** ∂y `[B,S,out]` → ∂x `[B,S,in]`; hands out ∂W = ∂yᵀx, ∂b = Σ ∂y, ∂A = s (∂y B)ᵀx and ∂B = s ∂yᵀ(x Aᵀ). */
      backward(
        dy: Value,
        x: Value,
        xa: Value | undefined,
        shape: readonly [out: number, inp: number],
        wantInput: boolean,
      ) {
        const [out, inp] = shape;
        if (options.onWeight) options.onWeight(weight, matmul(flat(dy, out), flat(x, inp), { transA: 1 }));
        if (options.onWeight && bias) options.onWeight(bias, sum(flat(dy, out), [0], 0));
        const dx = wantInput ? matmul(dy, weight) : undefined;
        if (xa === undefined) return dx;
        const dxa = matmul(dy, b, { alpha: scale });
        if (options.onLora) {
          // Flattened, the product sums over examples too: `[B,S,n]` → `[B·S,n]`.
          const rows = (v: Value) => (options.perExample ? v : graph.op("Flatten", [v], { axis: 2 }));
          const axes = options.perExample ? 3 : 2;
          if (options.parts.includes("A"))
            options.onLora(layer, name, "A", matmul(rows(dxa), rows(x), { transA: 1, axes }));
          if (options.parts.includes("B"))
            options.onLora(layer, name, "B", matmul(rows(dy), rows(xa), { transA: 1, axes, alpha: scale }));
        }
        options.onTraffic?.(layer, name, "A", { input: x, gradient: dxa, scale: 1 });
        options.onTraffic?.(layer, name, "B", { input: xa, gradient: dy, scale });
        return dx === undefined ? undefined : add(dx, matmul(dxa, a));
      },
    };
  }

  const norm = (x: Value, weight: string) => own.norm(x, weight, config.normEpsilon);

  /** With x̂ = x / rms, n wide: ∂x = (w∂y − x̂ mean(w∂y · x̂)) / rms, ∂w = Σ ∂y x̂. */
  function normBackward(dy: Value, x: Value, inverse: Value, weight: string, n: number): Value {
    const unit = mul(x, inverse);
    if (options.onWeight) options.onWeight(weight, sum(flat(mul(dy, unit), n), [0], 0));
    const dUnit = mul(dy, weight);
    return mul(sub(dUnit, mul(unit, mean(mul(dUnit, unit)))), inverse);
  }

  const splitHeads = (x: Value, n: number) => swap(reshape(x, [0, 0, n, h])); // [B,S,n·h] → [B,n,S,h]
  const joinHeads = (x: Value, n: number) => reshape(swap(x), [0, 0, n * h]); // [B,n,S,h] → [B,S,n·h]
  const group = (x: Value) => reshape(x, [0, K, -1, h]); // [B,H,S,h] → [B,K,G·S,h]
  const ungroup = (x: Value) => reshape(x, [0, H, -1, h]);

  /** A projection `[B,S,n·h]` as rotated heads `[B,n,S,h]`, normed before where the family does; and the way back. */
  function rotatedHeads(layer: number, part: "q" | "k", x: Value, n: number) {
    const heads = splitHeads(x, n);
    const weight = headNorm(layer, part);
    const normed = config.qkNorm ? norm(heads, weight) : undefined;
    return {
      y: rotate(normed?.y ?? heads, "rope_sin"),
      /** The rotation's transpose is the rotation by −angle. */
      backward(dy: Value): Value {
        const back = rotate(dy, "rope_sin_back");
        return joinHeads(normed ? normBackward(back, heads, normed.inverse, weight, h) : back, n);
      },
    };
  }

  function attention(layer: number, q0: Value, k0: Value, v0: Value) {
    const rotatedQ = rotatedHeads(layer, "q", q0, H);
    const rotatedK = rotatedHeads(layer, "k", k0, K);
    const q = group(rotatedQ.y);
    const k = rotatedK.y; // [B,K,S,h]
    const v = splitHeads(v0, K);
    const scores = add(matmul(q, k, { transB: 1, axes: 4, alpha: softmaxScale }), "mask"); // [B,K,G·S,S]
    const p = graph.op("Softmax", [scores], { axis: -1 });
    const out = joinHeads(ungroup(matmul(p, v)), H); // [B,S,H·h]
    /** ∂P = ∂O Vᵀ, ∂scores = P (∂P − Σ ∂P·P). */
    const backward = (dOut: Value) => {
      const dO = group(splitHeads(dOut, H));
      const dv = matmul(p, dO, { transA: 1, axes: 4 });
      const dp = matmul(dO, v, { transB: 1, axes: 4 });
      const ds = mul(p, sub(dp, sum(mul(dp, p), [-1], 1)));
      const dq = rotatedQ.backward(ungroup(matmul(ds, k, { alpha: softmaxScale })));
      const dk = rotatedK.backward(matmul(ds, q, { transA: 1, axes: 4, alpha: softmaxScale }));
      return { dq, dk, dv: joinHeads(dv, K) };
    };
    return { out, backward };
  }

  return { linear, norm, normBackward, attention };
}

/**
 * Cosines and sines of rotary positions (Su et al. 2021, arXiv 2104.09864): angle(p, i) = p · f(i), each `[positions, h/2]`.
 * f(i) = θ^(−2i/h), and then
 * - "linear" (Chen et al. 2023, arXiv 2306.15595): f / factor;
 * - "llama3" (Llama 3.1, as `_compute_llama3_parameters` of transformers has it): with λ = 2π / f the wavelength in tokens and L the
 *   original context, f where λ < L / high, f / factor where λ > L / low, and between them (1 − t) f / factor + t f with
 *   t = (L / λ − low) / (high − low).
 */
export function ropeTables(config: ModelConfig, positions: number): { cos: Float32Array; sin: Float32Array } {
  const half = config.headDim / 2;
  const frequencies = Array.from({ length: half }, (_, i) =>
    scaledFrequency(config.rope, config.rope.theta ** ((-2 * i) / config.headDim)),
  );
  const cos = new Float32Array(positions * half);
  const sin = new Float32Array(positions * half);
  for (let p = 0; p < positions; p++)
    for (const [i, frequency] of frequencies.entries()) {
      cos[p * half + i] = Math.cos(p * frequency);
      sin[p * half + i] = Math.sin(p * frequency);
    }
  return { cos, sin };
}

function scaledFrequency({ scaling }: Rope, f: number): number {
  if (scaling === undefined) return f;
  const stretched = f / scaling.factor;
  if (scaling.kind === "linear") return stretched;
  const { lowFrequencyFactor: low, highFrequencyFactor: high, originalPositions } = scaling;
  const turns = (originalPositions * f) / (2 * Math.PI); // L / λ: full turns within the original context
  const t = Math.min(1, Math.max(0, (turns - low) / (high - low)));
  return (1 - t) * stretched + t * f;
}
