/**
 * The folder from which servers read adapters: `<digest>/adapter_config.json` and `adapter_model.safetensors`. What is written is the
 * adapter as it was read and checked here, with one rank and one scale and without its options, so that every server computes the same.
 */
import { rmSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Adapter, exportPeft } from "../engine/index.ts";
import { type Digest, digestSchema } from "../protocol/index.ts";
import { type AdapterBase, type LoadAdapter, readAdapter, refused, unavailable } from "./adapters.ts";
import { OpenLoraError } from "./errors.ts";

export type AdapterFolder = {
  /**
   * Reads, checks and writes an adapter, once.
   *
   * @returns its folder
   * @throws OpenLoraError `adapter-unavailable`, `adapter-refused`
   */
  prepare(digest: Digest): Promise<string>;
  pathOf(digest: Digest): string;
  /** Writes it anew at its next use. */
  forget(digest: Digest): void;
};

export type AdapterFolderOptions = {
  readonly path: string;
  /** Its rank and the modules are what the servers were started for. */
  readonly base: AdapterBase;
  readonly modules: readonly string[];
  readonly load: LoadAdapter;
  readonly loadTimeoutMs: number;
  /** Adapters kept on disk; beyond that the one unused longest goes, unless it is in use. */
  readonly keep: number;
  inUse(digest: Digest): boolean;
};

export async function openAdapterFolder(options: AdapterFolderOptions): Promise<AdapterFolder> {
  await mkdir(options.path, { recursive: true });
  /** What lies there, the least recently used first; undefined: from an earlier run, not looked at yet. */
  const known = new Map<Digest, Promise<string> | undefined>();
  for (const name of await readdir(options.path)) {
    if (digestSchema.safeParse(name).success) known.set(name as Digest, undefined);
    if (name.startsWith(unfinished)) await rm(join(options.path, name), { recursive: true, force: true });
  }
  const pathOf = (digest: Digest) => join(options.path, digest);

  async function write(digest: Digest): Promise<string> {
    const adapter = await readAdapter(digest, options);
    requireFit(digest, adapter, options);
    const files = Object.entries(exportPeft(adapter, options.base.name));
    const place = pathOf(digest);
    if (await holds(place, files)) return place;
    const fresh = await mkdtemp(join(options.path, unfinished));
    try {
      await chmod(fresh, 0o755); // servers may run as someone else
      for (const [name, bytes] of files) await writeFile(join(fresh, name), bytes);
      await rm(place, { recursive: true, force: true });
      await rename(fresh, place);
    } catch (error) {
      await rm(fresh, { recursive: true, force: true });
      throw error;
    }
    return place;
  }

  /** At once, so that nothing is prepared again while it is removed. */
  function trim(): void {
    for (const digest of [...known.keys()]) {
      if (known.size <= options.keep) return;
      if (options.inUse(digest)) continue;
      known.delete(digest);
      rmSync(pathOf(digest), { recursive: true, force: true });
    }
  }

  return {
    pathOf,
    async prepare(digest) {
      const ready = known.get(digest) ?? write(digest);
      known.delete(digest);
      known.set(digest, ready);
      try {
        return await ready;
      } catch (cause) {
        if (known.get(digest) === ready) known.delete(digest);
        throw cause instanceof OpenLoraError ? cause : unavailable(digest, (cause as Error).message, cause);
      } finally {
        trim();
      }
    },
    forget(digest) {
      if (known.has(digest)) known.set(digest, undefined);
    },
  };
}

const unfinished = ".adapter-";

async function holds(place: string, files: [name: string, bytes: Uint8Array][]): Promise<boolean> {
  for (const [name, bytes] of files) {
    const found = await readFile(join(place, name)).catch(() => undefined);
    if (found === undefined || !found.equals(bytes)) return false;
  }
  return true;
}

function requireFit(digest: Digest, { config }: Adapter, { modules }: AdapterFolderOptions): void {
  const other = config.modules.find((module) => !modules.includes(module));
  if (other !== undefined)
    throw refused(digest, `it changes ${other}; the servers were started for ${modules.join(", ")}.`);
}
