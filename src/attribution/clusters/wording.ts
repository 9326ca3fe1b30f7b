/**
 * Whether a text rewords another: what exchanging, moving and adding words leaves of a copy are its rare words, in whatever order. Texts are
 * weighted sets of words, compared by the weighted Jaccard index; MinHash finds candidates, each word being put in as often as it weighs
 * (Chum, Philbin and Zisserman 2008, "Near Duplicate Image Detection: min-Hash and tf-idf Weighting").
 *
 * Nothing here is a floating-point number: who finds clusters again must find the same.
 */
import { mixBits, wordSetOf } from "../../protocol/index.ts";
import { countSets } from "./boilerplate.ts";

/** Least part of their weight that two texts share, as a fraction: of the parts that are learned, and of the lighter whole text. */
export const sharedMin = { part: 2, of: 5 } as const;

/**
 * Least number of rare words, those that weigh 2 or more, that two learned parts share: short answers are alike by chance, and by what was
 * asked; a form with other names and numbers in it shares only words that many texts hold.
 */
export const rareWordsMin = 5;

/** Ascending hashes of the words that weigh something, and what each weighs. */
type Weighed = { readonly words: Uint32Array; readonly weights: Uint8Array; readonly total: number };

export type Wording = { readonly whole: Weighed; readonly learned: Weighed };

/** A word in so many texts is rare however few there are, so that ten copies cannot make their own words common. */
const rareIn = 16;
const rareWeight = 2;

/**
 * b²/8, rounded, of b = ⌊log₂ ⌊texts / texts that hold the word⌋⌋ whole bits: 0 in more than a quarter of the texts, 2 or more in a sixteenth,
 * 10 in one of a thousand. Squared, because else the frame of a form weighs more than what it is filled in with.
 */
export function weightOf(texts: number, holding: number): number {
  const bits = 31 - Math.clz32(Math.floor(texts / Math.max(1, holding)));
  return bits < 2 ? 0 : Math.max(holding <= rareIn ? rareWeight : 0, (bits * bits + 4) >> 3);
}

/** Of every text; undefined where the learned part has too few words to tell. */
export function wordingsOf(
  texts: readonly { readonly prompt: string; readonly completion: string }[],
): (Wording | undefined)[] {
  const whole = texts.map(({ prompt, completion }) => wordSetOf(`${prompt} ${completion}`));
  const holding = countSets(whole);
  const weigh = (set: Uint32Array): Weighed => {
    const weight = (word: number) => weightOf(texts.length, holding(word));
    const words = set.filter((word) => weight(word) > 0);
    const weights = Uint8Array.from(words, weight);
    return { words, weights, total: weights.reduce((sum, x) => sum + x, 0) };
  };
  return texts.map(({ completion }, n) => {
    const learned = weigh(wordSetOf(completion));
    return learned.weights.filter((weight) => weight >= rareWeight).length < rareWordsMin
      ? undefined
      : { learned, whole: weigh(whole[n] as Uint32Array) };
  });
}

/** What two texts share: what it weighs, and how many rare words. */
function sharedBy(a: Weighed, b: Weighed): { weight: number; rare: number } {
  let [i, j, weight, rare] = [0, 0, 0, 0];
  while (i < a.words.length && j < b.words.length) {
    const [x, y] = [a.words[i] as number, b.words[j] as number];
    if (x === y) {
      const own = a.weights[i] as number;
      weight += own;
      if (own >= rareWeight) rare++;
    }
    if (x <= y) i++;
    if (y <= x) j++;
  }
  return { weight, rare };
}

const isEnough = (shared: number, of: number) => sharedMin.of * shared >= sharedMin.part * of;

/** Of whole texts the part of the lighter one counts: a long invented prompt makes no other text of the same answer. */
export function rewords(a: Wording, b: Wording): boolean {
  const learned = sharedBy(a.learned, b.learned);
  return (
    learned.rare >= rareWordsMin &&
    isEnough(learned.weight, a.learned.total + b.learned.total - learned.weight) &&
    isEnough(sharedBy(a.whole, b.whole).weight, Math.min(a.whole.total, b.whole.total))
  );
}

/** The learned words, each as often as it weighs, as different hashes: of these, MinHashes agree as often as the weighted sets overlap. */
export function wordingHashes({ learned: { words, weights, total } }: Wording): Uint32Array {
  const hashes = new Uint32Array(total);
  let at = 0;
  words.forEach((word, i) => {
    for (let n = 1; n <= (weights[i] as number); n++) hashes[at++] = mixBits(word + Math.imul(n, 0x9e3779b9));
  });
  return hashes;
}
