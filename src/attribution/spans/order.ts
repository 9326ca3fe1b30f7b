/** The words of one part of the text in suffix order: distinct words get their rank, ranks go through SA-IS. */
import { depthMax } from "./merge.ts";
import { suffixArray } from "./suffix-array.ts";
import { codes } from "./words.ts";

/**
 * @param coded - texts as `codeWords` wrote them, whole
 * @param starts - `[m]`, ascending: where each word begins in it
 * @param seed - of the hash table, so that nobody can choose words that collide; the order does not depend on it
 * @returns `[m]`, positions in `coded`, their suffixes ascending by bytes, and how many bytes each shares with the one before it. Takes
 * about 60 bytes a word while it runs.
 */
export function orderWords(
  coded: Uint8Array,
  starts: Uint32Array,
  seed: number,
): { positions: Uint32Array; common: Uint16Array } {
  const count = starts.length;
  const endOf = (i: number) => (i + 1 < count ? (starts[i + 1] as number) : coded.length);
  const { symbols, firsts } = nameWords(coded, starts, endOf, seed);
  const sorted = Uint32Array.from(firsts.keys()).sort((a, b) =>
    compareBytes(coded, starts, endOf, firsts[a] as number, firsts[b] as number),
  );
  const rank = new Int32Array(firsts.length);
  for (let i = 0; i < sorted.length; i++) rank[sorted[i] as number] = i;
  for (let i = 0; i < count; i++) symbols[i] = rank[symbols[i] as number] as number;
  const order = suffixArray(symbols, Math.max(1, firsts.length));
  const common = commonPrefixes(coded, starts, order);
  const positions = new Uint32Array(count);
  for (let i = 0; i < count; i++) positions[i] = starts[order[i] as number] as number;
  return { positions, common };
}

/**
 * How many bytes each suffix shares with the one before it in the order: Kasai et al., CPM 2001, by words. Those that are equal up to the
 * end of their texts share {@link depthMax}, which is the most.
 */
function commonPrefixes(coded: Uint8Array, starts: Uint32Array, order: Int32Array): Uint16Array {
  const count = starts.length;
  const rank = new Int32Array(count);
  for (let i = 0; i < count; i++) rank[order[i] as number] = i;
  const common = new Uint16Array(count);
  let shared = 0;
  let textEnd = 0;
  for (let word = 0; word < count; word++) {
    const at = starts[word] as number;
    if (textEnd < at) textEnd = at;
    while (coded[textEnd] !== codes.end) textEnd++;
    const place = rank[word] as number;
    if (place === 0) {
      shared = 0;
      continue;
    }
    const before = starts[order[place - 1] as number] as number;
    const most = coded.length - Math.max(at, before);
    while (shared < most && coded[at + shared] === coded[before + shared]) shared++;
    common[place] = at + shared > textEnd ? depthMax : Math.min(shared, depthMax);
    shared = Math.max(0, shared - ((starts[word + 1] ?? coded.length) - at));
  }
  return common;
}

type EndOf = (word: number) => number;

/** Numbers distinct words by first appearance. @returns each word's number, and the first word of each number */
function nameWords(coded: Uint8Array, starts: Uint32Array, endOf: EndOf, seed: number) {
  const count = starts.length;
  const size = 2 ** Math.ceil(Math.log2(Math.max(2, 2 * count)));
  const table = new Int32Array(size);
  const symbols = new Int32Array(count);
  const first = new Uint32Array(count);
  let distinct = 0;
  for (let word = 0; word < count; word++) {
    let slot = hash(coded, starts[word] as number, endOf(word), seed) & (size - 1);
    for (;;) {
      const found = (table[slot] as number) - 1;
      if (found === -1) {
        first[distinct] = word;
        symbols[word] = distinct++;
        table[slot] = distinct;
        break;
      }
      if (compareBytes(coded, starts, endOf, first[found] as number, word) === 0) {
        symbols[word] = found;
        break;
      }
      slot = (slot + 1) & (size - 1);
    }
  }
  return { symbols, firsts: first.subarray(0, distinct) };
}

/** FNV-1a with a seed (Fowler, Noll and Vo), and MurmurHash3's last mixing so that its low bits are good. */
function hash(bytes: Uint8Array, from: number, to: number, seed: number): number {
  let h = seed | 0;
  for (let i = from; i < to; i++) h = Math.imul(h ^ (bytes[i] as number), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Coded words are compared byte by byte; none is the beginning of another. */
function compareBytes(coded: Uint8Array, starts: Uint32Array, endOf: EndOf, a: number, b: number): number {
  let at = starts[a] as number;
  let other = starts[b] as number;
  const end = endOf(a);
  for (; at < end; at++, other++) {
    const difference = (coded[at] as number) - (coded[other] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}
