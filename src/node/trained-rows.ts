/** What a release was trained on, row by row: in the order of its explain index. */
import type { Datanets } from "../datanets/index.ts";
import type { Release } from "../modelfactory/index.ts";
import type { Address, Digest, Example, Manifest } from "../protocol/index.ts";

export type TrainedRelease = Pick<Release, "contributors"> & {
  readonly manifest: Pick<Manifest, "datanets">;
};

export type TrainedRow = {
  /** Number of the Datanet version in the manifest, and of the row in it. */
  readonly source: number;
  readonly row: number;
  readonly contributor: Address;
  readonly exampleDigest: Digest;
  readonly example: Example;
  /** Of the consent it was given under. */
  readonly signedAt: number;
};

/** Those of a release's Datanets that are not open to all. */
export async function gatedDatanets(
  datanets: Pick<Datanets, "access">,
  { manifest }: Pick<TrainedRelease, "manifest">,
): Promise<string[]> {
  const gated = new Set<string>();
  for (const { datanetId } of manifest.datanets)
    if ((await datanets.access.rule(BigInt(datanetId))).rule.kind !== "public") gated.add(datanetId);
  return [...gated];
}

/** The rows of all versions in the manifest's order, without those of contributors who were excluded. */
export async function trainedRows(
  datanets: Pick<Datanets, "getVersion">,
  { manifest, contributors }: TrainedRelease,
): Promise<TrainedRow[]> {
  const trained = new Set(contributors);
  const found: TrainedRow[] = [];
  for (const [source, { datanetId, version }] of manifest.datanets.entries()) {
    const { rows, manifest: content } = await datanets.getVersion(BigInt(datanetId), version);
    for (const [row, { contributor, exampleDigest, example }] of rows.entries()) {
      if (!trained.has(contributor)) continue;
      const { signedAt } = content.contributions[content.rows[row]!.contribution]!;
      found.push({ source, row, contributor, exampleDigest, example, signedAt });
    }
  }
  return found;
}
