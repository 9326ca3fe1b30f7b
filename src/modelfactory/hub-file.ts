/** One file from a hub to a folder: onto `<file>.partial`, gone on with after an interruption, checked, then renamed. */
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { HubError } from "./errors.ts";
import { get, type Hub, retrying, unavailable } from "./hub-http.ts";
import { corrupt, fileUrl, type HubFile, hashOf, type Pull } from "./hub-model.ts";

/** Where a file's bytes are until they are checked. */
export const partialOf = (folder: string, { name }: HubFile) => join(folder, `${name}.partial`);

/** Bytes of a file that are there, or 0. */
export const bytesAt = async (path: string): Promise<number> =>
  (await stat(path).catch(() => undefined))?.size ?? 0;

/**
 * Brings one file, or nothing when it is there and right.
 *
 * @param onBytes called with the bytes of this file that are here
 * @returns bytes that came over the network
 * @throws HubError `corrupt` when it is not what was listed; then nothing of it is kept. `unavailable`, `disk-full`: what came is kept
 */
export async function fetchFile(
  hub: Hub,
  source: Pull,
  file: HubFile,
  folder: string,
  signal: AbortSignal | undefined,
  onBytes: (bytes: number) => void,
): Promise<number> {
  const path = join(folder, file.name);
  const partial = partialOf(folder, file);
  if ((await bytesAt(path)) === file.size && (await digestOf(path, file)) === file.digest.hex) {
    onBytes(file.size);
    return 0;
  }
  await mkdir(dirname(path), { recursive: true });
  try {
    let { had, came } = await fill(hub, source, file, partial, signal, onBytes);
    let actual = await digestOf(partial, file);
    if (actual !== file.digest.hex && had > 0) {
      // What an earlier run left may have been torn by a power cut: from the beginning, once.
      await rm(partial);
      const again = await fill(hub, source, file, partial, signal, onBytes);
      came += again.came;
      had = again.had;
      actual = await digestOf(partial, file);
    }
    if (actual !== file.digest.hex) throw corrupt(source.id, file, actual);
    await rename(partial, path);
    await syncFolder(dirname(path));
    return came;
  } catch (cause) {
    if (cause instanceof HubError && cause.code === "corrupt") await rm(partial, { force: true });
    if ((cause as NodeJS.ErrnoException).code === "ENOSPC")
      throw new HubError("disk-full", `The disk of ${folder} is full.`, {
        expected: `room for the rest of ${file.name}`,
        actual: "none",
        fix: ["make room and run the same again: what is here already is kept"],
        cause,
      });
    throw cause;
  }
}

/** Fetches what the partial file lacks. */
async function fill(
  hub: Hub,
  source: Pull,
  file: HubFile,
  partial: string,
  signal: AbortSignal | undefined,
  onBytes: (bytes: number) => void,
): Promise<{ had: number; came: number }> {
  const about = `${source.id}: ${file.name}`;
  await using handle = await open(partial, constants.O_RDWR | constants.O_CREAT, 0o644);
  let have = (await handle.stat()).size;
  const begin = async () => {
    await handle.truncate(0);
    have = 0;
  };
  if (have > file.size) await begin();
  const had = have;
  let came = 0;
  onBytes(have);
  const read = async (response: Response, alive: () => void) => {
    if (!continues(source.id, response, have, file)) await begin();
    for await (const chunk of response.body ?? []) {
      alive();
      if (have + chunk.length > file.size) throw wrongSize(source.id, file, `more than ${file.size} bytes`);
      await writeAll(handle, chunk, have);
      have += chunk.length;
      came += chunk.length;
      onBytes(have);
    }
    if (have < file.size) throw unavailable(hub, about, `${have} of ${file.size} bytes, then an end`);
  };
  await retrying(
    hub,
    signal,
    () => came,
    async () => {
      if (have === file.size) return;
      const headers = {
        "accept-encoding": "identity",
        ...(have > 0 ? { range: `bytes=${have}-` } : {}),
      };
      await get(hub, fileUrl(hub, source, file.name), { about, headers, signal, read });
    },
  );
  await handle.sync();
  return { had, came };
}

/**
 * Whether an answer goes on at byte `have`, or begins anew.
 *
 * @throws HubError `corrupt` when it is about a file of another size
 */
function continues(id: string, { status, headers }: Response, have: number, file: HubFile): boolean {
  if ((headers.get("content-encoding") ?? "identity") !== "identity")
    throw wrongSize(id, file, "compressed bytes, which were not asked for");
  if (status === 206) {
    const [, from, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers.get("content-range") ?? "") ?? [];
    if (Number(from) === have && Number(total) === file.size) return true;
    throw wrongSize(id, file, `a part that begins at byte ${from ?? "?"} of ${total ?? "?"}`);
  }
  const length = headers.get("content-length");
  if (length !== null && Number(length) !== file.size) throw wrongSize(id, file, `${Number(length)} bytes`);
  return have === 0;
}

const wrongSize = (id: string, { name, size }: HubFile, actual: string) =>
  new HubError("corrupt", `${name} of ${id} does not come as the hub lists it. It is deleted.`, {
    expected: `${size} bytes`,
    actual,
    fix: ["pull again; if it comes back, the hub or what stands between is damaged"],
  });

async function writeAll(handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; )
    done += (await handle.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
}

/** A file's digest as its listing names it: what lies on the disk counts, not what passed by. */
async function digestOf(path: string, file: HubFile): Promise<string> {
  const hash = hashOf(file);
  await using handle = await open(path, "r");
  for await (const chunk of handle.createReadStream({ autoClose: false, highWaterMark: 1 << 20 }))
    hash.update(chunk);
  return hash.digest("hex");
}

/** Makes a rename last through a power cut, where the system lets a folder be flushed. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  await using handle = await open(folder, "r");
  await handle.sync();
}
