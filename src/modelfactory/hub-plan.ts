/** From what a hub says of a model to a pull: every word of it checked, nothing written. */
import { listFiles, modelInfo } from "@huggingface/hub";
import { z } from "zod";
import { CheckpointError, parseConfig, shardFiles, UnsupportedModelError } from "../engine/index.ts";
import { HubError } from "./errors.ts";
import { gatedError, get, type Hub, retrying, unavailable } from "./hub-http.ts";
import {
  commitSchema,
  corrupt,
  fileSchema,
  fileUrl,
  type HubFile,
  hashOf,
  hubIdSchema,
  type Pull,
  plainFiles,
  revisionSchema,
  weightIndex,
} from "./hub-model.ts";

const neededFiles = ["config.json", "tokenizer.json", "tokenizer_config.json"];
const wholeWeights = "model.safetensors";

const plainBytesMax = 100 * 2 ** 20;
const configBytesMax = 2 ** 20;
const entriesMax = 20_000;
const apiBytesMax = 16 * 2 ** 20;
const apiRequestsMax = 50;

const listedSchema = z.object({
  path: z.string().max(4096),
  type: z.string().max(64),
  size: z.number().optional(),
  oid: z.string().optional(),
  lfs: z.object({ oid: z.string(), size: z.number() }).nullish(),
});
type Listed = z.infer<typeof listedSchema>;

const malformed = (id: string, what: string, cause?: unknown) =>
  new HubError("malformed", `What the hub says of ${id} cannot be used: ${what}.`, {
    fix: ["try again; if it stays so, use another endpoint"],
    cause,
  });
const unsupported = (id: string, what: string, cause?: unknown) =>
  new HubError("unsupported", `${id} cannot be served here: ${what}`, {
    fix: ["choose a model whose folder has what is named"],
    cause,
  });

async function readBytes(
  response: Response,
  most: number,
  alive: () => void,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    alive();
    length += chunk.length;
    if (length > most) throw new HubError("malformed", `An answer of the hub has more than ${most} bytes.`);
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

/** `fetch` for the hub's client: bounded, tried again, the token added here and only where it belongs. */
function apiFetch(hub: Hub, id: string, signal: AbortSignal | undefined): typeof fetch {
  let requests = 0;
  return async (input) => {
    if (++requests > apiRequestsMax) throw malformed(id, `its listing has more than ${apiRequestsMax} pages`);
    const url = input instanceof Request ? input.url : String(input);
    const read = async (response: Response, alive: () => void) => {
      const body = await readBytes(response, apiBytesMax, alive);
      const link = response.headers.get("link");
      return new Response(body, { headers: link === null ? {} : { link } });
    };
    const headers = { accept: "application/json" };
    return retrying(
      hub,
      signal,
      () => 0,
      () => get(hub, url, { about: id, headers, signal, read }),
    );
  };
}

/** The client's own errors are about words it did not expect. */
async function understood<T>(
  id: string,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof HubError) throw cause;
    throw malformed(id, "its answer is not what the hub's API says", cause);
  }
}

/** A file of the root, and of the folder that pooling is written in. */
async function listed(
  hub: Hub,
  id: string,
  commit: string,
  signal: AbortSignal | undefined,
): Promise<Map<string, Listed>> {
  const found = new Map<string, Listed>();
  const ask = apiFetch(hub, id, signal);
  const read = async (path: string) => {
    let count = 0;
    const repo = { type: "model", name: id } as const;
    const entries = listFiles({ repo, path, revision: commit, hubUrl: hub.endpoint, fetch: ask });
    for await (const entry of entries) {
      if (++count > entriesMax) throw malformed(id, `it lists more than ${entriesMax} files`);
      const parsed = listedSchema.safeParse(entry);
      if (!parsed.success) throw malformed(id, "its listing is malformed");
      if (found.has(parsed.data.path)) throw malformed(id, "its listing names a file twice");
      found.set(parsed.data.path, parsed.data);
    }
  };
  await read("");
  if (found.get("1_Pooling")?.type === "directory") await read("1_Pooling");
  return found;
}

function fileOf(id: string, files: ReadonlyMap<string, Listed>, name: string): HubFile {
  const entry = files.get(name);
  if (entry === undefined) throw unsupported(id, `it has no ${name}.`);
  const parsed = fileSchema.safeParse({
    name,
    size: entry.lfs?.size ?? entry.size,
    digest: entry.lfs ? { algorithm: "sha256", hex: entry.lfs.oid } : { algorithm: "git", hex: entry.oid },
  });
  if (entry.type !== "file" || !parsed.success) throw malformed(id, `its entry of ${name} is malformed`);
  const file = parsed.data;
  const most = name === "config.json" ? configBytesMax : plainBytesMax;
  if (!name.endsWith(".safetensors") && file.size > most)
    throw malformed(id, `${name} has ${file.size} bytes, at most ${most} are taken`);
  return file;
}

/** A small file into memory, checked. */
async function fetchJson(
  hub: Hub,
  source: Pick<Pull, "id" | "commit">,
  file: HubFile,
  signal: AbortSignal | undefined,
): Promise<{ bytes: Uint8Array; json: unknown }> {
  const about = `${source.id}: ${file.name}`;
  const bytes = await retrying(
    hub,
    signal,
    () => 0,
    () =>
      get(hub, fileUrl(hub, source, file.name), {
        about,
        signal,
        headers: { "accept-encoding": "identity" },
        read: async (response, alive) => {
          const read = await readBytes(response, file.size, alive);
          if (read.length < file.size) throw unavailable(hub, about, `${read.length} of ${file.size} bytes`);
          return read;
        },
      }),
  );
  const actual = hashOf(file).update(bytes).digest("hex");
  if (actual !== file.digest.hex) throw corrupt(source.id, file, actual);
  try {
    return { bytes, json: JSON.parse(new TextDecoder().decode(bytes)) };
  } catch (cause) {
    throw unsupported(source.id, `${file.name} is not JSON.`, cause);
  }
}

/**
 * Decides what a pull brings: resolves the revision, reads the listing and the configuration, refuses what the engine does not run.
 *
 * @returns the pull, and the files that are already in memory
 * @throws HubError
 */
export async function planPull(
  hub: Hub,
  id: string,
  revision = "main",
  signal?: AbortSignal,
): Promise<{ pull: Pull; ready: ReadonlyMap<string, Uint8Array> }> {
  checkName(hubIdSchema, id, "A model of a hub is named organisation/name.");
  checkName(revisionSchema, revision, "A revision is a branch, a tag or a commit.");
  const info = await understood(id, signal, () =>
    modelInfo({
      name: id,
      revision,
      hubUrl: hub.endpoint,
      additionalFields: ["sha"],
      fetch: apiFetch(hub, id, signal),
    }),
  );
  if (info.gated && hub.token === undefined) throw gatedError(hub, id);
  const sha = commitSchema.safeParse(info.sha);
  if (!sha.success) throw malformed(id, "it does not name a commit");
  const commit = sha.data;
  const files = await understood(id, signal, () => listed(hub, id, commit, signal));
  for (const name of neededFiles) fileOf(id, files, name);
  const source = { id, commit };
  const ready = new Map<string, Uint8Array>();
  const fetched = async (name: string) => {
    const { bytes, json } = await fetchJson(hub, source, fileOf(id, files, name), signal);
    ready.set(name, bytes);
    return json;
  };
  try {
    parseConfig(await fetched("config.json"));
    const weights = files.has(wholeWeights)
      ? [wholeWeights]
      : files.has(weightIndex)
        ? [weightIndex, ...shardFiles(await fetched(weightIndex), weightIndex)]
        : undefined;
    if (weights === undefined)
      throw unsupported(
        id,
        `it has neither ${wholeWeights} nor ${weightIndex}; other formats are not taken.`,
      );
    const names = [...plainFiles.filter((name) => files.has(name)), ...weights];
    if (new Set(names.map((name) => name.toLowerCase())).size < names.length)
      throw malformed(id, "two of its files differ in upper and lower case only");
    const pull: Pull = {
      format: 1,
      id,
      endpoint: hub.endpoint,
      revision,
      commit,
      files: names.map((name) => fileOf(id, files, name)),
    };
    return { pull, ready };
  } catch (cause) {
    if (cause instanceof UnsupportedModelError || cause instanceof CheckpointError)
      throw unsupported(id, cause.message, cause);
    throw cause;
  }
}

function checkName(schema: z.ZodType<string>, text: string, message: string): void {
  const parsed = schema.safeParse(text);
  if (!parsed.success)
    throw new HubError("invalid-id", message, {
      expected: parsed.error.issues[0]?.message.replace("expected ", "") ?? "",
      actual: JSON.stringify(text.slice(0, 100)),
    });
}
