/** PEFT folders in and out: `adapter_config.json` and `adapter_model.safetensors`, as Hugging Face's peft writes them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type ModelConfig, type ModuleName, moduleNames, moduleShape } from "./config.ts";
import { type Adapter, adapterShapes, type LoraConfig } from "./lora.ts";
import { largestRank, type PeftModule, parsePeftConfig } from "./peft-config.ts";
import { CheckpointError, formatSafetensors, readSafetensors, type TensorData } from "./safetensors.ts";
import { loraInput } from "./transformer.ts";

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

/** A module that the adapter changes. */
type Adapted = PeftModule & { readonly layer: number; readonly name: ModuleName };

/**
 * As {@link loadPeft}, from the two files' contents. An adapter whose ranks or scales differ by module is brought to one of each: A and B
 * padded with zeros to the largest rank, B multiplied by its scale over the adapter's; modules left out in some layers are zeros there.
 *
 * @param found - the tensors by PEFT's names
 * @param where - names the adapter in errors
 * @param maxRank - largest rank there is room for: padding makes an adapter no larger than one of that rank
 */
export function readPeft(
  configJson: unknown,
  found: ReadonlyMap<string, TensorData>,
  model: ModelConfig,
  where: string,
  maxRank = largestRank,
): Adapter {
  const refuse = (what: string) => new CheckpointError(`The adapter ${where} ${what}.`);
  const config = parsePeftConfig(configJson, model, where);
  const keysOf = (layer: number, name: ModuleName) =>
    [peftKey(loraInput(layer, name, "A")), peftKey(loraInput(layer, name, "B"))] as const;

  const adapted: Adapted[] = [];
  for (let layer = 0; layer < model.layers; layer++)
    for (const name of moduleNames) {
      const said = config.module(layer, name);
      if (said.adapted ?? keysOf(layer, name).some((key) => found.has(key)))
        adapted.push({ ...said, layer, name });
    }
  const accounted = new Set(adapted.flatMap(({ layer, name }) => keysOf(layer, name)));
  for (const key of found.keys())
    if (!accounted.has(key)) throw refuse(`holds "${key}", which its configuration does not account for`);
  if (adapted.length === 0) throw refuse("changes no module of this base");
  const lora = uniform(adapted, config.scale);
  if (lora.rank > maxRank)
    throw refuse(`has rank ${lora.rank}; there is room for ${maxRank}: serve with rank ${lora.rank}`);

  const take = (key: string, shape: readonly [number, number]): Float32Array => {
    const tensor = found.get(key);
    if (tensor === undefined)
      throw refuse(`lacks the tensor "${key}": it was made for another model or is incomplete`);
    if (tensor.shape.join() !== shape.join())
      throw refuse(`has "${key}" of shape [${tensor.shape}], this base needs [${shape}]`);
    return tensor.data;
  };
  const own = new Map<string, Float32Array>();
  for (const { layer, name, rank, scale } of adapted) {
    const [out, inp] = moduleShape(model, name);
    const [keyA, keyB] = keysOf(layer, name);
    const a = padded(take(keyA, [rank, inp]), 1, lora.rank * inp, 1);
    const b = padded(take(keyB, [out, rank]), out, lora.rank, scale / lora.scale);
    for (const [key, data] of [[keyA, a] as const, [keyB, b] as const])
      if (!allFinite(data)) throw refuse(`has values in "${key}" that are not numbers`);
    own.set(loraInput(layer, name, "A"), a).set(loraInput(layer, name, "B"), b);
  }
  const tensors = new Map(
    adapterShapes(model, lora).map(({ name, shape }) => [
      name,
      { data: own.get(name) ?? new Float32Array(shape[0] * shape[1]), shape },
    ]),
  );
  return { config: lora, tensors };
}

/** One rank and one scale for all: the largest rank; the scale they share, or else the one that no pattern changes. */
function uniform(adapted: readonly Adapted[], scale: number): LoraConfig {
  const scales = new Set(adapted.map((module) => module.scale));
  const [shared] = scales.size === 1 ? scales : [];
  return {
    rank: adapted.reduce((largest, { rank }) => Math.max(largest, rank), 0),
    scale: shared ?? scale,
    modules: moduleNames.filter((name) => adapted.some((module) => module.name === name)),
  };
}

/** `rows` rows, each widened with zeros to `width` values and multiplied by `factor`; the same array where nothing changes. */
function padded(data: Float32Array, rows: number, width: number, factor: number): Float32Array {
  if (data.length === rows * width && factor === 1) return data;
  const result = new Float32Array(rows * width);
  const own = data.length / rows;
  for (let row = 0; row < rows; row++)
    for (let i = 0; i < own; i++) result[row * width + i] = (data[row * own + i] as number) * factor;
  return result;
}

/** A plain loop: a callback for each value takes longer than reading the file. */
function allFinite(data: Float32Array): boolean {
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) return false;
  return true;
}
