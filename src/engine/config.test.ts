/** `config.json` as the hub has it: what is read, and what is refused by name. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { formatConfig, type ModelConfig, parseConfig, weightShapes } from "./config.ts";

const written = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  num_hidden_layers: 2,
  hidden_size: 32,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 48,
  vocab_size: 64,
  rms_norm_eps: 1e-5,
  max_position_embeddings: 8192,
};
const qwen3 = { ...written, architectures: ["Qwen3ForCausalLM"], model_type: "qwen3" };
const mistral = { ...written, architectures: ["MistralForCausalLM"], model_type: "mistral" };
const qwen2 = { ...written, architectures: ["Qwen2ForCausalLM"], model_type: "qwen2" };
const llama3 = {
  rope_type: "llama3",
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 1024,
};

test("rope is read as transformers 4 and 5 write it", () => {
  const scaling = {
    kind: "llama3",
    factor: 8,
    lowFrequencyFactor: 1,
    highFrequencyFactor: 4,
    originalPositions: 1024,
  };
  const rope = (more: object) => parseConfig({ ...written, ...more }).rope;
  assert.deepEqual(rope({}), { theta: 10_000 });
  assert.deepEqual(rope({ rope_theta: 5e5, rope_scaling: null }), { theta: 5e5 });
  assert.deepEqual(rope({ rope_theta: 5e5, rope_scaling: llama3 }), { theta: 5e5, scaling });
  assert.deepEqual(rope({ rope_parameters: { ...llama3, rope_theta: 5e5 } }), { theta: 5e5, scaling });
  assert.deepEqual(rope({ rope_scaling: { type: "linear", factor: 4 } }), {
    theta: 10_000,
    scaling: { kind: "linear", factor: 4 },
  });
});

test("a model is what formatConfig says of it, in every family", () => {
  const configs: ModelConfig[] = [
    parseConfig(written),
    parseConfig({ ...written, attention_bias: true, mlp_bias: true, rope_scaling: llama3 }),
    parseConfig({ ...written, attention_bias: true, rope_scaling: { rope_type: "linear", factor: 2 } }),
    parseConfig({ ...qwen2, tie_word_embeddings: true }),
    parseConfig({ ...qwen3, attention_bias: true }),
    parseConfig({ ...mistral, sliding_window: null }),
  ];
  for (const config of configs)
    assert.deepEqual(parseConfig(formatConfig(config, { bos: 1, eos: 2 })), config);
});

test("biases and head norms are tensors of the families that have them", () => {
  const extra = (json: object) =>
    [...weightShapes(parseConfig({ ...json, num_hidden_layers: 1 }))]
      .filter(([name]) => name.endsWith("bias") || /[qk]_norm/.test(name))
      .map(([name, shape]) => `${name.split(".").slice(-2).join(".")} ${shape}`);
  assert.deepEqual(extra(written), []);
  assert.deepEqual(extra(qwen2), ["q_proj.bias 32", "k_proj.bias 16", "v_proj.bias 16"]);
  assert.deepEqual(extra(qwen3), ["q_norm.weight 128", "k_norm.weight 128"]);
  assert.deepEqual(extra({ ...written, mlp_bias: true }), [
    "gate_proj.bias 48",
    "up_proj.bias 48",
    "down_proj.bias 32",
  ]);
  assert.deepEqual(extra({ ...mistral, attention_bias: true }), [], "Mistral's class knows no biases");
});

test("a sliding window bounds the context: within it full attention is the same", () => {
  const positions = (json: object) => parseConfig(json).maxPositions;
  assert.equal(positions(mistral), 4096);
  assert.equal(positions({ ...mistral, sliding_window: null }), 8192);
  assert.equal(positions({ ...mistral, sliding_window: 100 }), 100);
  assert.equal(positions({ ...qwen2, sliding_window: 100 }), 8192);
  assert.equal(positions({ ...qwen2, sliding_window: 100, use_sliding_window: true }), 100);
});

for (const [what, json, message] of [
  ["another family", { ...written, model_type: "gpt2" }, /"gpt2".*"llama" \(LlamaForCausalLM\).*"mistral"/],
  [
    "another head",
    { ...written, architectures: ["LlamaForSequenceClassification"] },
    /LlamaForSequenceClassification.*Supported/,
  ],
  ["no family", { hidden_size: 32 }, /no model_type/],
  ["yarn", { ...qwen2, rope_scaling: { type: "yarn", factor: 4 } }, /"yarn" rope scaling.*supported/],
  ["longrope", { ...written, rope_parameters: { rope_type: "longrope" } }, /"longrope" rope scaling/],
  ["dynamic", { ...written, rope_scaling: { type: "dynamic", factor: 2 } }, /"dynamic" rope scaling/],
  ["half a scaling", { ...written, rope_scaling: { rope_type: "llama3", factor: 8 } }, /no low_freq_factor/],
  ["crossed bounds", { ...written, rope_scaling: { ...llama3, low_freq_factor: 4 } }, /not above/],
  ["partial rotation", { ...written, partial_rotary_factor: 0.5 }, /0\.5 of each head/],
  ["another activation", { ...written, hidden_act: "gelu" }, /"gelu"/],
  ["quantised weights", { ...written, quantization_config: { quant_method: "gptq" } }, /quantised/],
  ["attention both ways", { ...qwen2, is_causal: false }, /looks ahead/],
  ["heads that do not divide", { ...written, num_key_value_heads: 3 }, /4 heads over 3/],
  ["a lying size", { ...written, hidden_size: 1e9 }, /hidden_size/],
] as const)
  test(`${what} is refused by name`, () => {
    assert.throws(() => parseConfig(json), { name: "UnsupportedModelError", message });
  });
