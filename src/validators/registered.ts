/** What the chain's registries say of a release: receipts are checked against that, not against its manifest. */
import type { ChainReader, ProtocolContracts } from "../chain/index.ts";
import { baseDigest } from "../modelfactory/index.ts";
import { type Digest, type Manifest, releaseId, toHex } from "../protocol/index.ts";

export type Registered = {
  /** What the chain should say by the manifest, and what it says, in words. */
  readonly expected: string;
  readonly actual: string;
  /** Digests of the versions' manifests, in the order in which the release names them; they alone vouch for held-out rows. */
  readonly versions: readonly Digest[];
};

const now = { blockTag: "pending" } as const;

/** @throws CallRevertedError where a version that the manifest names was never published */
export async function readRegistered(
  { public: chain }: Pick<ChainReader, "public">,
  { ModelRegistry, DatanetRegistry }: Pick<ProtocolContracts, "ModelRegistry" | "DatanetRegistry">,
  manifest: Manifest,
): Promise<Registered> {
  const versions: Digest[] = [];
  for (const { datanetId, version } of manifest.datanets) {
    const args = [BigInt(datanetId), BigInt(version)] as const;
    const found = await chain.readContract({ ...DatanetRegistry, functionName: "versionOf", args, ...now });
    versions.push(toHex(found.metadataDigest));
  }
  const { index, adapter, base, datanets } = manifest;
  const expected = words({
    base: baseDigest(base),
    adapter: adapter.digest,
    ...{ root: index.root, rows: index.contributors + index.nullRows, contributors: index.contributors },
    ...{ k: index.k, c: index.thresholdMillionths },
    data: datanets.map(({ datanetId, version }) => `${datanetId}@${version}`).join(),
  });
  const read = { ...ModelRegistry, args: [releaseId(manifest)], ...now } as const;
  if (!(await chain.readContract({ ...read, functionName: "releaseExists" })))
    return { expected, actual: "no such release", versions };
  const [told, of] = await Promise.all([
    chain.readContract({ ...read, functionName: "releaseOf" }),
    chain.readContract({ ...read, functionName: "versionsOf" }),
  ]);
  const actual = words({
    ...{ base: toHex(told.baseDigest), adapter: toHex(told.adapterDigest) },
    ...{
      root: toHex(told.index.root),
      rows: Number(told.index.rows),
      contributors: Number(told.index.contributors),
    },
    ...{ k: Number(told.index.k), c: Number(told.index.thresholdMillionths) },
    data: of.map(({ datanetId, version }) => `${datanetId}@${version}`).join(),
  });
  return { expected, actual, versions };
}

const words = (facts: Record<string, string | number>) =>
  Object.entries(facts)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
