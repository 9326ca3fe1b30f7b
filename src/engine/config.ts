/** What a checkpoint's `config.json` says, checked and in this engine's words. */
import { z } from "zod";

export type ModelConfig = {
  readonly layers: number;
  /** Width of the residual stream, d. */
  readonly hidden: number;
  readonly heads: number;
  /** Key/value heads (grouped-query attention); divides `heads`. */
  readonly kvHeads: number;
  readonly headDim: number;
  /** Width of the MLP, f. */
  readonly intermediate: number;
  readonly vocab: number;
  readonly ropeTheta: number;
  readonly normEpsilon: number;
  readonly maxPositions: number;
  /** The output projection is the embedding matrix. */
  readonly tied: boolean;
};

const count = z
  .number()
  .int()
  .positive()
  .max(1 << 24);

const llamaConfig = z.object({
  architectures: z.array(z.string()).optional(),
  model_type: z.string(),
  num_hidden_layers: count,
  hidden_size: count,
  num_attention_heads: count,
  num_key_value_heads: count.optional(),
  head_dim: count.nullish(),
  intermediate_size: count,
  vocab_size: count,
  rope_theta: z.number().positive().optional(),
  rope_parameters: z
    .object({ rope_theta: z.number().positive().optional(), rope_type: z.string().optional() })
    .nullish(),
  rope_scaling: z.unknown().optional(),
  rms_norm_eps: z.number().positive(),
  max_position_embeddings: count,
  tie_word_embeddings: z.boolean().optional(),
  attention_bias: z.boolean().optional(),
  mlp_bias: z.boolean().optional(),
  hidden_act: z.string().optional(),
});

export class UnsupportedModelError extends Error {
  override name = "UnsupportedModelError";
}

/**
 * Reads a Hugging Face `config.json`.
 *
 * @throws UnsupportedModelError when the model is of a family, or uses a feature, that this engine does not run
 */
export function parseConfig(json: unknown): ModelConfig {
  const kind = z.object({ model_type: z.string() }).safeParse(json);
  if (!kind.success)
    throw new UnsupportedModelError(
      "config.json has no model_type: this is not a Hugging Face model folder.",
    );
  if (kind.data.model_type !== "llama")
    throw new UnsupportedModelError(
      `config.json says model_type "${kind.data.model_type}". Supported: "llama".`,
    );
  const parsed = llamaConfig.safeParse(json);
  if (!parsed.success)
    throw new UnsupportedModelError(
      `config.json does not describe a Llama model: ${z.prettifyError(parsed.error)}`,
    );
  const c = parsed.data;
  const refuse = (what: string) =>
    new UnsupportedModelError(`config.json asks for ${what}, which is not supported.`);
  const ropeType = c.rope_parameters?.rope_type ?? "default";
  if (ropeType !== "default" || (c.rope_scaling !== undefined && c.rope_scaling !== null))
    throw refuse("rope scaling");
  if (c.attention_bias === true || c.mlp_bias === true) throw refuse("biases");
  if ((c.hidden_act ?? "silu") !== "silu") throw refuse(`the activation "${c.hidden_act}" (only silu is)`);
  const headDim = c.head_dim ?? c.hidden_size / c.num_attention_heads;
  const kvHeads = c.num_key_value_heads ?? c.num_attention_heads;
  if (!Number.isInteger(headDim) || headDim % 2 !== 0) throw refuse(`a head dimension of ${headDim}`);
  if (c.num_attention_heads % kvHeads !== 0)
    throw refuse(`${c.num_attention_heads} heads over ${kvHeads} key/value heads`);
  return {
    layers: c.num_hidden_layers,
    hidden: c.hidden_size,
    heads: c.num_attention_heads,
    kvHeads,
    headDim,
    intermediate: c.intermediate_size,
    vocab: c.vocab_size,
    ropeTheta: c.rope_parameters?.rope_theta ?? c.rope_theta ?? 10_000,
    normEpsilon: c.rms_norm_eps,
    maxPositions: c.max_position_embeddings,
    tied: c.tie_word_embeddings ?? false,
  };
}

/** The inverse of {@link parseConfig}: a `config.json` that transformers loads. */
export function formatConfig(
  config: ModelConfig,
  tokens: { bos: number; eos: number },
): Record<string, unknown> {
  return {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    num_hidden_layers: config.layers,
    hidden_size: config.hidden,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    intermediate_size: config.intermediate,
    vocab_size: config.vocab,
    rope_theta: config.ropeTheta,
    rms_norm_eps: config.normEpsilon,
    max_position_embeddings: config.maxPositions,
    tie_word_embeddings: config.tied,
    attention_bias: false,
    mlp_bias: false,
    hidden_act: "silu",
    torch_dtype: "float16",
    bos_token_id: tokens.bos,
    eos_token_id: tokens.eos,
  };
}

/** The seven linear modules of a layer, by PEFT's names, in the order everything here lists them. */
export const moduleNames = [
  "q_proj",
  "k_proj",
  "v_proj",
  "o_proj",
  "gate_proj",
  "up_proj",
  "down_proj",
] as const;
export type ModuleName = (typeof moduleNames)[number];

/** `[out, in]` of each linear module, as its weight lies in a checkpoint. */
export function moduleShape(config: ModelConfig, name: ModuleName): readonly [out: number, inp: number] {
  const q = config.heads * config.headDim;
  const kv = config.kvHeads * config.headDim;
  const { hidden: d, intermediate: f } = config;
  switch (name) {
    case "q_proj":
      return [q, d];
    case "k_proj":
    case "v_proj":
      return [kv, d];
    case "o_proj":
      return [d, q];
    case "gate_proj":
    case "up_proj":
      return [f, d];
    case "down_proj":
      return [d, f];
  }
}

const blockOf = (name: ModuleName) =>
  name.endsWith("gate_proj") || name === "up_proj" || name === "down_proj" ? "mlp" : "self_attn";

/** A module's path in a checkpoint, without `.weight`. */
export const modulePath = (layer: number, name: ModuleName) =>
  `model.layers.${layer}.${blockOf(name)}.${name}`;

/** Every tensor of a checkpoint by its Hugging Face name, with its shape. */
export function weightShapes(config: ModelConfig): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>([
    ["model.embed_tokens.weight", [config.vocab, config.hidden]],
  ]);
  for (let layer = 0; layer < config.layers; layer++) {
    for (const name of moduleNames)
      shapes.set(`${modulePath(layer, name)}.weight`, moduleShape(config, name));
    shapes.set(`model.layers.${layer}.input_layernorm.weight`, [config.hidden]);
    shapes.set(`model.layers.${layer}.post_attention_layernorm.weight`, [config.hidden]);
  }
  shapes.set("model.norm.weight", [config.hidden]);
  if (!config.tied) shapes.set("lm_head.weight", [config.vocab, config.hidden]);
  return shapes;
}
