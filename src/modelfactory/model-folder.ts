/** Base models in folders: those pulled into a home, and what is in any of them. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { z } from "zod";
import {
  ChatError,
  CheckpointError,
  checkpointFiles,
  describeCheckpoint,
  type ModelConfig,
  poolingOf,
  readJsonFile,
  sha256File,
  type Tokenizer,
  weightFiles,
  weightShapes,
} from "../engine/index.ts";
import { memoryByPrecision } from "../openlora/index.ts";
import { HubError } from "./errors.ts";
import { type HubFile, hashOf, hubIdSchema, type Pull } from "./hub-model.ts";
import { bytesHere, readPull } from "./hub-pull.ts";

const modelsMax = 10_000;

/** Where a home keeps a model that is pulled. */
export const pulledFolder = (home: string, id: string) => join(home, "models", id.replace("/", "--"));

/** The folder that is meant by a folder, or by the id of a model pulled into this home; a folder that is there comes first. */
export function modelFolder(home: string, given: string): string {
  const pulled = hubIdSchema.safeParse(given).success ? pulledFolder(home, given) : undefined;
  return resolve(pulled !== undefined && !existsSync(given) && existsSync(pulled) ? pulled : given);
}

/** Numbers in a model's weights. */
export const parameterCount = (config: ModelConfig): number =>
  weightShapes(config)
    .values()
    .reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);

export type PulledModel = Pick<Pull, "id" | "revision" | "commit"> & {
  readonly folder: string;
  readonly bytes: number;
  /** As many when it is whole. */
  readonly bytesHere: number;
};

/** The models pulled into a home, by name; what is damaged is told by `onDamaged` and left out. */
export async function listModels(home: string, onDamaged: (error: HubError) => void): Promise<PulledModel[]> {
  const root = join(home, "models");
  const models: PulledModel[] = [];
  for (const name of existsSync(root) ? readdirSync(root).sort().slice(0, modelsMax) : []) {
    const folder = join(root, name);
    try {
      const pull = readPull(folder);
      if (pull === undefined) continue;
      const { id, revision, commit, files } = pull;
      const bytes = files.reduce((sum, { size }) => sum + size, 0);
      models.push({ id, revision, commit, folder, bytes, bytesHere: await bytesHere(folder, pull) });
    } catch (cause) {
      if (!(cause instanceof HubError)) throw cause;
      onDamaged(cause);
    }
  }
  return models;
}

export type ModelDescription = {
  readonly folder: string;
  /** Where it was pulled from, if it was. */
  readonly source: Pick<Pull, "id" | "revision" | "commit"> | null;
  readonly family: ModelConfig["family"];
  readonly parameters: number;
  readonly layers: number;
  /** Tokens. */
  readonly context: number;
  readonly tokenizer: { readonly kind: string; readonly tokens: number };
  readonly template: "none" | "chat" | "chat and tools";
  /** Its vectors, when it is a model that makes vectors of texts. */
  readonly pooling: string | null;
  readonly weightBytes: number;
  /** What serving takes at its defaults. */
  readonly memory: ReturnType<typeof memoryByPrecision>;
  /** The files that define the model. `changed`: not the bytes that were pulled. */
  readonly files: {
    readonly name: string;
    readonly bytes: number;
    readonly sha256: string;
    readonly changed: boolean;
  }[];
};

const tokenizerKind = z.object({ model: z.object({ type: z.string().max(64).optional() }) });

/**
 * Reads a model folder, all of its bytes; weights are hashed and not loaded.
 *
 * @throws CheckpointError when a file is missing or damaged
 * @throws UnsupportedModelError when the engine does not run it
 */
export function inspectModel(folder: string): ModelDescription {
  const { config, tokenizer } = describeCheckpoint(folder);
  const pull = readPull(folder);
  const listed = new Map(pull?.files.map((file) => [file.name, file]));
  const files = checkpointFiles(folder).map((name) => {
    const path = join(folder, name);
    if (!existsSync(path)) throw new CheckpointError(`${path} is missing: ${folder} is not whole.`);
    const bytes = statSync(path).size;
    const sha256 = sha256File(path);
    const file = listed.get(name);
    return { name, bytes, sha256, changed: file !== undefined && isOther(path, bytes, sha256, file) };
  });
  const weights = new Set(weightFiles(folder));
  const pooling = poolingOf(folder);
  const kind = tokenizerKind.safeParse(readJsonFile(join(folder, "tokenizer.json")));
  return {
    folder,
    source: pull === undefined ? null : { id: pull.id, revision: pull.revision, commit: pull.commit },
    family: config.family,
    parameters: parameterCount(config),
    layers: config.layers,
    context: config.maxPositions,
    tokenizer: {
      kind: kind.data?.model.type ?? "unknown",
      tokens: tokenizer.vocabulary.tokens.length,
    },
    template: templateOf(tokenizer),
    pooling:
      pooling === undefined ? null : `${pooling.mode}${pooling.normalize ? ", scaled to length 1" : ""}`,
    weightBytes: files.reduce((sum, { name, bytes }) => (weights.has(name) ? sum + bytes : sum), 0),
    memory: memoryByPrecision(config),
    files,
  };
}

/** Whether these are not the bytes that a hub listed. Git's digest is taken of small files only. */
const isOther = (path: string, bytes: number, sha256: string, file: HubFile): boolean =>
  bytes !== file.size ||
  file.digest.hex !==
    (file.digest.algorithm === "sha256" ? sha256 : hashOf(file).update(readFileSync(path)).digest("hex"));

/** A template takes tools when it writes the name of one that it is given. */
function templateOf(tokenizer: Tokenizer): ModelDescription["template"] {
  if (tokenizer.toolTemplate === null) return "none";
  const name = "a_tool_to_look_for";
  try {
    const text = tokenizer.renderChat([{ role: "user", content: "Hello" }], {
      addGenerationPrompt: true,
      tools: [
        {
          type: "function",
          function: { name, description: "", parameters: { type: "object", properties: {} } },
        },
      ],
    });
    return text.includes(name) ? "chat and tools" : "chat";
  } catch (cause) {
    if (cause instanceof ChatError || cause instanceof CheckpointError) return "chat";
    throw cause;
  }
}
