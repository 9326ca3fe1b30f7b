/** A release for who checks it: from the running node, or from a file that was written when it was fetched. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { type CarriedVersion, fetchVersion } from "../datanets/index.ts";
import { type ReleaseMaterial, readRegistered, type StartMaterial } from "../modelfactory/index.ts";
import {
  addressSchema,
  base64Schema,
  bytesSchema,
  type Digest,
  digestSchema,
  manifestSchema,
  maxDimensions,
  toBytes,
  toHex,
  whatIsWrong,
} from "../protocol/index.ts";
import { type ExplainBlob, explainBlob } from "../validators/index.ts";
import { CliError, exitCodes } from "./errors.ts";
import { cannotRead, writeText } from "./files.ts";
import { ApiError, connect, type NodeClient } from "./http.ts";
import { openChain } from "./purse.ts";

/** Bytes that JSON holds as text. */
const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array);
export const base64 = z.codec(base64Schema, bytes, {
  decode: (text) => new Uint8Array(Buffer.from(text, "base64")),
  encode: (bytes) => Buffer.from(bytes).toString("base64"),
});
const rowBytes = z.codec(bytesSchema(2, 2 * maxDimensions), bytes, {
  decode: toBytes,
  encode: toHex,
});

/** What making its index again takes beside that; with `verify --index`. */
const indexSchema = z.strictObject({
  contributors: z.array(addressSchema).max(1 << 20),
  /** Contributors' rows, then null rows: big-endian int16. */
  rows: z.array(rowBytes).max(1 << 20),
  adapterConfig: base64,
  clusters: base64.nullable(),
  explain: base64.nullable(),
});

/** The versions that are trained on, in the order in which they are named; null where there was none to fetch. */
export const carriedVersionsSchema = z
  .array(
    z
      .strictObject({ manifest: z.unknown(), rows: z.array(z.unknown()), heldout: z.array(z.unknown()) })
      .nullable(),
  )
  .max(64);
/** The release that a training continued from, by its manifest and its adapter's tensors. */
export const startSchema = z.strictObject({ manifest: manifestSchema, adapter: base64 });

/** A release in one file: what it takes to train it again on another machine that has its base model. */
const releaseFileSchema = z.strictObject({
  schema: z.literal("openledger/release-file/1"),
  releaseId: digestSchema,
  manifest: manifestSchema,
  /** The adapter's tensors. */
  adapter: base64,
  /** Of its index; it holds the metric that gradients are scaled by. */
  basis: base64.nullable(),
  versions: carriedVersionsSchema,
  start: startSchema.optional(),
  index: indexSchema.optional(),
});

/** A release as a file or a node gives it; with its index where that was asked for. */
export type LoadedRelease = ReleaseMaterial & {
  readonly index?:
    | (Omit<z.output<typeof indexSchema>, "explain"> & { readonly explain: ExplainBlob | null })
    | undefined;
};

export const fileBytesMax = 512 * 2 ** 20;
const partBytesMax = 256 * 2 ** 20;
/** A longer explain index is not saved: as text it would fill the file. */
const explainBytesMax = 272 * 2 ** 20;

/** What a command asks a node for; the rest is the same for all. */
export type FetchParts = (
  node: NodeClient,
  releaseId: Digest,
) => Promise<Pick<LoadedRelease, "manifest" | "adapter" | "basis" | "index" | "start">>;

/**
 * @param release a release's id, to fetch from the running node, or a file that `save` wrote before
 * @throws CliError where there is neither
 */
export async function loadRelease(
  release: string,
  save: string | undefined,
  fetchParts: FetchParts,
): Promise<LoadedRelease> {
  if (!/^0x[0-9a-fA-F]{64}$/.test(release)) return readReleaseFile(release);
  const releaseId = release.toLowerCase() as Digest;
  const node = connect();
  const parts = await fetchParts(node, releaseId);
  const { contracts, ...chain } = await openChain(node);
  const loaded: LoadedRelease = {
    releaseId,
    ...parts,
    versions: await fetchVersions(node, parts.manifest),
    registered: await readRegistered(chain, contracts, parts.manifest),
  };
  if (save !== undefined) writeText(save, JSON.stringify(fileOf(loaded)));
  return loaded;
}

const fileOf = ({ registered: _, versions, index, start, ...loaded }: LoadedRelease) =>
  z.encode(releaseFileSchema, {
    ...{ schema: "openledger/release-file/1", ...loaded },
    ...(start !== undefined && !(start instanceof Error) && { start }),
    ...(index && {
      index: {
        ...index,
        explain:
          index.explain && index.explain.length <= explainBytesMax
            ? index.explain.read(0, index.explain.length)
            : null,
      },
    }),
    versions: versions.map(carriedJson),
  });

/** A version for a file. */
export const carriedJson = (version: CarriedVersion | Error) =>
  version instanceof Error
    ? null
    : { manifest: version.manifest, rows: [...version.rows], heldout: [...version.heldout] };
/** A part of a file. */
export const carriedOf = <T>(version: T | null): T | Error => version ?? new Error("It is not in the file.");

/** @throws CliError for a file that is none */
function readReleaseFile(path: string): LoadedRelease {
  const unreadable = (why: string, exitCode: 1 | 2, cause?: unknown) =>
    new CliError(`${path} is not a release's file: ${why}`, {
      fix: [
        "give a release's id, 0x and 64 hex digits, or a file that 'openledger verify <id> --retrain --save <file>' or --index wrote",
      ],
      exitCode,
      cause,
    });
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
    if (bytes.length > fileBytesMax) throw new Error(`it has ${bytes.length} bytes, ${fileBytesMax} at most`);
  } catch (cause) {
    throw unreadable(cannotRead(path, cause).actual ?? "it cannot be read", exitCodes.usage, cause);
  }
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw unreadable(`it is not JSON (${(cause as Error).message})`, exitCodes.failed, cause);
  }
  const read = releaseFileSchema.safeParse(json);
  if (!read.success) throw unreadable(whatIsWrong(read.error), exitCodes.failed);
  const { schema: _, versions, index, start, ...file } = read.data;
  return {
    ...file,
    ...(start && { start }),
    ...(index && { index: { ...index, explain: index.explain && explainBlob(index.explain) } }),
    versions: versions.map(carriedOf),
    registered: null,
  };
}

/** Manifest, adapter and basis, and what a training that continued another began with. */
export const fetchAdapter: FetchParts = async (node, releaseId) => {
  const { manifest, adapter } = await fetchTensors(node, releaseId);
  const basis = await bytesOf("basis", await node.send("GET", `/v1/releases/${releaseId}/files/basis`));
  const continued = digestSchema.safeParse(manifest.recipe.continueFrom);
  if (!continued.success) return { manifest, adapter, basis };
  const start = await fetchTensors(node, continued.data).catch(notGiven);
  return { manifest, adapter, basis, start };
};

/** A release's manifest and adapter. */
export async function fetchTensors(node: NodeClient, releaseId: Digest): Promise<StartMaterial> {
  const answer = z
    .object({ manifest: manifestSchema })
    .safeParse(await node.get(`/v1/releases/${releaseId}`));
  if (!answer.success)
    throw new CliError(`${node.url} gives no manifest of ${releaseId}.`, {
      actual: whatIsWrong(answer.error),
    });
  const adapter = await bytesOf("adapter", await node.send("GET", `/v1/releases/${releaseId}/files/adapter`));
  return { manifest: answer.data.manifest, adapter };
}

/** What a node does not give is an answer about the release; a node that does not answer at all is none. */
export function notGiven(error: Error): Error {
  if (error instanceof CliError && !(error instanceof ApiError)) throw error;
  return error;
}

/** The versions that a manifest or a plan names. */
export async function fetchVersions(
  node: NodeClient,
  { datanets }: { readonly datanets: readonly { readonly datanetId: string; readonly version: number }[] },
): Promise<LoadedRelease["versions"]> {
  const versions: LoadedRelease["versions"][number][] = [];
  for (const { datanetId, version } of datanets)
    versions.push(await fetchVersion((path) => node.get(path), { datanetId, version }).catch(notGiven));
  return versions;
}

/** A body read whole. */
export async function bytesOf(name: string, response: Response): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > partBytesMax) throw new CliError(`The ${name} has more than ${partBytesMax} bytes.`);
    parts.push(part);
  }
  return new Uint8Array(Buffer.concat(parts));
}
