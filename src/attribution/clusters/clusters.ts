/**
 * Clusters of near duplicates. Examples are taken in the order of their commitments; each joins the earliest representative that it repeats,
 * or becomes one. Members are compared with representatives only, never with each other, so that no chain of small changes links two
 * different texts. Only representatives enter the pay index: a copy earns nothing and dilutes nobody.
 *
 * An example repeats another when
 * - their texts are the same, or
 * - the Jaccard index of their word triples is at least 0.8, of the whole texts and of the parts that are learned (the same question with
 *   another answer is another example), or
 * - it rewords the other: `wording`, or
 * - the cosine of their gradients is at least 0.95.
 *
 * Texts come first, and only what is left is compared by gradients: who repeats another's text is not trained on, and has none.
 *
 * Candidates come from 44 bands of 3 MinHashes of the whole and 2 of what is learned (a pair at 0.8 in both is missed once in 4 · 10⁷), of 192
 * (64 bands of 3) for rewordings, and of 1,024 sign bits (64 of 16: a pair at cosine .95 is missed once in 3 · 10⁵), and every candidate is verified.
 */
import { createHash } from "node:crypto";
import {
  bandKeys,
  createBands,
  createMinHash,
  type Digest,
  jaccard,
  jsonDigest,
  mixBits,
  shinglesOf,
} from "../../protocol/index.ts";
import { withoutBoilerplate } from "./boilerplate.ts";
import { cosineOf, mayBeClose, signatureOf, sketchBands, sketchWidth } from "./sketch.ts";
import { rewords, wordingHashes, wordingsOf } from "./wording.ts";

export const jaccardMin = 0.8;
export const cosineMin = 0.95;
const triples = { bands: 44, whole: 3, learned: 2 };
const wordings = { bands: 64, hashesPerBand: 3 };

/** What is read, and what is learned. */
export type ClusterText = { readonly prompt: string; readonly completion: string };

export type ClusterInput = {
  readonly texts: readonly ClusterText[];
  /** Of every example, when it was committed; a block's number, say. Equal ones are ordered by the text's digest. By default their order. */
  readonly committed?: ArrayLike<number>;
  /** `[N, 512]`, by `sketchExamples`, of those that repeat no text; without them, texts alone are compared. */
  readonly sketches?: Float32Array;
  /** What was found without sketches, where that is known already. */
  readonly byText?: Representatives;
};

/** Of every example, the number of its representative: its own when it is one. `[N]` */
export type Representatives = Uint32Array;

const textDigest = ({ prompt, completion }: ClusterText) =>
  createHash("sha256")
    .update(JSON.stringify([prompt, completion]))
    .digest("base64");

/** @throws RangeError when the inputs are not of the same examples */
export function findClusters({ texts, committed, sketches, byText }: ClusterInput): Representatives {
  const count = texts.length;
  if (committed !== undefined && committed.length !== count)
    throw new RangeError(`${count} texts have ${committed.length} commitments.`);
  if (sketches !== undefined && sketches.length !== count * sketchWidth)
    throw new RangeError(
      `${count} texts have ${sketches.length} numbers of sketches, not ${count * sketchWidth}.`,
    );
  if (byText !== undefined && byText.length !== count)
    throw new RangeError(`${count} texts have ${byText.length} representatives.`);
  const digests = texts.map(textDigest);
  const order = Array.from(texts.keys());
  if (committed !== undefined)
    order.sort((a, b) => {
      const apart = (committed[a] as number) - (committed[b] as number);
      if (apart !== 0) return apart;
      const [x, y] = [digests[a] as string, digests[b] as string];
      return x < y ? -1 : x > y ? 1 : a - b;
    });
  const found = byText ?? textRepresentatives(texts, digests, order);
  if (sketches === undefined) return found;
  const alone = order.filter((i) => found[i] === i);
  const joined = Uint32Array.from(found.keys());
  for (const [n, m] of joinGradients(alone, sketches).entries())
    joined[alone[n] as number] = alone[m] as number;
  return found.map((representative) => joined[representative] as number);
}

/** @param order numbers of the texts, in the order of commitment */
function textRepresentatives(
  texts: readonly ClusterText[],
  digests: readonly string[],
  order: readonly number[],
): Representatives {
  // The first example of each text stands for all of them.
  const firstOf = new Map<string, number>();
  for (const i of order) if (!firstOf.has(digests[i] as string)) firstOf.set(digests[i] as string, i);
  const distinct = [...firstOf.values()]; // in order of commitment: what comes first here came first
  const joined = joinTexts(distinct.map((i) => texts[i] as ClusterText));
  const representativeOf = new Map(distinct.map((i, n) => [i, distinct[joined[n] as number] as number]));
  return Uint32Array.from(digests, (digest) => representativeOf.get(firstOf.get(digest) as number) as number);
}

/** @returns of each of the texts, no two of them the same, the first one that it repeats, or its own number */
function joinTexts(texts: readonly ClusterText[]): number[] {
  const wholeOf = ({ prompt, completion }: ClusterText) => `${prompt} ${completion}`;
  const whole = withoutBoilerplate(texts.map((text) => shinglesOf(wholeOf(text))));
  const learned = texts.map(({ completion }) => shinglesOf(completion));
  const words = wordingsOf(texts);
  const wholeHashes = createMinHash(triples.bands * triples.whole);
  const learnedHashes = createMinHash(triples.bands * triples.learned);
  const wordHashes = createMinHash(wordings.bands * wordings.hashesPerBand);
  const byTriples = createBands(texts.length, triples.bands);
  const byWords = createBands(texts.length, wordings.bands);
  return texts.map((_, n) => {
    let found = n;
    // Both parts are in the keys: else thousands of questions about one document would each be compared with all.
    const learnedKeys = bandKeys(learnedHashes(learned[n] as Uint32Array), triples.bands, triples.learned);
    const tripleKeys = bandKeys(wholeHashes(whole[n] as Uint32Array), triples.bands, triples.whole).map(
      (key, band) => mixBits(Math.imul(key, 31) + (learnedKeys[band] as number)),
    );
    byTriples.candidates(tripleKeys, (m) => {
      if (
        m < found &&
        jaccard(whole[m] as Uint32Array, whole[n] as Uint32Array) >= jaccardMin &&
        jaccard(learned[m] as Uint32Array, learned[n] as Uint32Array) >= jaccardMin
      )
        found = m;
    });
    const own = words[n];
    const wordKeys = own && bandKeys(wordHashes(wordingHashes(own)), wordings.bands, wordings.hashesPerBand);
    if (own !== undefined && wordKeys !== undefined)
      byWords.candidates(wordKeys, (m) => {
        const other = words[m];
        if (m < found && other !== undefined && rewords(other, own)) found = m;
      });
    if (found !== n) return found;
    byTriples.add(n, tripleKeys);
    if (wordKeys !== undefined) byWords.add(n, wordKeys);
    return n;
  });
}

/** @returns of each of the examples the first one, by place among them, whose gradient points the same way, or its own place */
function joinGradients(examples: readonly number[], sketches: Float32Array): number[] {
  const bands = createBands(examples.length, sketchBands);
  const signatures = new Uint16Array(examples.length * sketchBands);
  return examples.map((i, n) => {
    const sketch = sketches.subarray(i * sketchWidth, (i + 1) * sketchWidth);
    if (!sketch.some((x) => x !== 0)) return n;
    const bits = signatureOf(sketch);
    let found = n;
    bands.candidates(bits, (m) => {
      if (
        m < found &&
        mayBeClose(bits, signatures, m * sketchBands) &&
        cosineOf(sketches, examples[m] as number, i) >= cosineMin
      )
        found = m;
    });
    if (found !== n) return found;
    signatures.set(bits, n * sketchBands);
    bands.add(n, bits);
    return n;
  });
}

/** The clusters of two or more: the representative, then its members ascending; clusters by their representatives' numbers. */
export function clusterList(representatives: Representatives): number[][] {
  const clusters = new Map<number, number[]>();
  representatives.forEach((representative, i) => {
    if (representative === i) return;
    const cluster = clusters.get(representative);
    if (cluster === undefined) clusters.set(representative, [representative, i]);
    else cluster.push(i);
  });
  return [...clusters.values()].sort((a, b) => (a[0] as number) - (b[0] as number));
}

/** What a manifest commits to: the digest of `{clusters: [[representative, member, …], …]}`; of an empty list without near duplicates. */
export const clustersDigest = (representatives: Representatives): Digest =>
  jsonDigest({ clusters: clusterList(representatives) });

/** What of a list with one entry an example enters the pay index: the representatives'. */
export const representativesOf = <T>(items: readonly T[], representatives: ArrayLike<number>): T[] =>
  items.filter((_, i) => representatives[i] === i);
