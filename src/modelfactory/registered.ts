/** What the chain's registries say of a release: receipts are checked against that, not against its manifest. */
import type { ChainReader, ProtocolContracts } from "../chain/index.ts";
import { type Digest, type Manifest, releaseId, toHex } from "../protocol/index.ts";
import { baseDigest } from "./release.ts";

export type Registered = {
  /** What the chain should say by the manifest, and what it says, in words. */
  readonly expected: string;
  readonly actual: string;
  /** Digests of the versions' manifests, in the order in which the release names them; they alone vouch for held-out rows. None of an unknown release. */
  readonly versions: readonly Digest[];
  /** Whether validators have attested the index. */
  readonly attested: boolean;
};

const now = { blockTag: "pending" } as const;

export async function readRegistered(
  { public: chain }: Pick<ChainReader, "public">,
  contracts: Pick<ProtocolContracts, "ModelRegistry" | "DatanetRegistry" | "ReleaseVerdicts">,
  manifest: Manifest,
): Promise<Registered> {
  const { index, adapter, base, datanets } = manifest;
  const expected = words({
    base: baseDigest(base),
    adapter: adapter.digest,
    ...{ root: index.root, rows: index.contributors + index.nullRows, contributors: index.contributors },
    ...{ k: index.k, c: index.thresholdMillionths },
    data: datanets.map(({ datanetId, version }) => `${datanetId}@${version}`).join(),
  });
  const id = { args: [releaseId(manifest)], ...now } as const;
  const read = { ...contracts.ModelRegistry, ...id };
  if (!(await chain.readContract({ ...read, functionName: "releaseExists" })))
    return { expected, actual: "no such release", versions: [], attested: false };
  const [told, of, attested] = await Promise.all([
    chain.readContract({ ...read, functionName: "releaseOf" }),
    chain.readContract({ ...read, functionName: "versionsOf" }),
    chain.readContract({ ...contracts.ReleaseVerdicts, ...id, functionName: "isAttested" }),
  ]);
  const versions = await Promise.all(
    of.map(async ({ datanetId, version }) => {
      const args = [datanetId, version] as const;
      const found = await chain.readContract({
        ...contracts.DatanetRegistry,
        ...{ functionName: "versionOf", args, ...now },
      });
      return toHex(found.metadataDigest);
    }),
  );
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
  return { expected, actual, versions, attested };
}

const words = (facts: Record<string, string | number>) =>
  Object.entries(facts)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
