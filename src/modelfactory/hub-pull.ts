/** A model from a hub to a folder. The folder's `pull.json` pins what is brought; the disk itself says how far it is. */
import { existsSync, readFileSync } from "node:fs";
import { mkdir, readdir, rename, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type ModelConfig, parseConfig, readJsonFile } from "../engine/index.ts";
import { type FolderLock, isStoreError, lockFiles, lockFolder } from "../store/index.ts";
import { HubError } from "./errors.ts";
import { bytesAt, fetchFile, partialOf, syncFolder } from "./hub-file.ts";
import type { Hub } from "./hub-http.ts";
import { type Pull, pullSchema } from "./hub-model.ts";
import { planPull } from "./hub-plan.ts";

const pullFile = "pull.json";

export type PullOptions = {
  readonly hub: Hub;
  /** `organisation/name`. */
  readonly id: string;
  /** Branch, tag or commit; left out, `main`, or what an earlier pull into this folder was begun with. */
  readonly revision?: string | undefined;
  readonly folder: string;
  readonly signal?: AbortSignal | undefined;
  /** Called once, before the first byte of weights: what comes, and how much of it is here. */
  readonly onPlan?: (plan: { pull: Pull; config: ModelConfig; bytes: number; bytesHere: number }) => void;
  readonly onProgress?: (progress: { bytesHere: number; bytes: number; file: string }) => void;
  /** Free bytes on a folder's disk. */
  readonly freeBytes?: (folder: string) => Promise<number>;
};

export type PullResult = Pull & {
  readonly folder: string;
  readonly config: ModelConfig;
  readonly bytes: number;
  /** Bytes of files that came over the network this time. */
  readonly bytesFetched: number;
};

/**
 * What a folder was pulled from, or undefined.
 *
 * @throws HubError `other-pull` when its pull.json is damaged
 */
export function readPull(folder: string): Pull | undefined {
  const path = join(folder, pullFile);
  if (!existsSync(path)) return undefined;
  try {
    return pullSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch (cause) {
    throw new HubError("other-pull", `${path} cannot be read.`, {
      expected: "what a pull wrote there",
      fix: [`remove ${path} and the files beside it, and pull again`],
      cause,
    });
  }
}

/** Bytes of a pull that lie in its folder, finished or not; digests are not looked at. */
export async function bytesHere(folder: string, { files }: Pull): Promise<number> {
  let sum = 0;
  for (const file of files) {
    const whole = await bytesAt(join(folder, file.name));
    sum += whole === file.size ? whole : Math.min(file.size, await bytesAt(partialOf(folder, file)));
  }
  return sum;
}

const freeOn = async (folder: string) => {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
};

/**
 * Pulls a model, or what an earlier pull into the same folder left to do; a whole folder is checked and mended.
 *
 * @throws HubError
 */
export async function pullModel(options: PullOptions): Promise<PullResult> {
  const { hub, id, folder, signal, freeBytes = freeOn } = options;
  const begun = beginning(options);
  const planned = begun === undefined ? await planPull(hub, id, options.revision, signal) : undefined;
  await mkdir(folder, { recursive: true });
  const lock = take(folder);
  try {
    // Another pull may have begun, or ended, since.
    let pull = beginning(options);
    if (pull === undefined) {
      if (planned === undefined) throw new Error(`${folder}/${pullFile} was removed while it was read.`);
      pull = planned.pull;
      await requireEmpty(folder);
      await requireRoom(folder, pull, freeBytes);
      await writePull(folder, pull);
      for (const file of pull.files) {
        const bytes = planned.ready.get(file.name);
        if (bytes !== undefined) await writeFile(partialOf(folder, file), bytes);
      }
    } else await requireRoom(folder, pull, freeBytes);
    return await bring(options, pull);
  } finally {
    lock.release();
  }
}

function take(folder: string): FolderLock {
  try {
    return lockFolder(folder);
  } catch (cause) {
    if (!isStoreError(cause, "folder-locked")) throw cause;
    throw new HubError("busy", `Another pull into ${folder} is under way.`, {
      expected: "one at a time",
      actual: `${join(folder, "lock.json")} names the process`,
      fix: ["wait for it, or stop it and run the same again"],
      cause,
    });
  }
}

/** The pull that this folder was begun with. @throws HubError `other-pull` when it is not the one asked for */
function beginning({ folder, id, revision }: PullOptions): Pull | undefined {
  const pull = readPull(folder);
  if (pull === undefined) return undefined;
  if (pull.id === id && (revision === undefined || [pull.revision, pull.commit].includes(revision)))
    return pull;
  throw new HubError("other-pull", `${folder} holds another pull.`, {
    expected: `${id} at ${revision ?? "main"}`,
    actual: `${pull.id} at ${pull.revision}, commit ${pull.commit}`,
    fix: ["pull into another folder with --out", "or remove that folder"],
  });
}

async function requireEmpty(folder: string): Promise<void> {
  const others = (await readdir(folder)).filter((name) => !lockFiles.includes(name));
  if (others.length === 0) return;
  throw new HubError("other-pull", `${folder} is not empty, and no pull was begun in it.`, {
    expected: "a new folder, an empty one, or one of an earlier pull",
    actual: `${others.length} files, such as ${JSON.stringify(others[0])}`,
    fix: ["choose another folder with --out"],
  });
}

async function requireRoom(
  folder: string,
  pull: Pull,
  freeBytes: (folder: string) => Promise<number>,
): Promise<void> {
  const needed = sizeOf(pull) - (await bytesHere(folder, pull));
  const free = await freeBytes(folder);
  if (free >= needed) return;
  throw new HubError("disk-full", `${pull.id} does not fit on the disk of ${folder}.`, {
    expected: `${needed} bytes free`,
    actual: `${free} bytes`,
    fix: ["make room, or choose a folder on another disk with --out"],
  });
}

const sizeOf = ({ files }: Pull) => files.reduce((sum, { size }) => sum + size, 0);

async function writePull(folder: string, pull: Pull): Promise<void> {
  const part = join(folder, `${pullFile}.partial`);
  await writeFile(part, `${JSON.stringify(pull, null, 2)}\n`, { flush: true });
  await rename(part, join(folder, pullFile));
  await syncFolder(folder);
}

async function bring(
  { hub, folder, signal, onPlan, onProgress }: PullOptions,
  pull: Pull,
): Promise<PullResult> {
  const bytes = sizeOf(pull);
  let config: ModelConfig | undefined;
  let done = 0;
  let bytesFetched = 0;
  for (const file of pull.files) {
    signal?.throwIfAborted();
    bytesFetched += await fetchFile(hub, pull, file, folder, signal, (here) =>
      onProgress?.({ bytesHere: done + here, bytes, file: file.name }),
    );
    done += file.size;
    if (config === undefined) {
      config = parseConfig(readJsonFile(join(folder, "config.json")));
      onPlan?.({ pull, config, bytes, bytesHere: await bytesHere(folder, pull) });
    }
  }
  if (config === undefined) throw new Error("A pull begins with config.json.");
  return { ...pull, folder, config, bytes, bytesFetched };
}
