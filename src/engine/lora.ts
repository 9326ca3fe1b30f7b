/** LoRA adapters in memory (Hu et al. 2021, arXiv 2106.09685). */
import { type ModelConfig, type ModuleName, moduleNames, moduleShape } from "./config.ts";
import { createRandom } from "./random.ts";
import type { TensorData } from "./safetensors.ts";
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
