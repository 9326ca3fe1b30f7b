/**
 * Clusters of near duplicates. Examples are taken in the order of their commitments; each joins the earliest representative that it repeats,
 * or becomes one. Members are compared with representatives only, never with each other, so that no chain of small changes links two
 * different texts. Only representatives enter the pay index: a copy earns nothing and dilutes nobody.
 *
 * An example repeats another when
 * - their texts are the same, or
 * - the Jaccard index of their word triples is at least 0.8, of the whole texts and of the parts that are learned (the same question with
 *   another answer is another example), or
 * - the cosine of their gradients is at least 0.95.
 *
 * Candidates come from bands of 128 MinHashes (32 bands of 4: a pair at 0.8 is missed once in 2 · 10⁷) and of 1,024 sign bits (64 of 16: a
 * pair at cosine .95 is missed once in 3 · 10⁵), and every candidate is verified.
 */
import { createHash } from "node:crypto";
import { type Digest, jsonDigest } from "../../protocol/index.ts";
import { createBands } from "./bands.ts";
import { createMinHash, jaccard, mix, shinglesOf, withoutBoilerplate } from "./shingles.ts";
import { cosineOf, mayBeClose, signatureOf, sketchBands, sketchWidth } from "./sketch.ts";

export const jaccardMin = 0.8;
export const cosineMin = 0.95;
const textBands = 32;
const hashesPerBand = 4;

/** What is read, and what is learned. */
export type ClusterText = { readonly prompt: string; readonly completion: string };

export type ClusterInput = {
  readonly texts: readonly ClusterText[];
  /** Of every example, when it was committed; a block's number, say. Equal ones are ordered by the text's digest. By default their order. */
  readonly committed?: ArrayLike<number>;
  /** `[N, 512]`, by `sketchExamples`; without them, texts alone are compared. */
  readonly sketches?: Float32Array;
};

/** Of every example, the number of its representative: its own when it is one. `[N]` */
export type Representatives = Uint32Array;

const textDigest = ({ prompt, completion }: ClusterText) =>
  createHash("sha256")
    .update(JSON.stringify([prompt, completion]))
    .digest("base64");

/** @throws RangeError when the inputs are not of the same examples */
export function findClusters({ texts, committed, sketches }: ClusterInput): Representatives {
  const count = texts.length;
  if (committed !== undefined && committed.length !== count)
    throw new RangeError(`${count} texts have ${committed.length} commitments.`);
  if (sketches !== undefined && sketches.length !== count * sketchWidth)
    throw new RangeError(
      `${count} texts have ${sketches.length} numbers of sketches, not ${count * sketchWidth}.`,
    );
  const digests = texts.map(textDigest);
  const order = Array.from(texts.keys());
  if (committed !== undefined)
    order.sort((a, b) => {
      const apart = (committed[a] as number) - (committed[b] as number);
      if (apart !== 0) return apart;
      const [x, y] = [digests[a] as string, digests[b] as string];
      return x < y ? -1 : x > y ? 1 : a - b;
    });

  // The first example of each text stands for all of them.
  const firstOf = new Map<string, number>();
  for (const i of order) if (!firstOf.has(digests[i] as string)) firstOf.set(digests[i] as string, i);
  const distinct = [...firstOf.values()]; // in order of commitment: what comes first here came first
  const whole = withoutBoilerplate(
    distinct.map((i) => shinglesOf(`${texts[i]?.prompt} ${texts[i]?.completion}`)),
  );
  const learned = distinct.map((i) => shinglesOf(texts[i]?.completion as string));

  const signature = createMinHash(textBands * hashesPerBand);
  const byText = createBands(distinct.length, textBands);
  const byGradient = createBands(sketches === undefined ? 0 : distinct.length, sketchBands);
  const signatures = new Uint16Array(sketches === undefined ? 0 : distinct.length * sketchBands);
  const representativeOf = new Map<number, number>();
  for (const [n, i] of distinct.entries()) {
    let found = n;
    const textKeys = bandKeys(signature(whole[n] as Uint32Array));
    byText.candidates(textKeys, (m) => {
      if (
        m < found &&
        jaccard(whole[m] as Uint32Array, whole[n] as Uint32Array) >= jaccardMin &&
        jaccard(learned[m] as Uint32Array, learned[n] as Uint32Array) >= jaccardMin
      )
        found = m;
    });
    const sketch = sketches?.subarray(i * sketchWidth, (i + 1) * sketchWidth);
    const bits = sketch?.some((x) => x !== 0) ? signatureOf(sketch) : undefined;
    if (bits !== undefined)
      byGradient.candidates(bits, (m) => {
        if (
          m < found &&
          mayBeClose(bits, signatures, m * sketchBands) &&
          cosineOf(sketches as Float32Array, distinct[m] as number, i) >= cosineMin
        )
          found = m;
      });
    representativeOf.set(i, distinct[found] as number);
    if (found !== n) continue;
    byText.add(n, textKeys);
    if (bits === undefined) continue;
    signatures.set(bits, n * sketchBands);
    byGradient.add(n, bits);
  }
  return Uint32Array.from(digests, (digest) => representativeOf.get(firstOf.get(digest) as number) as number);
}

/** Four MinHashes to a band's key. */
const bandKeys = (signature: Uint32Array): Uint32Array =>
  Uint32Array.from({ length: textBands }, (_, band) => {
    let key = 0;
    for (let i = 0; i < hashesPerBand; i++)
      key = mix(Math.imul(key, 31) + (signature[band * hashesPerBand + i] as number));
    return key;
  });

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
