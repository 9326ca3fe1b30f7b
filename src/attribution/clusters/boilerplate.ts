/** What so many texts share that it tells none of them apart. */

/** In how many of the sets a hash is. Hashes may share a place of the table, which only raises a count, by what is rare. */
export function countSets(sets: readonly Uint32Array[]): (hash: number) => number {
  const total = sets.reduce((sum, set) => sum + set.length, 0);
  const slots = 2 ** Math.min(22, Math.ceil(Math.log2(4 * total + 1)));
  const seen = new Uint32Array(slots);
  for (const set of sets) for (const h of set) seen[h % slots] = (seen[h % slots] as number) + 1;
  return (hash) => seen[hash % slots] as number;
}

/**
 * Leaves out shingles that more than a tenth of the texts share, and at least 20: a system prompt, a form's wording. Otherwise everything
 * behind one long prompt would be near duplicates. A text that has no other keeps them.
 *
 * @param sets of texts of which no two are the same
 */
export function withoutBoilerplate(sets: readonly Uint32Array[]): Uint32Array[] {
  const most = Math.max(20, sets.length / 10);
  const seen = countSets(sets);
  return sets.map((set) => {
    const own = set.filter((h) => seen(h) <= most);
    return own.length === 0 ? set : own;
  });
}
