/** A release for who checks it: from the running node, or from a file that was written when it was fetched. */
import { readFileSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { fetchVersion } from "../datanets/index.ts";
import type { ReleaseMaterial, ReleaseRecord } from "../modelfactory/index.ts";
import {
  addressSchema,
  base64Schema,
  bytesSchema,
  type Digest,
  digestSchema,
  type Manifest,
  manifestSchema,
  maxDimensions,
  toHex,
} from "../protocol/index.ts";
import { CliError, exitCodes } from "./errors.ts";
import { ApiError, connect, type NodeClient } from "./http.ts";
import { now, openChain } from "./purse.ts";

/** What making its index again takes beside that; with `verify --index`. */
const indexSchema = z.strictObject({
  contributors: z.array(addressSchema).max(1 << 20),
  /** Contributors' rows, then null rows: big-endian int16. */
  rows: z.array(bytesSchema(2, 2 * maxDimensions)).max(1 << 20),
  adapterConfig: base64Schema,
  basis: base64Schema,
  clusters: base64Schema.nullable(),
  explain: base64Schema.nullable(),
});

/** A release in one file: what it takes to train it again on another machine that has its base model. */
const releaseFileSchema = z.strictObject({
  schema: z.literal("openledger/release-file/1"),
  releaseId: digestSchema,
  manifest: manifestSchema,
  /** The adapter's tensors. */
  adapter: base64Schema,
  /** The versions that the manifest names, in its order; null where there was none to fetch. */
  versions: z
    .array(
      z
        .strictObject({ manifest: z.unknown(), rows: z.array(z.unknown()), heldout: z.array(z.unknown()) })
        .nullable(),
    )
    .max(64),
  index: indexSchema.optional(),
});
export type ReleaseFile = z.output<typeof releaseFileSchema>;

const fileBytesMax = 512 * 2 ** 20;
const adapterBytesMax = 256 * 2 ** 20;

export const isReleaseId = (text: string): boolean => /^0x[0-9a-fA-F]{64}$/.test(text);

/**
 * @param release a release's id, to fetch from the running node, or a file that `save` wrote before
 * @throws CliError where there is neither
 */
export async function loadRelease(release: string, save?: string): Promise<ReleaseMaterial> {
  if (!isReleaseId(release)) return materialOf(readReleaseFile(release));
  const node = connect();
  const material = await fetchRelease(node, release.toLowerCase() as Digest);
  if (save !== undefined) writeFileSync(save, JSON.stringify(fileOf(material)));
  return { ...material, onChain: await recordOf(node, material) };
}

const fileOf = ({
  releaseId,
  manifest,
  adapter,
  versions,
}: ReleaseMaterial): z.input<typeof releaseFileSchema> => ({
  schema: "openledger/release-file/1",
  releaseId,
  manifest,
  adapter: Buffer.from(adapter).toString("base64"),
  versions: versions.map((version) =>
    version instanceof Error
      ? null
      : { manifest: version.manifest, rows: [...version.rows], heldout: [...version.heldout] },
  ),
});

/** @throws CliError for a file that is none */
export function readReleaseFile(path: string): ReleaseFile {
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
    throw unreadable((cause as Error).message, exitCodes.usage, cause);
  }
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw unreadable(`it is not JSON (${(cause as Error).message})`, exitCodes.failed, cause);
  }
  const read = releaseFileSchema.safeParse(json);
  if (!read.success)
    throw unreadable(z.prettifyError(read.error).replaceAll(/\s+/g, " ").slice(0, 400), exitCodes.failed);
  return read.data;
}

const materialOf = ({ releaseId, manifest, adapter, versions }: ReleaseFile): ReleaseMaterial => ({
  releaseId,
  manifest,
  adapter: new Uint8Array(Buffer.from(adapter, "base64")),
  versions: versions.map((version) => version ?? new Error("It is not in the file.")),
});

async function fetchRelease(node: NodeClient, releaseId: Digest): Promise<ReleaseMaterial> {
  const answer = z
    .object({ manifest: manifestSchema })
    .safeParse(await node.get(`/v1/releases/${releaseId}`));
  if (!answer.success)
    throw new CliError(`${node.url} gives no manifest of ${releaseId}.`, {
      actual: z.prettifyError(answer.error).replaceAll(/\s+/g, " ").slice(0, 400),
    });
  const { manifest } = answer.data;
  const adapter = await bytesOf(await node.send("GET", `/v1/releases/${releaseId}/files/adapter`));
  const versions: ReleaseMaterial["versions"][number][] = [];
  // A node that does not give a version is an answer about the release; one that does not answer at all is not.
  for (const { datanetId, version } of manifest.datanets)
    versions.push(
      await fetchVersion((path) => node.get(path), { datanetId, version }).catch((error: Error) => {
        if (error instanceof CliError && !(error instanceof ApiError)) throw error;
        return error;
      }),
    );
  return { releaseId, manifest, adapter, versions };
}

async function bytesOf(response: Response): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > adapterBytesMax) throw new CliError(`The adapter has more than ${adapterBytesMax} bytes.`);
    parts.push(part);
  }
  return new Uint8Array(Buffer.concat(parts));
}

/** What the registries on the node's chain say. */
async function recordOf(
  node: NodeClient,
  { releaseId, manifest }: { releaseId: Digest; manifest: Manifest },
): Promise<ReleaseRecord | null> {
  const { public: chain, contracts } = await openChain(node);
  const { ModelRegistry, DatanetRegistry, ReleaseVerdicts } = contracts;
  const read = { ...ModelRegistry, args: [releaseId], ...now } as const;
  if (!(await chain.readContract({ ...read, functionName: "releaseExists" }))) return null;
  const { baseDigest, adapterDigest, index } = await chain.readContract({
    ...read,
    functionName: "releaseOf",
  });
  const versions = await Promise.all(
    manifest.datanets.map(({ datanetId, version }) =>
      chain.readContract({
        ...DatanetRegistry,
        functionName: "versionOf",
        args: [BigInt(datanetId), BigInt(version)],
        ...now,
      }),
    ),
  );
  return {
    baseDigest: toHex(baseDigest),
    adapterDigest: toHex(adapterDigest),
    indexRoot: toHex(index.root),
    versions: versions.map(({ metadataDigest }) => toHex(metadataDigest)),
    attested: await chain.readContract({
      ...ReleaseVerdicts,
      functionName: "isAttested",
      args: [releaseId],
      ...now,
    }),
  };
}
