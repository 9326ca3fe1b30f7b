/** What two versions of a Datanet do not share. */
import type { Address, Digest, Example } from "../protocol/index.ts";
import type { VersionContent } from "./version.ts";

/** A row that is in one of two versions only. */
export type DiffRow = {
  readonly change: "added" | "removed";
  readonly split: "train" | "heldout";
  readonly digest: Digest;
  readonly contributor: Address;
  readonly example: Example;
};

export type VersionDiff = {
  readonly added: number;
  readonly removed: number;
  readonly kept: number;
  /** Removed rows in the order of the earlier version, then added ones in that of the later. */
  readonly rows: readonly DiffRow[];
};

type Placed = Omit<DiffRow, "change"> & { readonly key: string };

/** Rows are the same when their example, its consent and their split are: the same text given again under another consent is another row. */
function rowsOf({ rows, heldout }: Pick<VersionContent, "rows" | "heldout">): Placed[] {
  const place = (split: DiffRow["split"]) => (row: VersionContent["heldout"][number]) => ({
    ...{ split, digest: row.exampleDigest, contributor: row.contributor, example: row.example },
    key: `${split} ${row.exampleDigest} ${row.consentDigest}`,
  });
  return [...rows.map(place("train")), ...heldout.map(place("heldout"))];
}

/** @param from,to versions of one Datanet, whichever is older */
export function diffVersions(
  from: Pick<VersionContent, "rows" | "heldout">,
  to: Pick<VersionContent, "rows" | "heldout">,
): VersionDiff {
  const [before, after] = [rowsOf(from), rowsOf(to)];
  const keysOf = (rows: readonly Placed[]) => new Set(rows.map(({ key }) => key));
  const [had, has] = [keysOf(before), keysOf(after)];
  const changed = (rows: readonly Placed[], other: ReadonlySet<string>, change: DiffRow["change"]) =>
    rows.filter(({ key }) => !other.has(key)).map(({ key: _, ...row }): DiffRow => ({ change, ...row }));
  const removed = changed(before, has, "removed");
  const added = changed(after, had, "added");
  return {
    added: added.length,
    removed: removed.length,
    kept: before.length - removed.length,
    rows: [...removed, ...added],
  };
}
