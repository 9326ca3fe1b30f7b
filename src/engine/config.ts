/** What a checkpoint's `config.json` says, checked and in this engine's words. */
import { z } from "zod";

/** The architectures this engine runs, by `model_type`, with the class that `architectures` names. */
export const families = {
  llama: "LlamaForCausalLM",
  qwen2: "Qwen2ForCausalLM",
  qwen3: "Qwen3ForCausalLM",
  mistral: "MistralForCausalLM",
} as const;
export type Family = keyof typeof families;

/**
 * How the angles of rotary positions come about: angle(p, i) = p · f(i), f(i) = θ^(−2i/h), stretched by `scaling` so that a model
 * reads further than it was first trained to. `ropeTables` has the formulas.
 */
export type Rope = {
  readonly theta: number;
  readonly scaling?:
    | {
        readonly kind: "llama3";
        readonly factor: number;
        readonly lowFrequencyFactor: number;
        readonly highFrequencyFactor: number;
        /** Context the model had before it was stretched, in tokens. */
        readonly originalPositions: number;
      }
    | { readonly kind: "linear"; readonly factor: number };
};

export type ModelConfig = {
  readonly family: Family;
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
  /** Linear modules that add a bias `[out]`, in the order of {@link moduleNames}. */
  readonly biases: readonly ModuleName[];
  /** Queries and keys pass an RMSNorm over the head dimension before they are rotated (Qwen3). */
  readonly qkNorm: boolean;
  readonly rope: Rope;
  readonly normEpsilon: number;
  /** Longest text in tokens. Where attention slides over a window, no more than the window: within it full attention is the same. */
  readonly maxPositions: number;
  /** The output projection is the embedding matrix. */
  readonly tied: boolean;
};

const count = z
  .number()
  .int()
  .positive()
  .max(1 << 24);
const positive = z.number().positive();

/** What `rope_parameters` (transformers 5) or `rope_scaling` (4) may say; 4 writes θ beside it, and once wrote `type`. */
const ropeFields = z.object({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: positive.optional(),
  factor: z.number().min(1).optional(),
  low_freq_factor: positive.optional(),
  high_freq_factor: positive.optional(),
  original_max_position_embeddings: count.optional(),
  partial_rotary_factor: positive.optional(),
});

const modelConfig = z.object({
  model_type: z.string(),
  num_hidden_layers: count.max(1024),
  hidden_size: count,
  num_attention_heads: count,
  num_key_value_heads: count.nullish(),
  head_dim: count.nullish(),
  intermediate_size: count,
  vocab_size: count,
  rope_theta: positive.nullish(),
  rope_parameters: ropeFields.nullish(),
  rope_scaling: ropeFields.nullish(),
  partial_rotary_factor: positive.nullish(),
  rms_norm_eps: positive,
  max_position_embeddings: count,
  tie_word_embeddings: z.boolean().nullish(),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  hidden_act: z.string().nullish(),
  use_sliding_window: z.boolean().nullish(),
  sliding_window: count.nullish(),
  quantization_config: z.unknown().optional(),
  is_causal: z.boolean().nullish(),
});
type Written = z.infer<typeof modelConfig>;

export class UnsupportedModelError extends Error {
  override name = "UnsupportedModelError";
}

const refusal = (what: string) =>
  new UnsupportedModelError(`config.json asks for ${what}, which is not supported.`);

/**
 * Reads a Hugging Face `config.json`, as transformers 4 or 5 writes it. What it leaves out means what transformers takes it to mean.
 *
 * @throws UnsupportedModelError when the model is of a family, or uses a feature, that this engine does not run
 */
export function parseConfig(json: unknown): ModelConfig {
  const family = parseFamily(json);
  const parsed = modelConfig.safeParse(json);
  if (!parsed.success)
    throw new UnsupportedModelError(
      `config.json does not describe a ${family} model: ${z.prettifyError(parsed.error)}`,
    );
  const c = parsed.data;
  if (c.quantization_config !== undefined && c.quantization_config !== null)
    throw refusal("quantised weights (quantization_config)");
  if (c.is_causal === false) throw refusal("attention that looks ahead (is_causal: false)");
  if ((c.hidden_act ?? "silu") !== "silu") throw refusal(`the activation "${c.hidden_act}" (only silu is)`);
  const headDim = c.head_dim ?? (family === "qwen3" ? 128 : c.hidden_size / c.num_attention_heads);
  const kvHeads = c.num_key_value_heads ?? c.num_attention_heads;
  if (!Number.isInteger(headDim) || headDim % 2 !== 0) throw refusal(`a head dimension of ${headDim}`);
  if (c.num_attention_heads % kvHeads !== 0)
    throw refusal(`${c.num_attention_heads} heads over ${kvHeads} key/value heads`);
  return {
    family,
    layers: c.num_hidden_layers,
    hidden: c.hidden_size,
    heads: c.num_attention_heads,
    kvHeads,
    headDim,
    intermediate: c.intermediate_size,
    vocab: c.vocab_size,
    biases: biasesOf(family, c),
    qkNorm: family === "qwen3",
    rope: ropeOf(c),
    normEpsilon: c.rms_norm_eps,
    maxPositions: Math.min(c.max_position_embeddings, windowOf(family, c) ?? Number.POSITIVE_INFINITY),
    tied: c.tie_word_embeddings ?? false,
  };
}

function parseFamily(json: unknown): Family {
  const kind = z
    .object({ model_type: z.string(), architectures: z.array(z.string()).nullish() })
    .safeParse(json);
  if (!kind.success)
    throw new UnsupportedModelError(
      "config.json has no model_type: this is not a Hugging Face model folder.",
    );
  const { model_type: type, architectures } = kind.data;
  const family = (Object.keys(families) as Family[]).find((name) => name === type);
  const known = family === undefined ? undefined : families[family];
  if (family === undefined || (architectures && !architectures.includes(known as string)))
    throw new UnsupportedModelError(
      `config.json says model_type "${type}"${architectures ? `, architecture "${architectures.join(", ")}"` : ""}. Supported: ${Object.entries(
        families,
      )
        .map(([name, architecture]) => `"${name}" (${architecture})`)
        .join(", ")}.`,
    );
  return family;
}

function biasesOf(family: Family, c: Written): ModuleName[] {
  const attention = ["q_proj", "k_proj", "v_proj"] as const;
  if (family === "qwen2") return [...attention];
  if (family === "mistral") return [];
  return [
    ...(c.attention_bias === true ? [...attention, "o_proj" as const] : []),
    ...(family === "llama" && c.mlp_bias === true ? (["gate_proj", "up_proj", "down_proj"] as const) : []),
  ];
}

/** Width of the attention window in tokens, or undefined where there is none. */
function windowOf(family: Family, c: Written): number | undefined {
  // Mistral's class has a window of 4,096 unless its config says null.
  if (family === "mistral") return c.sliding_window === undefined ? 4096 : (c.sliding_window ?? undefined);
  return c.use_sliding_window === true ? (c.sliding_window ?? undefined) : undefined;
}

function ropeOf(c: Written): Rope {
  const said = { ...c.rope_scaling, ...c.rope_parameters };
  const theta = said.rope_theta ?? c.rope_theta ?? 10_000;
  const rotated = said.partial_rotary_factor ?? c.partial_rotary_factor ?? 1;
  if (rotated !== 1) throw refusal(`rotary positions on ${rotated} of each head`);
  const kind = said.rope_type ?? said.type ?? "default";
  if (kind === "default") return { theta };
  const need = (value: number | undefined, name: string): number => {
    if (value === undefined)
      throw new UnsupportedModelError(`config.json asks for "${kind}" rope scaling but says no ${name}.`);
    return value;
  };
  const factor = () => need(said.factor, "factor");
  if (kind === "linear") return { theta, scaling: { kind, factor: factor() } };
  if (kind !== "llama3") throw refusal(`"${kind}" rope scaling (supported: "default", "linear", "llama3")`);
  const scaling = {
    kind,
    factor: factor(),
    lowFrequencyFactor: need(said.low_freq_factor, "low_freq_factor"),
    highFrequencyFactor: need(said.high_freq_factor, "high_freq_factor"),
    originalPositions: need(said.original_max_position_embeddings, "original_max_position_embeddings"),
  } as const;
  if (scaling.highFrequencyFactor <= scaling.lowFrequencyFactor)
    throw refusal(
      `a high_freq_factor (${scaling.highFrequencyFactor}) that is not above low_freq_factor (${scaling.lowFrequencyFactor})`,
    );
  return { theta, scaling };
}

/** The inverse of {@link parseConfig}: a `config.json` that transformers 4 and 5 load. */
export function formatConfig(
  config: ModelConfig,
  tokens: { bos: number; eos: number },
): Record<string, unknown> {
  const { scaling } = config.rope;
  return {
    architectures: [families[config.family]],
    model_type: config.family,
    num_hidden_layers: config.layers,
    hidden_size: config.hidden,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    intermediate_size: config.intermediate,
    vocab_size: config.vocab,
    rope_theta: config.rope.theta,
    ...(scaling === undefined ? {} : { rope_scaling: formatScaling(scaling) }),
    rms_norm_eps: config.normEpsilon,
    max_position_embeddings: config.maxPositions,
    ...(config.family === "mistral" ? { sliding_window: null } : {}),
    tie_word_embeddings: config.tied,
    attention_bias: config.biases.includes("o_proj"),
    mlp_bias: config.biases.includes("down_proj"),
    hidden_act: "silu",
    torch_dtype: "float16",
    bos_token_id: tokens.bos,
    eos_token_id: tokens.eos,
  };
}

const formatScaling = (scaling: NonNullable<Rope["scaling"]>) =>
  scaling.kind === "linear"
    ? { rope_type: "linear", factor: scaling.factor }
    : {
        rope_type: "llama3",
        factor: scaling.factor,
        low_freq_factor: scaling.lowFrequencyFactor,
        high_freq_factor: scaling.highFrequencyFactor,
        original_max_position_embeddings: scaling.originalPositions,
      };

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

/** Name of the norm over each head of the queries or keys. */
export const headNorm = (layer: number, part: "q" | "k") =>
  `model.layers.${layer}.self_attn.${part}_norm.weight`;

/** Every tensor of a checkpoint by its Hugging Face name, with its shape. */
export function weightShapes(config: ModelConfig): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>([
    ["model.embed_tokens.weight", [config.vocab, config.hidden]],
  ]);
  for (let layer = 0; layer < config.layers; layer++) {
    for (const name of moduleNames)
      shapes.set(`${modulePath(layer, name)}.weight`, moduleShape(config, name));
    for (const name of config.biases)
      shapes.set(`${modulePath(layer, name)}.bias`, [moduleShape(config, name)[0]]);
    if (config.qkNorm)
      for (const part of ["q", "k"] as const) shapes.set(headNorm(layer, part), [config.headDim]);
    shapes.set(`model.layers.${layer}.input_layernorm.weight`, [config.hidden]);
    shapes.set(`model.layers.${layer}.post_attention_layernorm.weight`, [config.hidden]);
  }
  shapes.set("model.norm.weight", [config.hidden]);
  if (!config.tied) shapes.set("lm_head.weight", [config.vocab, config.hidden]);
  return shapes;
}
