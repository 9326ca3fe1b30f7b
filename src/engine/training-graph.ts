/**
 * One graph from tokens to loss and back. The same builder makes evaluation graphs (no gradients), LoRA training graphs (gradients
 * summed over the batch), attribution graphs (gradients of each example) and base training graphs (gradients of every weight).
 *
 * Loss falls on chosen positions only. They are named by row numbers into the flattened `[B·S]` positions, so the output projection,
 * the most expensive part at a large vocabulary, is computed just there.
 */
import { type ModelConfig, type ModuleName, moduleNames, moduleShape, weightShapes } from "./config.ts";
import { createGraph, type Value } from "./onnx.ts";
import type { Device } from "./runtime.ts";
import { arithmetic, loraInput, ropeTables, trainingBlocks } from "./transformer.ts";

export type TrainingGraphOptions = {
  config: ModelConfig;
  lora: readonly ModuleName[];
  loraScale: number;
  /** Longest sequence the graph will see. */
  positions: number;
  gradients: "none" | "lora" | "lora-per-example" | "weights";
  /** Which halves of the adapters to differentiate; `["B"]` halves the bytes of a per-example gradient. */
  parts?: readonly ("A" | "B")[];
  /** Also return the logits of the loss positions `[M, V]`. */
  logits?: boolean;
  /** Also return {@link factorOutput}s of the adapted matrices among `parts`. */
  factors?: boolean;
  /** Return only `hidden` `[M, d]`, what the chosen positions hold after the last norm: no output projection, no labels, no loss. */
  hidden?: boolean;
  /**
   * Where the graph will run; the CPU when left out. Gradients of every weight are for the CPU: their sum by token reshapes integers,
   * which ONNX Runtime's WebGPU provider leaves to the CPU.
   */
  device?: Device;
};

export const gradientOutput = (name: string) => `grad:${name}`;
/**
 * Σ v vᵀ over a batch's tokens, for an adapted matrix `[out,in]`: of its inputs at the positions with loss `[in,in]`, or of its outputs' gradients
 * at all positions `[out,out]` (Kronecker factors, Martens and Grosse 2015, arXiv 1503.05671).
 */
export const factorOutput = (name: string, side: "inputs" | "gradients") => `${side}:${name}`;

/**
 * Inputs: `input_ids`, `position_ids` int64 `[B,S]`; `mask` float `[G·S,S]`; `loss_rows` int64 `[M]`, `loss_slots` int64 `[B·S]`
 * (the position's number among the loss rows, or M), `labels` int64 `[M,1]`, `loss_weights` float `[M,1]`; weights; adapters.
 * Outputs: `nll` float `[M]` (unweighted, nats), `logits`, and gradients of Σ weight · nll; or `hidden` alone.
 */
export function trainingGraph(options: TrainingGraphOptions): Uint8Array {
  const { config, device = "cpu" } = options;
  const graph = createGraph();
  const { mul, sub, add, matmul, flat, reshape, logSoftmax } = arithmetic(graph, device);
  const d = config.hidden;
  const base = options.gradients === "weights";
  const perExample = options.gradients === "lora-per-example";

  graph.input("input_ids", "int64", ["B", "S"]);
  graph.input("position_ids", "int64", ["B", "S"]);
  graph.input("mask", "float32", ["GS", "S"]);
  graph.input("loss_rows", "int64", ["M"]);
  for (const [name, shape] of weightShapes(config))
    if (options.hidden !== true || name !== "lm_head.weight") graph.input(name, "float32", shape);
  for (let layer = 0; layer < config.layers; layer++)
    for (const name of options.lora) {
      const [out, inp] = moduleShape(config, name);
      graph.input(loraInput(layer, name, "A"), "float32", ["r", inp]);
      graph.input(loraInput(layer, name, "B"), "float32", [out, "r"]);
    }
  const { cos, sin } = ropeTables(config, options.positions);
  const tableShape = [options.positions, config.headDim / 2];
  graph.initializer("rope_cos", "float32", tableShape, cos);
  graph.initializer("rope_sin", "float32", tableShape, sin);
  graph.initializer(
    "rope_sin_back",
    "float32",
    tableShape,
    sin.map((x) => -x),
  );

  const weightGradients = new Map<string, Value>();
  const parts = options.parts ?? ["A", "B"];
  const moments = new Map<Value, Value>(); // q, k and v read the same input
  function secondMoment(v: Value, rows: "loss_rows" | undefined, alpha: number): Value {
    const known = moments.get(v);
    if (known !== undefined) return known;
    const all = graph.op("Flatten", [v], { axis: 2 }); // [B·S,n]
    const chosen = rows === undefined ? all : graph.op("Gather", [all, rows], { axis: 0 });
    const moment = matmul(chosen, chosen, { transA: 1, alpha });
    moments.set(v, moment);
    return moment;
  }

  const { linear, norm, normBackward, attention } = trainingBlocks(graph, config, {
    lora: options.lora,
    loraScale: options.loraScale,
    perExample,
    parts,
    device,
    onTraffic: options.factors
      ? (layer, name, part, { input, gradient, scale }) => {
          if (!parts.includes(part)) return;
          const [out, inp] = moduleShape(config, name);
          const [rows, columns] = part === "A" ? ["r", inp] : [out, "r"];
          const tensor = loraInput(layer, name, part);
          const inputs = secondMoment(input, "loss_rows", 1);
          const gradients = secondMoment(gradient, undefined, scale * scale);
          graph.output(inputs, factorOutput(tensor, "inputs"), "float32", [columns, columns]);
          graph.output(gradients, factorOutput(tensor, "gradients"), "float32", [rows, rows]);
        }
      : undefined,
    onWeight: base ? (name, value) => weightGradients.set(name, value) : undefined,
    onLora: options.gradients.startsWith("lora")
      ? (layer, name, part, value) => {
          const [out, inp] = moduleShape(config, name);
          const shape = part === "A" ? ["r", inp] : [out, "r"];
          graph.output(
            value,
            gradientOutput(loraInput(layer, name, part)),
            "float32",
            perExample ? ["B", ...shape] : shape,
          );
        }
      : undefined,
  });

  const embedding = "model.embed_tokens.weight";
  const head = config.tied ? embedding : "lm_head.weight";

  // Forward.
  let x: Value = graph.op("Gather", [embedding, "input_ids"], { axis: 0 }); // [B,S,d]
  const layers = Array.from({ length: config.layers }, (_, layer) => {
    const module = Object.fromEntries(moduleNames.map((name) => [name, linear(layer, name)])) as Record<
      ModuleName,
      ReturnType<typeof linear>
    >;
    const inputNorm = `model.layers.${layer}.input_layernorm.weight`;
    const postNorm = `model.layers.${layer}.post_attention_layernorm.weight`;
    const before = x;
    const n1 = norm(before, inputNorm);
    const q = module.q_proj.forward(n1.y);
    const k = module.k_proj.forward(n1.y);
    const v = module.v_proj.forward(n1.y);
    const att = attention(layer, q.y, k.y, v.y);
    const o = module.o_proj.forward(att.out);
    const middle = add(before, o.y);
    const n2 = norm(middle, postNorm);
    const gate = module.gate_proj.forward(n2.y);
    const up = module.up_proj.forward(n2.y);
    const sigmoid = graph.op("Sigmoid", [gate.y]);
    const silu = mul(gate.y, sigmoid);
    const act = mul(silu, up.y); // [B,S,f]
    const down = module.down_proj.forward(act);
    x = add(middle, down.y);

    /** ∂x out of the layer → ∂x into it; undefined for the first layer when nothing below needs it. */
    const backward = (dx: Value, wantInput: boolean): Value | undefined => {
      const shape = (name: ModuleName) => moduleShape(config, name);
      const dAct = module.down_proj.backward(dx, act, down.xa, shape("down_proj"), true) as Value;
      const dUp = mul(dAct, silu);
      // silu'(g) = σ(g) (1 + g (1 − σ(g)))
      const slope = mul(sigmoid, add(graph.scalar(1), mul(gate.y, sub(graph.scalar(1), sigmoid))));
      const dGate = mul(mul(dAct, up.y), slope);
      const dN2 = add(
        module.gate_proj.backward(dGate, n2.y, gate.xa, shape("gate_proj"), true) as Value,
        module.up_proj.backward(dUp, n2.y, up.xa, shape("up_proj"), true),
      );
      const dMiddle = add(dx, normBackward(dN2, middle, n2.inverse, postNorm, d));
      const dAtt = module.o_proj.backward(dMiddle, att.out, o.xa, shape("o_proj"), true) as Value;
      const { dq, dk, dv } = att.backward(dAtt);
      const fromQ = module.q_proj.backward(dq, n1.y, q.xa, shape("q_proj"), wantInput);
      const fromK = module.k_proj.backward(dk, n1.y, k.xa, shape("k_proj"), wantInput);
      const fromV = module.v_proj.backward(dv, n1.y, v.xa, shape("v_proj"), wantInput);
      if (!wantInput) return undefined;
      return add(dMiddle, normBackward(add(fromQ as Value, fromK, fromV), before, n1.inverse, inputNorm, d));
    };
    return { backward };
  });

  // Loss at M chosen positions.
  const chosen = graph.op("Gather", [flat(x, d), "loss_rows"], { axis: 0 }); // [M,d]
  const last = norm(reshape(chosen, [1, -1, d]), "model.norm.weight"); // [1,M,d]
  if (options.hidden === true) {
    graph.output(flat(last.y, d), "hidden", "float32", ["M", d]);
    return graph.build();
  }
  graph.input("labels", "int64", ["M", 1]);
  const logits = matmul(flat(last.y, d), head, { transB: 1 }); // [M,V]
  if (options.logits === true) graph.output(logits, "logits", "float32", ["M", config.vocab]);
  const logP = logSoftmax(logits);
  const nll = graph.op("Neg", [graph.op("GatherElements", [logP, "labels"], { axis: -1 })]); // [M,1]
  graph.output(reshape(nll, [-1]), "nll", "float32", ["M"]);
  if (options.gradients === "none") return graph.build();

  // Backward: ∂logits = weight · (softmax − one-hot).
  graph.input("loss_slots", "int64", ["BS"]);
  graph.input("loss_weights", "float32", ["M", 1]);
  const p = mul(graph.op("Exp", [logP]), "loss_weights"); // [M,V]
  const minusOne = mul(graph.scalar(-1), "loss_weights");
  const dLogits = graph.op("ScatterElements", [p, "labels", minusOne], { axis: 1, reduction: "add" });
  const dLast = reshape(matmul(dLogits, head), [1, -1, d]);
  if (base) weightGradients.set(head, matmul(dLogits, flat(last.y, d), { transA: 1 })); // [V,d]
  const dChosen = normBackward(dLast, reshape(chosen, [1, -1, d]), last.inverse, "model.norm.weight", d);
  const zeroRow = graph.initializer("zero_row", "float32", [1, d], new Float32Array(d));
  const spread = graph.op(
    "Gather",
    [graph.op("Concat", [flat(dChosen, d), zeroRow], { axis: 0 }), "loss_slots"],
    { axis: 0 },
  );
  let dx: Value | undefined = graph.op("Reshape", [spread, graph.op("Shape", [x])]); // [B,S,d]
  for (let layer = config.layers - 1; layer >= 0; layer--)
    dx = layers[layer]?.backward(dx as Value, layer > 0 || base);

  if (base) {
    // The embedding's gradient: rows of ∂x added up by token, on top of the output projection's when the two are tied.
    const zeros = graph.op("Sub", [embedding, embedding]);
    const start = config.tied ? (weightGradients.get(head) as Value) : zeros;
    const tokens = graph.op("Reshape", ["input_ids", graph.ints([-1, 1])]);
    weightGradients.set(
      embedding,
      graph.op("ScatterND", [start, tokens, flat(dx as Value, d)], { reduction: "add" }),
    );
    for (const [name, shape] of weightShapes(config))
      graph.output(weightGradients.get(name) as Value, gradientOutput(name), "float32", shape);
  }
  return graph.build();
}
