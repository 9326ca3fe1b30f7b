/** Model folders in Hugging Face's layout: `config.json`, `tokenizer.json`, `tokenizer_config.json`, `model.safetensors`. */
import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type ModelConfig, parseConfig, weightShapes } from "./config.ts";
import { CheckpointError, openSafetensors, type SafetensorsFile } from "./safetensors.ts";
import { loadTokenizer, type Tokenizer, tokenizerFiles } from "./tokenizer.ts";

export type Weights = ReadonlyMap<string, Float32Array>;

export type Checkpoint = {
  readonly folder: string;
  readonly config: ModelConfig;
  readonly weights: Weights;
  readonly tokenizer: Tokenizer;
};

/** A shard is a file of the folder itself: no path, nothing hidden. */
const shardName = z
  .string()
  .regex(/^\w[\w.-]*\.safetensors$/, "expected the name of a .safetensors file in this folder");
const shardIndex = z.object({ weight_map: z.record(z.string(), shardName) });
const maxShards = 1000;
const maxJsonBytes = 100 * 1024 * 1024;

/**
 * Loads a checkpoint, converting its weights to float32.
 *
 * @throws CheckpointError when a file is missing or torn, or a tensor is missing or of another shape
 * @throws UnsupportedModelError when the family is not supported
 */
export function loadCheckpoint(folder: string): Checkpoint {
  const described = describeCheckpoint(folder);
  return { ...described, weights: loadWeights(folder, described.config) };
}

/** A checkpoint without its weights. @throws as {@link loadCheckpoint} */
export function describeCheckpoint(folder: string): Omit<Checkpoint, "weights"> {
  requireModel(folder);
  const config = parseConfig(readJsonFile(join(folder, "config.json")));
  return { folder, config, tokenizer: loadTokenizer(folder) };
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
  const pooling = ["modules.json", "1_Pooling/config.json"].filter((file) => existsSync(join(folder, file)));
  return ["config.json", ...tokenizerFiles(folder), ...weightFiles(folder), ...pooling];
}

/** A JSON file of a model folder, bounded in size. @throws CheckpointError when it cannot be read */
export function readJsonFile(path: string): unknown {
  try {
    const { size } = statSync(path);
    if (size > maxJsonBytes) throw new Error(`it has ${size} bytes, at most ${maxJsonBytes} are read`);
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new CheckpointError(`Cannot read ${path}: ${(cause as Error).message}.`, { cause });
  }
}

/** The files of a model folder that hold its weights. @throws CheckpointError when there are none */
export function weightFiles(folder: string): string[] {
  requireModel(folder);
  if (existsSync(join(folder, "model.safetensors"))) return ["model.safetensors"];
  const indexFile = join(folder, "model.safetensors.index.json");
  if (!existsSync(indexFile))
    throw new CheckpointError(
      `There are no weights in ${folder}: neither model.safetensors nor model.safetensors.index.json.`,
    );
  return shardFiles(readJsonFile(indexFile), indexFile);
}

/**
 * The files that a `model.safetensors.index.json` names, sorted; each in the folder itself.
 *
 * @param name what errors call the index
 * @throws CheckpointError when it maps tensors to anything else
 */
export function shardFiles(json: unknown, name: string): string[] {
  const index = shardIndex.safeParse(json);
  if (!index.success)
    throw new CheckpointError(`${name} does not map tensors to files: ${z.prettifyError(index.error)}`);
  const files = [...new Set(Object.values(index.data.weight_map))].sort();
  if (files.length > maxShards)
    throw new CheckpointError(`${name} names ${files.length} files, at most ${maxShards} are read.`);
  return files;
}

/** Reads tensor by tensor: the peak is one float32 copy of the weights. */
function loadWeights(folder: string, config: ModelConfig): Weights {
  const files: SafetensorsFile[] = [];
  try {
    for (const file of weightFiles(folder)) files.push(openSafetensors(join(folder, file)));
    const owners = new Map<string, SafetensorsFile>();
    for (const file of files)
      for (const name of file.shapes.keys()) {
        const other = owners.get(name);
        if (other !== undefined)
          throw new CheckpointError(
            `The tensor "${name}" stands in ${other.path} and in ${file.path}: which one counts? Remove one.`,
          );
        owners.set(name, file);
      }
    const weights = new Map<string, Float32Array>();
    for (const [name, shape] of weightShapes(config)) {
      // Embedding models are saved without their output head, and then without the prefix.
      const stored = owners.has(name) ? name : name.replace(/^model\./, "");
      const file = owners.get(stored);
      if (file === undefined)
        throw new CheckpointError(`${folder} lacks the tensor "${name}" that its config.json calls for.`);
      const found = file.shapes.get(stored) as readonly number[];
      if (found.join() !== shape.join())
        throw new CheckpointError(
          `${folder}: tensor "${name}" has shape [${found}], its config.json calls for [${shape}].`,
        );
      const { data } = file.read(stored);
      const bad = notFinite(data);
      if (bad !== -1)
        throw new CheckpointError(
          `${file.path}: element ${bad} of tensor "${name}" is ${data[bad]}. Every answer would be noise: the file is damaged or its training diverged.`,
        );
      weights.set(name, data);
    }
    return weights;
  } finally {
    for (const file of files) file.close();
  }
}

/** Index of the first NaN or infinity (all exponent bits set), or −1. */
function notFinite(data: Float32Array): number {
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
  for (let i = 0; i < bits.length; i++) if (((bits[i] as number) & 0x7f800000) === 0x7f800000) return i;
  return -1;
}

/** SHA-256 of a file, as model cards name it. */
export function sha256File(path: string): string {
  const hash = createHash("sha256");
  const chunk = new Uint8Array(1 << 20);
  const file = openSync(path, "r");
  try {
    for (;;) {
      const count = readSync(file, chunk);
      if (count === 0) return hash.digest("hex");
      hash.update(chunk.subarray(0, count));
    }
  } finally {
    closeSync(file);
  }
}
