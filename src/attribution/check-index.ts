/** Whether the files of a release's index are those that its manifest commits to: scores of others would be proven wrong. */
import { type Address, bytesDigest, indexTree, type Manifest, zeroAddress } from "../protocol/index.ts";

/** What the manifest says of its index. */
export type IndexFacts = Pick<Manifest["index"], "contributors" | "nullRows" | "k" | "root" | "basisDigest">;

export type IndexFiles = {
  readonly release: string;
  readonly index: IndexFacts;
  /** Payees of the contributor rows, by row. */
  readonly payees: readonly Address[];
  /** All rows as they are committed, one after the other. */
  readonly rows: Uint8Array;
  readonly basis: Uint8Array;
};

/** The files are not the index of this release; nothing is scored with them. */
export class IndexMismatchError extends Error {
  override name = "IndexMismatchError";
}

/** @throws IndexMismatchError that names the first thing that is not as committed: rows, payees, basis or root */
export function assertIndex({ release, index, payees, rows, basis }: IndexFiles): void {
  const count = index.contributors + index.nullRows;
  const compare = (what: string, expected: number | string, actual: number | string) => {
    if (expected !== actual)
      throw new IndexMismatchError(
        `The pay index here is not that of release ${release}: its ${what} must be ${expected}; got ${actual}. Restore the release's files.`,
      );
  };
  compare(`size, ${count} rows of ${2 * index.k} bytes,`, count * 2 * index.k, rows.length);
  compare("number of payees", index.contributors, payees.length);
  compare("basis", index.basisDigest, bytesDigest(basis));
  const all = Array.from({ length: count }, (_, row) => ({
    row,
    payee: payees[row] ?? zeroAddress,
    bytes: rows.subarray(row * 2 * index.k, (row + 1) * 2 * index.k),
  }));
  let root: string;
  try {
    root = indexTree(all).root;
  } catch (error) {
    root = `none: ${(error as Error).message}`;
  }
  compare("root", index.root, root);
}
