/** Which models can be asked, and what the operator decides about adapters while the node serves. */
import { type OpenLora, OpenLoraError } from "../openlora/index.ts";
import type { Digest } from "../protocol/index.ts";
import { badRequest, InferenceError } from "./errors.ts";
import { type LoadedAdapter, type LoadedAdapters, taken } from "./loaded-adapters.ts";
import type { Releases, ServedRelease } from "./ports.ts";
import { freeJson, type ModelJson, modelJson } from "./schemas.ts";
import { detectToolFormat, type ToolFormat } from "./tool-format.ts";

/** Who answers under a name. */
export type Target = {
  /** Null for the base model, and for an adapter that the operator loaded. */
  readonly release: ServedRelease | null;
  readonly loaded: LoadedAdapter | null;
  /** Undefined: the base model answers. */
  readonly adapter: Digest | undefined;
};

export type Models = {
  /** In which the base writes tool calls; null where its template takes no tools. */
  readonly toolFormat: ToolFormat | null;
  /** @throws InferenceError 404 for a name that stands for nothing here */
  find(model: string): Promise<Target>;
  list(): Promise<ModelJson[]>;
  /** @throws InferenceError 404 */
  describe(model: string): Promise<ModelJson>;
  /**
   * Serves a PEFT folder as a free model of this name; what it answers is not attributed. The same folder again changes nothing.
   *
   * @throws InferenceError
   */
  load(name: string, path: string): Promise<LoadedAdapter>;
  /** @throws InferenceError 404 */
  unload(name: string): Promise<LoadedAdapter>;
  /** Loads a model's adapter ahead of its first request and keeps it in memory until it is unpinned or the process ends. @throws InferenceError */
  pin(model: string): Promise<Digest>;
  unpin(model: string): Promise<Digest>;
};

export function createModels(parts: {
  readonly openlora: Pick<OpenLora, "info" | "pin" | "unpin">;
  readonly releases: Releases;
  readonly loaded: LoadedAdapters;
}): Models {
  const { openlora, releases, loaded } = parts;
  const base = openlora.info();
  const startedAtMs = Date.now();
  const pinned = new Set<Digest>();
  let last: Promise<unknown> = Promise.resolve();

  /** One at a time: what is tried must not be unpinned by its neighbour. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = last.then(work);
    last = mine.catch(() => {});
    return mine;
  }

  /** A release's name wins over a loaded adapter's that was there before it. */
  async function find(model: string): Promise<Target> {
    if (model === base.baseName) return { release: null, loaded: null, adapter: undefined };
    // A name with control characters is nobody's, and no database would look for it.
    if (/\p{Cc}/u.test(model)) throw unknownModel(model);
    const release = await releases.find(model);
    if (release !== undefined) return { release, loaded: null, adapter: release.manifest.adapter.digest };
    const found = await loaded.find(model);
    if (found === undefined) throw unknownModel(model);
    return { release: null, loaded: found, adapter: found.digest };
  }

  /** Reading it into memory is the one test that it can be served: its bytes, its base, its rank and modules. */
  async function tryAdapter(digest: Digest): Promise<void> {
    if (pinned.has(digest)) return;
    try {
      await openlora.pin(digest);
    } catch (error) {
      if (error instanceof OpenLoraError && error.code.startsWith("adapter-"))
        throw badRequest("adapter_refused", "lora_path", error.message);
      throw error;
    }
    await openlora.unpin(digest);
  }

  async function adapterOf(model: string): Promise<Digest> {
    const { adapter } = await find(model);
    if (adapter !== undefined) return adapter;
    throw badRequest("invalid_value", "lora_name", `'${model}' is the base model: it is always there.`);
  }

  return {
    toolFormat: detectToolFormat(base.toolTemplate),
    find,
    async list() {
      const [released, others] = await Promise.all([releases.list(), loaded.list()]);
      const names = new Set(released.map(({ model }) => model));
      return [
        freeJson(base, startedAtMs),
        ...released.map((release) => modelJson(release, release.model, base)),
        ...others.filter(({ name }) => !names.has(name)).map((one) => freeJson(base, one.loadedAtMs, one)),
      ];
    },
    async describe(model) {
      const target = await find(model);
      if (target.release !== null) return modelJson(target.release, model, base);
      const { loaded } = target;
      return loaded === null ? freeJson(base, startedAtMs) : freeJson(base, loaded.loadedAtMs, loaded);
    },
    load: (name, path) =>
      inTurn(async () => {
        if (name === base.baseName) throw taken(name, "the base model");
        if ((await releases.find(name)) !== undefined) throw taken(name, "a release");
        return loaded.load(name, path, tryAdapter);
      }),
    unload: (name) =>
      inTurn(async () => {
        const gone = await loaded.unload(name);
        if (pinned.delete(gone.digest)) await openlora.unpin(gone.digest);
        return gone;
      }),
    pin: (model) =>
      inTurn(async () => {
        const digest = await adapterOf(model);
        await openlora.pin(digest);
        pinned.add(digest);
        return digest;
      }),
    unpin: (model) =>
      inTurn(async () => {
        const digest = await adapterOf(model);
        pinned.delete(digest);
        await openlora.unpin(digest);
        return digest;
      }),
  };
}

function unknownModel(model: string): InferenceError {
  return new InferenceError(
    404,
    "model_not_found",
    `The model '${model.slice(0, 128)}' does not exist here. GET /v1/models lists those that do.`,
    { param: "model" },
  );
}
