/** Model folders in Hugging Face's layout: `config.json`, `tokenizer.json`, `tokenizer_config.json`, `model.safetensors`. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type ModelConfig, parseConfig, weightShapes } from "./config.ts";
import { CheckpointError, readSafetensors, type TensorData } from "./safetensors.ts";
import { loadTokenizer, type Tokenizer } from "./tokenizer.ts";

export type Weights = ReadonlyMap<string, Float32Array>;

export type Checkpoint = {
  readonly folder: string;
  readonly config: ModelConfig;
  readonly weights: Weights;
  readonly tokenizer: Tokenizer;
};

const shardIndex = z.object({ weight_map: z.record(z.string(), z.string().regex(/^[\w.-]+$/)) });

/**
 * Loads a checkpoint, converting its weights to float32.
 *
 * @throws CheckpointError when a file is missing or torn, or a tensor is missing or of another shape
 * @throws UnsupportedModelError when the family is not supported
 */
export function loadCheckpoint(folder: string): Checkpoint {
  requireModel(folder);
  const config = parseConfig(readJsonFile(join(folder, "config.json")));
  return { folder, config, weights: loadWeights(folder, config), tokenizer: loadTokenizer(folder) };
}

function requireModel(folder: string): void {
  if (!existsSync(join(folder, "config.json")))
    throw new CheckpointError(
      `There is no model in ${folder}: config.json is missing. Point to a Hugging Face model folder.`,
    );
}

/** The files whose bytes define a model, in the order their digests are listed. */
export function checkpointFiles(folder: string): string[] {
  requireModel(folder);
  return ["config.json", "tokenizer.json", "tokenizer_config.json", ...weightFiles(folder)];
}

function readJsonFile(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new CheckpointError(`Cannot read ${path}: ${(cause as Error).message}.`, { cause });
  }
}

function weightFiles(folder: string): string[] {
  if (existsSync(join(folder, "model.safetensors"))) return ["model.safetensors"];
  const indexFile = join(folder, "model.safetensors.index.json");
  if (!existsSync(indexFile))
    throw new CheckpointError(
      `There are no weights in ${folder}: neither model.safetensors nor model.safetensors.index.json.`,
    );
  const index = shardIndex.safeParse(readJsonFile(indexFile));
  if (!index.success)
    throw new CheckpointError(`${indexFile} does not map tensors to files: ${z.prettifyError(index.error)}`);
  return [...new Set(Object.values(index.data.weight_map))].sort();
}

function loadWeights(folder: string, config: ModelConfig): Weights {
  const found = new Map<string, TensorData>();
  for (const file of weightFiles(folder))
    for (const [name, tensor] of readSafetensors(join(folder, file))) found.set(name, tensor);
  const weights = new Map<string, Float32Array>();
  for (const [name, shape] of weightShapes(config)) {
    const tensor = found.get(name);
    if (tensor === undefined)
      throw new CheckpointError(`${folder} lacks the tensor "${name}" that its config.json calls for.`);
    if (tensor.shape.join() !== shape.join())
      throw new CheckpointError(
        `${folder}: tensor "${name}" has shape [${tensor.shape}], its config.json calls for [${shape}].`,
      );
    weights.set(name, tensor.data);
  }
  return weights;
}

/** SHA-256 of a file, as model cards name it. */
export const sha256File = (path: string): string =>
  createHash("sha256").update(readFileSync(path)).digest("hex");
