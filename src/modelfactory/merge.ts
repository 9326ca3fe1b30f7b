/** A base with an adapter folded into its weights: a folder in Hugging Face's layout that needs no adapter any more. */
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import {
  type Adapter,
  type Checkpoint,
  formatSafetensors,
  loraInput,
  modulePath,
  readJsonFile,
  type TensorData,
  tokenizerFiles,
  weightShapes,
} from "../engine/index.ts";

/** A larger file is not written at once; a base that large comes in parts, which this does not make. */
const bytesMax = 16 * 2 ** 30;

/** W + scale · B A of every module that the adapter changes, W of all others, in the order of the base. W `[out, in]`, A `[r, in]`, B `[out, r]`. */
export function* mergedTensors(
  { config, weights }: Pick<Checkpoint, "config" | "weights">,
  { config: lora, tensors }: Adapter,
): Generator<readonly [string, TensorData]> {
  const changed = new Map<string, { a: TensorData | undefined; b: TensorData | undefined }>(
    Array.from({ length: config.layers }, (_, layer) =>
      lora.modules.map(
        (name) =>
          [
            `${modulePath(layer, name)}.weight`,
            { a: tensors.get(loraInput(layer, name, "A")), b: tensors.get(loraInput(layer, name, "B")) },
          ] as const,
      ),
    ).flat(),
  );
  for (const [name, shape] of weightShapes(config)) {
    const data = weights.get(name) as Float32Array;
    const { a, b } = changed.get(name) ?? {};
    if (a === undefined || b === undefined) {
      yield [name, { data, shape }];
      continue;
    }
    const [out, inputs] = shape as [number, number];
    const merged = data.slice();
    for (let o = 0; o < out; o++)
      for (let r = 0; r < lora.rank; r++) {
        const factor = lora.scale * (b.data[o * lora.rank + r] as number);
        if (factor === 0) continue;
        for (let i = 0; i < inputs; i++) {
          const at = o * inputs + i;
          merged[at] = (merged[at] as number) + factor * (a.data[r * inputs + i] as number);
        }
      }
    yield [name, { data: merged, shape }];
  }
}

/**
 * Writes config.json (its weights' type set to float32), tokenizer and model.safetensors into a folder that is not there yet.
 *
 * @returns the names of the files
 * @throws RangeError where the base is too large; what writing throws
 */
export function exportMerged(base: Checkpoint, adapter: Adapter, folder: string): string[] {
  const bytes = 4 * [...base.weights.values()].reduce((sum, { length }) => sum + length, 0);
  if (bytes > bytesMax)
    throw new RangeError(
      `The merged model would have ${bytes} bytes in one file; the most is ${bytesMax}. Export the adapter instead.`,
    );
  const model = formatSafetensors(mergedTensors(base, adapter), "F32");
  mkdirSync(folder, { recursive: false });
  const config = { ...(readJsonFile(join(base.folder, "config.json")) as object), torch_dtype: "float32" };
  writeFileSync(join(folder, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
  const names = tokenizerFiles(base.folder);
  for (const name of names) copyFileSync(join(base.folder, name), join(folder, basename(name)));
  writeFileSync(join(folder, "model.safetensors"), model);
  return ["config.json", ...names.map((name) => basename(name)), "model.safetensors"];
}
