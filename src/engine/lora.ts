/** LoRA adapters: in memory, and as PEFT folders (`adapter_config.json`, `adapter_model.safetensors`). */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type ModelConfig, type ModuleName, moduleNames, moduleShape } from "./config.ts";
import { createRandom } from "./random.ts";
import { CheckpointError, formatSafetensors, readSafetensors, type TensorData } from "./safetensors.ts";
import { loraInput } from "./transformer.ts";

export type LoraConfig = {
  readonly rank: number;
  /** y = x Wᵀ + scale · (x Aᵀ) Bᵀ; PEFT's alpha / rank, or alpha / √rank for rslora. */
  readonly scale: number;
  readonly modules: readonly ModuleName[];
};

/** Tensors by {@link loraInput} name: A `[rank, in]` and B `[out, rank]`, PEFT's layout. */
export type Adapter = { readonly config: LoraConfig; readonly tensors: ReadonlyMap<string, TensorData> };

/** Names and shapes of an adapter's tensors, layer by layer, A before B. */
export function adapterShapes(
  model: ModelConfig,
  lora: LoraConfig,
): { name: string; layer: number; part: "A" | "B"; shape: [number, number] }[] {
  return Array.from({ length: model.layers }, (_, layer) =>
    moduleNames
      .filter((name) => lora.modules.includes(name))
      .flatMap((module) => {
        const [out, inp] = moduleShape(model, module);
        return [
          {
            name: loraInput(layer, module, "A"),
            layer,
            part: "A" as const,
            shape: [lora.rank, inp] as [number, number],
          },
          {
            name: loraInput(layer, module, "B"),
            layer,
            part: "B" as const,
            shape: [out, lora.rank] as [number, number],
          },
        ];
      }),
  ).flat();
}

/** A normal of deviation 1/√in, B zero: the adapter starts by changing nothing. */
export function initialAdapter(model: ModelConfig, lora: LoraConfig, seed: number): Adapter {
  const random = createRandom(seed, 31);
  const tensors = new Map<string, TensorData>();
  for (const { name, part, shape } of adapterShapes(model, lora)) {
    const data = new Float32Array(shape[0] * shape[1]);
    if (part === "A") for (let i = 0; i < data.length; i++) data[i] = random.normal() / Math.sqrt(shape[1]);
    tensors.set(name, { data, shape });
  }
  return { config: lora, tensors };
}

const peftKey = (name: string) => `base_model.model.${name}.weight`;

/** Serialises as PEFT does. The bytes depend on nothing but the adapter and `baseName`. */
export function exportPeft(
  adapter: Adapter,
  baseName: string,
): { "adapter_config.json": Uint8Array; "adapter_model.safetensors": Uint8Array } {
  const { rank, scale, modules } = adapter.config;
  const config = {
    base_model_name_or_path: baseName,
    bias: "none",
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    lora_alpha: scale * rank,
    lora_dropout: 0,
    modules_to_save: null,
    peft_type: "LORA",
    r: rank,
    target_modules: moduleNames.filter((name) => modules.includes(name)),
    task_type: "CAUSAL_LM",
    use_dora: false,
    use_rslora: false,
  };
  const tensors = [...adapter.tensors].map(([name, tensor]) => [peftKey(name), tensor] as const);
  return {
    "adapter_config.json": new TextEncoder().encode(`${JSON.stringify(config, null, 2)}\n`),
    "adapter_model.safetensors": formatSafetensors(tensors, "F32"),
  };
}

/** PEFT options that change nothing here, whatever they say. */
const harmless = new Set([
  "auto_mapping",
  "base_model_name_or_path",
  "corda_config",
  "ensure_weight_tying",
  "eva_config",
  "inference_mode",
  "init_lora_weights",
  "loftq_config",
  "lora_dropout",
  "megatron_config",
  "megatron_core",
  "peft_version",
  "qalora_group_size",
  "revision",
  "runtime_config",
  "arrow_config",
  "task_type",
]);

const isUnset = (value: unknown) =>
  value === null ||
  value === false ||
  value === undefined ||
  (typeof value === "object" && Object.keys(value).length === 0);

const peftConfig = z.object({
  peft_type: z.string(),
  r: z.number().int().min(1).max(1024),
  lora_alpha: z.number().positive(),
  target_modules: z.union([z.array(z.string()), z.string()]),
  bias: z.string().optional(),
  use_dora: z.boolean().optional(),
  use_rslora: z.boolean().optional(),
  fan_in_fan_out: z.boolean().optional(),
  rank_pattern: z.record(z.string(), z.number()).optional(),
  alpha_pattern: z.record(z.string(), z.number()).optional(),
  modules_to_save: z.array(z.string()).nullish(),
});

/** @throws CheckpointError when the folder is no LoRA adapter for `model`, or uses a PEFT feature this engine does not */
export function loadPeft(folder: string, model: ModelConfig): Adapter {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(join(folder, "adapter_config.json"), "utf8"));
  } catch (cause) {
    throw new CheckpointError(`Cannot read the adapter in ${folder}: ${(cause as Error).message}.`, {
      cause,
    });
  }
  return readPeft(json, readSafetensors(join(folder, "adapter_model.safetensors")), model, folder);
}

/** As {@link loadPeft}, from the two files' contents. `where` names the adapter in errors. */
export function readPeft(
  configJson: unknown,
  found: ReadonlyMap<string, TensorData>,
  model: ModelConfig,
  where: string,
): Adapter {
  const refuse = (what: string) => new CheckpointError(`The adapter ${where} ${what}.`);
  const parsed = peftConfig.safeParse(configJson);
  if (!parsed.success) throw refuse(`has a malformed adapter_config.json: ${z.prettifyError(parsed.error)}`);
  const config = parsed.data;
  if (config.peft_type !== "LORA") throw refuse(`is of type ${config.peft_type}; only LORA is supported`);
  if (config.use_dora === true) throw refuse("uses DoRA, which is not supported");
  if ((config.bias ?? "none") !== "none")
    throw refuse(`trains biases ("${config.bias}"), which is not supported`);
  if (config.fan_in_fan_out === true) throw refuse("stores transposed weights, which is not supported");
  if (Object.keys({ ...config.rank_pattern, ...config.alpha_pattern }).length > 0)
    throw refuse("has per-module ranks, which are not supported");
  if ((config.modules_to_save ?? []).length > 0) throw refuse("saves whole modules, which is not supported");
  for (const [option, value] of Object.entries(configJson as object))
    if (!(option in peftConfig.shape) && !harmless.has(option) && !isUnset(value))
      throw refuse(`uses the option "${option}", which is not supported`);
  const wanted = typeof config.target_modules === "string" ? [config.target_modules] : config.target_modules;
  const modules = wanted.map((name) => {
    const known = moduleNames.find((m) => m === name);
    if (known === undefined) throw refuse(`adapts "${name}"; supported: ${moduleNames.join(", ")}`);
    return known;
  });
  const scale = config.lora_alpha / (config.use_rslora === true ? Math.sqrt(config.r) : config.r);
  const lora: LoraConfig = { rank: config.r, scale, modules: moduleNames.filter((m) => modules.includes(m)) };
  const tensors = new Map<string, TensorData>();
  const wantedKeys = new Set(adapterShapes(model, lora).map(({ name }) => peftKey(name)));
  for (const key of found.keys())
    if (!wantedKeys.has(key)) throw refuse(`holds "${key}", which its configuration does not account for`);
  for (const { name, shape } of adapterShapes(model, lora)) {
    const tensor = found.get(peftKey(name));
    if (tensor === undefined)
      throw refuse(`lacks the tensor "${peftKey(name)}": it was made for another model or is incomplete`);
    if (tensor.shape.join() !== shape.join())
      throw refuse(`has "${peftKey(name)}" of shape [${tensor.shape}], this base needs [${shape}]`);
    if (!tensor.data.every(Number.isFinite))
      throw refuse(`has values in "${peftKey(name)}" that are not numbers`);
    tensors.set(name, tensor);
  }
  return { config: lora, tensors };
}
