/** The near duplicates that a release leaves out of its index, and those found again. */
import { z } from "zod";
import { clusterList, type Representatives } from "../attribution/index.ts";
import type { ReadableIndex, rowsOf } from "../modelfactory/index.ts";
import { bytesDigest, canonicalJson, type Digest, jsonDigest, uint32Schema } from "../protocol/index.ts";
import type { IndexCheckName } from "./index-claims.ts";

const listSchema = z.strictObject({ clusters: z.array(z.array(uint32Schema).min(2)) });

export type ClusterClaims = {
  readonly digest: Digest;
  /** Of every readable row, the one that the release has stand for it; undefined where its list is not here, or is none. */
  readonly representatives?: Representatives;
  readonly fault?: string;
};

/** @param bytes the release's list, by numbers of its rows */
export function openClusters(
  bytes: Uint8Array | undefined,
  digest: Digest,
  { kept }: Pick<ReadableIndex, "kept">,
): ClusterClaims {
  if (bytes === undefined) return { digest };
  const fault = (what: string): ClusterClaims => ({
    digest,
    fault: `the release's list of near duplicates ${what}`,
  });
  if (bytesDigest(bytes) !== digest) return fault(`has the digest ${bytesDigest(bytes)}`);
  let list: number[][];
  try {
    list = listSchema.parse(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))).clusters;
  } catch {
    return fault("cannot be read");
  }
  const place = new Map(kept.map((row, at) => [row, at]));
  const representatives = Uint32Array.from(kept.keys());
  const seen = new Set<number>();
  for (const cluster of list)
    for (const row of cluster) {
      const at = place.get(row);
      if (at === undefined || seen.has(row)) return fault(`names row ${row} twice, or where there is none`);
      seen.add(row);
      representatives[at] = place.get(cluster[0] as number) as number;
    }
  return { digest, representatives };
}

/** @param rows whose they are */
export function compareClusters(
  claims: ClusterClaims,
  found: { readonly again: Representatives; readonly kept: readonly number[] },
  rows: Pick<ReturnType<typeof rowsOf>, "contributorOf" | "contributors">,
  check: (name: IndexCheckName, expected: string, actual: string, found?: readonly string[]) => boolean,
): void {
  const { again, kept } = found;
  const list = clusterList(again).map((members) => members.map((at) => kept[at] as number));
  const faults = claims.fault === undefined ? [] : [claims.fault];
  const rowAt = (at: number) => {
    const row = kept[at] as number;
    return `row ${row} of ${rows.contributors[rows.contributorOf[row] as number]}`;
  };
  claims.representatives?.forEach((claimed, at) => {
    const right = again[at] as number;
    if (claimed === right) return;
    const repeats = right === at ? "it repeats nothing" : `it repeats ${rowAt(right)}`;
    faults.push(
      claimed === at
        ? `${rowAt(at)} stands for itself; recomputed, ${repeats}`
        : `${rowAt(at)} is left out as a copy of ${rowAt(claimed)}; recomputed, ${repeats}`,
    );
  });
  const copies = list.reduce((sum, members) => sum + members.length - 1, 0);
  const expected = `${copies} copies in ${list.length} clusters, ${jsonDigest({ clusters: list })}`;
  const equal = bytesDigest(new TextEncoder().encode(canonicalJson({ clusters: list }))) === claims.digest;
  check("clusters", expected, equal ? expected : `others, ${claims.digest}`, faults);
}
