/** All that making a release's index again takes, from a node over HTTP. */
import { join } from "node:path";
import { type CarriedVersion, fetchVersion, openVersion, type VersionContent } from "../datanets/index.ts";
import type { Registered } from "../modelfactory/index.ts";
import type { Digest, Manifest } from "../protocol/index.ts";
import { openExplainBlob } from "./explain-blob.ts";
import type { IndexMaterial } from "./index-claims.ts";
import type { NodeSource } from "./node-source.ts";

/**
 * Versions as they were carried here, checked against what a release's manifest says of them.
 *
 * @returns in the manifest's order; an Error says why one could not be had, or what is wrong with it
 */
export const openVersions = (
  { datanets }: Pick<Manifest, "datanets">,
  carried: readonly (CarriedVersion | Error | undefined)[],
): (VersionContent | Error)[] =>
  datanets.map((named, i) => {
    const version = carried[i] ?? new Error("It is not here.");
    if (version instanceof Error) return version;
    try {
      return openVersion(version, named);
    } catch (error) {
      return error as Error;
    }
  });

/**
 * A release's index with the files that only checking it takes; undefined where the node does not give them.
 *
 * @param scratch a folder for the explain index, which is not read into memory: whoever made it removes it
 * @throws ValidatorError `bad-node` where the node does not give the release
 */
export async function sourceIndex(
  source: NodeSource,
  releaseId: Digest,
  scratch: string,
): Promise<Pick<IndexMaterial, "manifest" | "index" | "files">> {
  const { manifest, index, files } = await source.release(releaseId);
  const { clustersDigest, explainDigest } = manifest.index;
  const missing = () => undefined;
  const explainOf = async () => {
    const path = join(scratch, "explain");
    await source.download(releaseId, "explain", path);
    const blob = await openExplainBlob(path);
    // Other bytes than the manifest's are the node's fault, not the release's.
    return blob.digest === explainDigest ? blob : undefined;
  };
  return {
    manifest,
    index,
    files: {
      ...files,
      clusters: await source.file(releaseId, "clusters", clustersDigest).catch(missing),
      ...(explainDigest && { explain: await explainOf().catch(missing) }),
    },
  };
}

/**
 * @param scratch as for {@link sourceIndex}
 * @param registered asks the chain (`readRegistered`)
 * @throws ValidatorError `bad-node` where the node does not give the release; data that it does not give is part of the result
 */
export async function sourceMaterial(
  source: NodeSource,
  releaseId: Digest,
  scratch: string,
  registered: (manifest: Manifest) => Promise<Registered>,
): Promise<IndexMaterial> {
  const release = await sourceIndex(source, releaseId, scratch);
  const { manifest } = release;
  const carried: (CarriedVersion | Error)[] = [];
  for (const named of manifest.datanets)
    carried.push(
      await fetchVersion((path) => source.get(path.replace(/^\//, "")), named).catch((error: Error) => error),
    );
  return {
    ...release,
    versions: openVersions(manifest, carried),
    registered: await registered(manifest),
  };
}
