/** Adapters that the operator loads by name from a PEFT folder: copied into the blobs, free, kept over a restart. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { AdapterFiles } from "../openlora/index.ts";
import type { Digest } from "../protocol/index.ts";
import type { Blobs, Database, Queries } from "../store/index.ts";
import { badRequest, InferenceError } from "./errors.ts";
import { migrateInference } from "./tables.ts";

export type LoadedAdapter = {
  readonly name: string;
  /** Of `adapter_model.safetensors`. */
  readonly digest: Digest;
  readonly configDigest: Digest;
  /** Where it was loaded from; it is not read again. */
  readonly path: string;
  readonly loadedAtMs: number;
};

export type LoadedAdapters = {
  find(name: string): Promise<LoadedAdapter | undefined>;
  /** By name. */
  list(): Promise<LoadedAdapter[]>;
  /** What OpenLoRA serves it from; undefined for an adapter that is none of these. */
  files(digest: Digest): Promise<AdapterFiles | undefined>;
  /**
   * Reads the folder's two files, lets `check` try them, and gives them the name.
   *
   * @throws InferenceError 404 when there is no such folder, 400 for one that is no adapter, a name that is taken, or one too many;
   * what `check` throws
   */
  load(name: string, path: string, check: (digest: Digest) => Promise<void>): Promise<LoadedAdapter>;
  /** Takes the name away; answers under way end as they would. @throws InferenceError 404 */
  unload(name: string): Promise<LoadedAdapter>;
};

const loadedMax = 10_000;
const configBytesMax = 1024 * 1024;
const tensorBytesMax = 512 * 1024 * 1024;

const select = `select name, digest, config_digest as "configDigest", path, loaded_at_ms as "loadedAtMs" from inference.adapters`;

/** Opens the table. Loads and unloads are to come one at a time. */
export async function openLoadedAdapters(parts: {
  readonly database: Database;
  readonly blobs: Pick<Blobs, "put" | "get">;
  readonly now?: () => number;
}): Promise<LoadedAdapters> {
  const { database, blobs, now = Date.now } = parts;
  await migrateInference(database);
  /** Being tried: not in the table yet. */
  const tried = new Map<Digest, AdapterFiles>();

  const find = async (name: string) => {
    if (!namePattern.test(name)) return undefined;
    const [row] = await database.query<LoadedAdapter>(`${select} where name = $1`, [name]);
    return row;
  };

  return {
    find,
    list: () => database.query<LoadedAdapter>(`${select} order by name`),
    async files(digest) {
      const trying = tried.get(digest);
      if (trying !== undefined) return trying;
      const [row] = await database.query<LoadedAdapter>(`${select} where digest = $1 limit 1`, [digest]);
      return row && { config: await blobs.get(row.configDigest), tensors: await blobs.get(digest) };
    },
    async load(name, path, check) {
      if (!namePattern.test(name))
        throw badRequest(
          "invalid_value",
          "lora_name",
          `Invalid value for 'lora_name': expected 1 to 128 of the characters A-Z a-z 0-9 . _ : / @ -, and no release id.`,
        );
      const files = await readFolder(path);
      const [digest, configDigest] = await Promise.all([blobs.put(files.tensors), blobs.put(files.config)]);
      const before = await find(name);
      if (before !== undefined && before.digest === digest && before.configDigest === configDigest)
        return before;
      if (before !== undefined) throw taken(name, `the adapter ${before.digest} from ${before.path}`);
      await assertRoom(database, digest, configDigest);
      tried.set(digest, files);
      try {
        await check(digest);
      } finally {
        tried.delete(digest);
      }
      const loaded = { name, digest, configDigest, path, loadedAtMs: now() };
      await database.query(
        "insert into inference.adapters (name, digest, config_digest, path, loaded_at_ms) values ($1, $2, $3, $4, $5)",
        Object.values(loaded),
      );
      return loaded;
    },
    async unload(name) {
      const loaded = await find(name);
      if (loaded === undefined)
        throw new InferenceError(
          404,
          "adapter_not_found",
          `No adapter is loaded as '${name.slice(0, 128)}'. GET /v1/models lists what can be asked for.`,
          { param: "lora_name" },
        );
      await database.query("delete from inference.adapters where name = $1", [name]);
      return loaded;
    },
  };
}

/** A name that a client can send and a log can show; 0x and 64 digits would be a release's id. */
const namePattern = /^(?!0x[0-9a-f]{64}$)[\w.:/@-]{1,128}$/i;

/** The name stands for something else. */
export const taken = (name: string, by: string) =>
  badRequest(
    "model_name_taken",
    "lora_name",
    `'${name}' is the name of ${by}. Choose another name, or unload what has it: an adapter is not replaced in place.`,
  );

async function assertRoom(queries: Queries, digest: Digest, configDigest: Digest): Promise<void> {
  const [other] = await queries.query<LoadedAdapter>(
    `${select} where digest = $1 and config_digest <> $2 limit 1`,
    [digest, configDigest],
  );
  if (other !== undefined)
    throw badRequest(
      "adapter_refused",
      "lora_path",
      `The same tensors are loaded as '${other.name}' with another adapter_config.json. Unload that one first.`,
    );
  const [{ count } = { count: 0 }] = await queries.query<{ count: number }>(
    "select count(*) as count from inference.adapters",
  );
  if (count >= loadedMax)
    throw badRequest(
      "too_many_adapters",
      "lora_name",
      `${count} adapters are loaded, the most there may be. Unload one first.`,
    );
}

async function readFolder(path: string): Promise<AdapterFiles> {
  return {
    config: await readBounded(join(path, "adapter_config.json"), configBytesMax),
    tensors: await readBounded(join(path, "adapter_model.safetensors"), tensorBytesMax),
  };
}

async function readBounded(file: string, bytesMax: number): Promise<Uint8Array> {
  // Without O_NONBLOCK a named pipe would be waited for.
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: Error) => {
    throw new InferenceError(
      404,
      "adapter_not_found",
      `Cannot read ${file}: ${cause.message}. Expected a folder on the server with adapter_config.json and adapter_model.safetensors, as PEFT saves them.`,
      { param: "lora_path", cause },
    );
  });
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw badRequest("adapter_refused", "lora_path", `${file} is not a file.`);
    if (stat.size > bytesMax)
      throw badRequest(
        "adapter_refused",
        "lora_path",
        `${file} has ${stat.size} bytes; at most ${bytesMax} are read.`,
      );
    const bytes = new Uint8Array(stat.size);
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await handle.read(bytes, at, bytes.length - at, at);
      if (bytesRead === 0)
        throw badRequest("adapter_refused", "lora_path", `${file} grew shorter while it was read.`);
      at += bytesRead;
    }
    return bytes;
  } finally {
    await handle.close();
  }
}
