/**
 * Texts as sets of runs of words, and how alike two sets are (Broder 1997, "On the resemblance and containment of documents"). What a release's
 * clusters of near duplicates say depends on every line here.
 *
 * Case, format characters and the marks of sentences do not count, so that they cannot make a copy look new; other symbols do, because in
 * formulas and code they carry the meaning. Scripts written without spaces give one word a character.
 */

const words =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]|[\p{L}\p{M}\p{N}]+(?:[.,]\p{N}+)*|[^\s.,;:!?'"…„“”‘’«»]/gu;

/** A text's words, lower-case. */
export const wordsOf = (text: string): string[] =>
  text
    .normalize("NFKC")
    .replace(/\p{Cf}/gu, "")
    .toLowerCase()
    .match(words) ?? [];

/** The finaliser of MurmurHash3: every bit of the input moves about half of the output's. */
export function mixBits(x: number): number {
  let h = x;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function hashWord(word: string): number {
  let h = 0x811c9dc5; // FNV-1a
  for (let i = 0; i < word.length; i++) h = Math.imul(h ^ word.charCodeAt(i), 0x01000193);
  return mixBits(h);
}

/** Ascending, each once. */
const asSet = (hashes: Uint32Array): Uint32Array =>
  hashes.sort().filter((h, i) => i === 0 || h !== hashes[i - 1]);

/** 32-bit hashes of the words, in their order. */
export const wordHashesOf = (text: string): Uint32Array => Uint32Array.from(wordsOf(text), hashWord);

/** 32-bit hashes of the words, ascending, each once. */
export const wordSetOf = (text: string): Uint32Array => asSet(wordHashesOf(text));

/** 32-bit hashes of the runs of `size` words, ascending, each once; of a text of fewer words, of all of it; none of an empty one. */
export const shinglesOf = (text: string, size = 3): Uint32Array => runsOf(wordHashesOf(text), size);

/** {@link shinglesOf} of a text whose words are hashed already. */
export function runsOf(words: Uint32Array, size: number): Uint32Array {
  if (words.length === 0) return new Uint32Array(0);
  const runs = new Uint32Array(Math.max(0, words.length - size) + 1);
  for (let at = 0; at < runs.length; at++) {
    let h = 0;
    for (let i = at; i < Math.min(at + size, words.length); i++)
      h = mixBits(Math.imul(h, 31) + (words[i] as number));
    runs[at] = h;
  }
  return asSet(runs);
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

/**
 * MinHash (Broder 1997): for each of k hash functions the least hash over the set. Two signatures agree at a place with the probability of
 * the sets' Jaccard index.
 */
export function createMinHash(k: number) {
  const multipliers = Uint32Array.from({ length: k }, (_, i) => mixBits(2 * i + 1) | 1);
  const offsets = Uint32Array.from({ length: k }, (_, i) => mixBits(2 * i + 2));
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
