/**
 * Texts as sets of word triples, and how alike two sets are (Broder 1997, "On the resemblance and containment of documents").
 *
 * Case, format characters and the marks of sentences do not count, so that they cannot make a copy look new; other symbols do, because in
 * formulas and code they carry the meaning. Scripts written without spaces give one word a character.
 */

const words =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]|[\p{L}\p{M}\p{N}]+(?:[.,]\p{N}+)*|[^\s.,;:!?'"…„“”‘’«»]/gu;

export const wordsOf = (text: string): string[] =>
  text
    .normalize("NFKC")
    .replace(/\p{Cf}/gu, "")
    .toLowerCase()
    .match(words) ?? [];

/** The finaliser of MurmurHash3: every bit of the input moves about half of the output's. */
export function mix(x: number): number {
  let h = x;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function hashWord(word: string): number {
  let h = 0x811c9dc5; // FNV-1a
  for (let i = 0; i < word.length; i++) h = Math.imul(h ^ word.charCodeAt(i), 0x01000193);
  return mix(h);
}

/** Ascending, each once. */
const asSet = (hashes: Uint32Array): Uint32Array =>
  hashes.sort().filter((h, i) => i === 0 || h !== hashes[i - 1]);

/** 32-bit hashes of the words, ascending, each once. */
export const wordSetOf = (text: string): Uint32Array => asSet(Uint32Array.from(wordsOf(text), hashWord));

/** 32-bit hashes of the runs of three words, ascending, each once; of a text of fewer words, of all of it; none of an empty one. */
export function shinglesOf(text: string): Uint32Array {
  const hashes = wordsOf(text).map(hashWord);
  if (hashes.length === 0) return new Uint32Array(0);
  const last = Math.max(0, hashes.length - 3);
  const shingles = Uint32Array.from({ length: last + 1 }, (_, at) => {
    let h = 0;
    for (let i = at; i < Math.min(at + 3, hashes.length); i++)
      h = mix(Math.imul(h, 31) + (hashes[i] as number));
    return h;
  });
  return asSet(shingles);
}

/** |A ∩ B| / |A ∪ B| of ascending sets; 1 for two empty ones. */
export function jaccard(a: Uint32Array, b: Uint32Array): number {
  let [i, j, both] = [0, 0, 0];
  while (i < a.length && j < b.length) {
    const [x, y] = [a[i] as number, b[j] as number];
    if (x === y) both++;
    if (x <= y) i++;
    if (y <= x) j++;
  }
  const either = a.length + b.length - both;
  return either === 0 ? 1 : both / either;
}

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

/**
 * MinHash (Broder 1997): for each of k hash functions the least hash over the set. Two signatures agree at a place with the probability of
 * the sets' Jaccard index.
 */
export function createMinHash(k: number) {
  const multipliers = Uint32Array.from({ length: k }, (_, i) => mix(2 * i + 1) | 1);
  const offsets = Uint32Array.from({ length: k }, (_, i) => mix(2 * i + 2));
  return (set: Uint32Array): Uint32Array => {
    const least = new Uint32Array(k).fill(0xffff_ffff);
    for (const x of set)
      for (let i = 0; i < k; i++) {
        const h = (Math.imul(multipliers[i] as number, x) + (offsets[i] as number)) >>> 0;
        if (h < (least[i] as number)) least[i] = h;
      }
    return least;
  };
}
