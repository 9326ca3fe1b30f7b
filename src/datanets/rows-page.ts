/** Rows of a version, a page at a time: all of them, or those that a search finds. */
import { setImmediate } from "node:timers/promises";
import type { Address, Digest, Example } from "../protocol/index.ts";
import type { FactsOf, RowFacts } from "./row-facts.ts";
import type { VersionContent } from "./version.ts";

export type RowsQuery = {
  readonly split: "train" | "heldout";
  readonly offset: number;
  readonly limit: number;
  /** What a row's text holds, in any case; or a row's digest. */
  readonly search?: string | undefined;
  readonly contributor?: Address | undefined;
  /** Length in tokens, both included. */
  readonly minTokens?: number | undefined;
  readonly maxTokens?: number | undefined;
  /** ISO 639-1, or `unknown`. */
  readonly language?: string | undefined;
  /** Rows that their contributors have taken back since, or the others. */
  readonly standing?: "counts" | "withdrawn" | undefined;
};

/** What rows are looked up in beside their texts, where a query asks for it. */
export type RowAids = {
  readonly factsOf: FactsOf;
  /** Digests of the version's rows that were taken back since. */
  readonly withdrawn: () => Promise<ReadonlySet<Digest>>;
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

async function look(rows: readonly AnyRow[], query: RowsQuery, aids: RowAids): Promise<number[]> {
  const { search = "", contributor, standing } = query;
  const facts = asksForFacts(query) ? await aids.factsOf(rows) : undefined;
  const withdrawn = standing === undefined ? undefined : await aids.withdrawn();
  const wanted = search.toLowerCase();
  const digest = /^0x[0-9a-f]{64}$/.test(wanted);
  const at: number[] = [];
  for (const [index, row] of rows.entries()) {
    if (index % rowsBetweenPauses === rowsBetweenPauses - 1) await setImmediate();
    if (contributor !== undefined && row.contributor !== contributor) continue;
    if (withdrawn !== undefined && withdrawn.has(row.exampleDigest) !== (standing === "withdrawn")) continue;
    if (facts !== undefined && !fits(facts, index, query)) continue;
    if (digest ? row.exampleDigest === wanted : textOf(row.example).toLowerCase().includes(wanted))
      at.push(index);
  }
  return at;
}

const asksForFacts = ({ minTokens, maxTokens, language }: RowsQuery) =>
  minTokens !== undefined || maxTokens !== undefined || language !== undefined;

function fits(facts: RowFacts, index: number, { minTokens, maxTokens, language }: RowsQuery): boolean {
  if (index >= facts.looked) return false;
  const length = facts.tokens?.[index];
  if (minTokens !== undefined && (length === undefined || length < minTokens)) return false;
  if (maxTokens !== undefined && (length === undefined || length > maxTokens)) return false;
  return language === undefined || (facts.languages[index] ?? "unknown") === language;
}

/** Where the rows are that a query asks for; undefined where it asks for all. */
function foundIn(
  rows: readonly AnyRow[],
  query: RowsQuery,
  aids: RowAids,
): Promise<readonly number[]> | undefined {
  const { search = "", contributor, minTokens, maxTokens, language, standing } = query;
  if (search === "" && contributor === undefined && standing === undefined && !asksForFacts(query))
    return undefined;
  // What was taken back changes: it is looked up each time.
  if (standing !== undefined) return look(rows, query, aids);
  const searches = found.get(rows) ?? new Map<string, Promise<readonly number[]>>();
  found.set(rows, searches);
  const key = JSON.stringify([
    search.toLowerCase(),
    ...[contributor, minTokens, maxTokens, language].map(String),
  ]);
  const known = searches.get(key);
  if (known) return known;
  const looked = look(rows, query, aids);
  searches.set(key, looked);
  looked.catch(() => searches.delete(key));
  for (const oldest of searches.keys()) {
    if (searches.size <= searchesMax) break;
    searches.delete(oldest);
  }
  return looked;
}

/** A page of rows with their proofs. `index` is a row's place in the version, `total` how many the query finds. */
export async function rowsPage(content: VersionContent, query: RowsQuery, aids: RowAids) {
  const { split, offset, limit } = query;
  const all: readonly AnyRow[] = split === "train" ? content.rows : content.heldout;
  const at = await foundIn(all, query, aids);
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
