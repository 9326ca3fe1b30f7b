/** Rows of a version, a page at a time: all of them, or those that a search finds. */
import { setImmediate } from "node:timers/promises";
import type { Address, Digest, Example } from "../protocol/index.ts";
import type { VersionContent } from "./version.ts";

export type RowsQuery = {
  readonly split: "train" | "heldout";
  readonly offset: number;
  readonly limit: number;
  /** What a row's text holds, in any case; or a row's digest. */
  readonly search?: string | undefined;
  readonly contributor?: Address | undefined;
};

type AnyRow = {
  readonly exampleDigest: Digest;
  readonly contributor: Address;
  readonly consentDigest: Digest;
  readonly example: Example;
};

/** Searches that are remembered of each list of rows: a viewer asks for page after page of the same one. */
const searchesMax = 8;
const rowsBetweenPauses = 5_000;
const found = new WeakMap<readonly AnyRow[], Map<string, Promise<readonly number[]>>>();

const textOf = (example: Example): string =>
  "messages" in example
    ? example.messages.map(({ content }) => content).join("\n")
    : `${example.prompt}${example.completion}`;

async function look(rows: readonly AnyRow[], { search = "", contributor }: RowsQuery): Promise<number[]> {
  const wanted = search.toLowerCase();
  const digest = /^0x[0-9a-f]{64}$/.test(wanted);
  const at: number[] = [];
  for (const [index, row] of rows.entries()) {
    if (index % rowsBetweenPauses === rowsBetweenPauses - 1) await setImmediate();
    if (contributor !== undefined && row.contributor !== contributor) continue;
    if (digest ? row.exampleDigest === wanted : textOf(row.example).toLowerCase().includes(wanted))
      at.push(index);
  }
  return at;
}

/** Where the rows are that a query asks for; undefined where it asks for all. */
function foundIn(rows: readonly AnyRow[], query: RowsQuery): Promise<readonly number[]> | undefined {
  const { search = "", contributor } = query;
  if (search === "" && contributor === undefined) return undefined;
  const searches = found.get(rows) ?? new Map<string, Promise<readonly number[]>>();
  found.set(rows, searches);
  const key = JSON.stringify([contributor ?? null, search.toLowerCase()]);
  const known = searches.get(key);
  if (known) return known;
  const looked = look(rows, query);
  searches.set(key, looked);
  for (const oldest of searches.keys()) {
    if (searches.size <= searchesMax) break;
    searches.delete(oldest);
  }
  return looked;
}

/** A page of rows with their proofs. `index` is a row's place in the version, `total` how many the query finds. */
export async function rowsPage(content: VersionContent, query: RowsQuery) {
  const { split, offset, limit } = query;
  const all: readonly AnyRow[] = split === "train" ? content.rows : content.heldout;
  const at = await foundIn(all, query);
  const total = at?.length ?? all.length;
  const places = Array.from(
    { length: Math.max(0, Math.min(limit, total - offset)) },
    (_, place) => at?.[offset + place] ?? offset + place,
  );
  const rows = places.map((index) => {
    const { exampleDigest, contributor, consentDigest, example } = all[index]!;
    const trained = split === "train" ? content.rows[index]! : undefined;
    return {
      ...{ index, digest: exampleDigest, contributor, consentDigest, example },
      ...(trained && { licenseDigest: trained.licenseDigest, proof: content.proof(index) }),
    };
  });
  return { total, rows };
}
