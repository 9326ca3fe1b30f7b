/** The longest runs of an answer that occur in the indexed documents, verbatim: which, how rare, in which documents, by whom. */
import { closeSync } from "node:fs";
import { type Asked, codeAnswer } from "./answer.ts";
import { createFences, fenceBytes, type Wanted } from "./fences.ts";
import { type About, altered, type Layout, openChecked, readAbout, type SpanSource } from "./format.ts";
import { openPages, readWhole } from "./pages.ts";
import { codes } from "./words.ts";

/** A training example that holds a span. */
export type SpanPlace = {
  readonly source: SpanSource;
  /** Row of that Datanet version. */
  readonly row: number;
  readonly contributor: string;
};

export type Span = {
  readonly text: string;
  /** Everywhere in the answer where it is maximal: UTF-16 code units, `[start, end)`, ascending. */
  readonly at: readonly { readonly start: number; readonly end: number }[];
  readonly words: number;
  /**
   * Rarity: −log₂ of the product of its words' shares of all words indexed (OLMoTrace, arXiv 2504.07096, 3.2). Spans are listed by it, the
   * rarest first.
   */
  readonly bits: number;
  /** How often it occurs. */
  readonly occurrences: number;
  /** False when there were too many occurrences to look at all: then the counts below are at least so many, and the lists some of them. */
  readonly complete: boolean;
  readonly documents: {
    readonly count: number /** Earliest commitment first. */;
    readonly first: readonly SpanPlace[];
  };
  readonly contributors: { readonly count: number; readonly first: readonly string[] };
};

export type FindOptions = {
  /** Most spans; 32 unless given. */
  readonly limit?: number;
  /** Spans below this rarity are left out: 8 unless given, a word that is one in 256. */
  readonly bitsMin?: number;
  /** Most documents and contributors named of each; 5 unless given. */
  readonly named?: number;
};

export type Found = {
  readonly spans: readonly Span[];
  /** Maximal spans of enough rarity, those beyond the limit too. */
  readonly total: number;
  /** Words of the answer that were looked at. */
  readonly words: number;
  /** Only the beginning of a very long answer is looked at: UTF-16 code units. */
  readonly searched: number;
};

export type SpanIndex = {
  readonly about: About;
  readonly words: number;
  readonly documents: number;
  readonly bytes: number;
  find(answer: string, options?: FindOptions): Found;
  close(): void;
};

export type OpenOptions = {
  /** Memory for pages of the file; 256 MiB unless given, or as much as the file has. Beside it: 8 bytes a document, 100 a contributor, 3 MiB. */
  readonly memoryBytes?: number;
};

/** Occurrences that one question looks up in documents, all spans together. */
const placesMax = 2 ** 20;
/** Words whose rarity is remembered. */
const knownMax = 65_536;
const pageBytes = 4_096;

/**
 * Opens an index after checking every byte of it against its digest. Memory does not grow with the text.
 *
 * @throws SpanIndexError for a file that is none, is cut short or was altered
 */
export function openSpanIndex(path: string, options: OpenOptions = {}): SpanIndex {
  const { file, layout } = openChecked(path);
  try {
    return openOver(path, file, layout, options);
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

function openOver(path: string, file: number, layout: Layout, options: OpenOptions): SpanIndex {
  const { words, documents } = layout;
  const about = readAbout(file, layout, path);
  const starts = readColumn(0);
  const contributors = readColumn(3);
  if (!isConsistent()) throw altered(path, "its list of documents");
  const budget = (options.memoryBytes ?? 256 * 2 ** 20) / 2;
  const text = openPages(file, layout.text, layout.textBytes, pageBytes, budget);
  const suffixes = openPages(file, layout.suffixes, 4 * words, pageBytes, budget);
  const fences = createFences(words, (rank, target) => {
    const position = suffixAt(rank);
    const length = Math.min(fenceBytes, text.length - position);
    for (let i = 0; i < length; i++) target[i] = text.memory[text.at(position + i)] as number;
  });

  function readColumn(number: number): Uint32Array {
    const column = new Uint32Array(documents);
    readWhole(file, new Uint8Array(column.buffer), 0, 4 * documents, layout.columns + 4 * documents * number);
    return column;
  }

  function isConsistent(): boolean {
    for (let i = 0; i < documents; i++) {
      if ((contributors[i] as number) >= about.contributors.length) return false;
      if ((starts[i] as number) < (starts[i - 1] ?? 0)) return false;
    }
    return documents === 0 || (starts[documents - 1] as number) <= layout.textBytes;
  }

  /** The beginning of the suffix of this rank. */
  function suffixAt(rank: number): number {
    const { memory } = suffixes;
    const at = suffixes.at(4 * rank);
    const low =
      (memory[at] as number) | ((memory[at + 1] as number) << 8) | ((memory[at + 2] as number) << 16);
    return low + (memory[at + 3] as number) * 2 ** 24;
  }

  /** How many bytes of what is wanted the suffix compared last begins with. */
  let agreed = 0;

  /** @param skip - bytes that are known to agree @returns below 0 if the suffix at `position` is below what is wanted */
  function compare(position: number, { bytes, from, to, last }: Wanted, skip = 0): number {
    for (let i = from + skip; i < to; ) {
      const at = text.at(position + i - from);
      const length = Math.min(to - i, pageBytes - (at & (pageBytes - 1)));
      const same = sameBytes(text.memory, at, bytes, i, length);
      i += same;
      if (same === length) continue;
      agreed = i - from;
      return (text.memory[at + same] as number) - (bytes[i] as number);
    }
    agreed = to - from;
    return (text.memory[text.at(position + agreed)] as number) - last;
  }

  /** The first rank whose suffix is not below what is wanted. */
  function lowerBound(wanted: Wanted): number {
    let { low, high } = fences.narrow(wanted);
    // What lies between two suffixes shares what both share (Manber and Myers 1993).
    let lowAgreed = 0;
    let highAgreed = 0;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (compare(suffixAt(middle), wanted, Math.min(lowAgreed, highAgreed)) < 0) {
        low = middle + 1;
        lowAgreed = agreed;
      } else {
        high = middle;
        highAgreed = agreed;
      }
    }
    return low;
  }

  /** Suffixes that begin with these bytes, a whole word at their end: ranks `[low, high)`. */
  function interval(bytes: Uint8Array, from: number, to: number) {
    return {
      low: lowerBound({ bytes, from, to, last: codes.end }),
      high: lowerBound({ bytes, from, to, last: 256 }),
    };
  }

  /**
   * The last word of the longest run from word `i` on that occurs anywhere; `reached` if there is none longer.
   *
   * @param reached - the last word of the longest run from any word before, or `i` − 1: a run from `i` on ends there or later
   */
  function longestFrom({ bytes, words: asked }: Asked, i: number, reached: number): number {
    const { from, segment } = asked[i]!;
    const wanted = { bytes, from, to: asked[segment]!.to, last: codes.end };
    // The suffixes that share most with what is wanted are those beside its place in the order.
    const rank = lowerBound(wanted);
    let last = reached;
    for (const near of [rank - 1, rank]) {
      if (near < 0 || near >= words) continue;
      const position = suffixAt(near);
      compare(position, wanted);
      const endsWord = (text.memory[text.at(position + agreed)] as number) >= codes.end;
      const whole = from + agreed + (endsWord ? 1 : 0);
      while (last < segment && asked[last + 1]!.to < whole) last++;
    }
    return last;
  }

  const known = new Map<string, number>();
  /** −log₂ of the product of the words' shares of all words. */
  function bitsOfRun({ bytes, words: asked }: Asked, first: number, last: number): number {
    let sum = 0;
    for (let i = first; i <= last; i++) {
      const { from, to } = asked[i]!;
      const word = Buffer.from(bytes.buffer, from, to - from).toString("latin1");
      let bits = known.get(word);
      if (bits === undefined) {
        const { low, high } = interval(bytes, from, to);
        bits = Math.log2(words / (high - low));
        if (known.size >= knownMax) known.clear();
        known.set(word, bits);
      }
      sum += bits;
    }
    return sum;
  }

  /** Distinct documents and contributors of the suffixes of these ranks. */
  function placesOf(low: number, high: number, named: number) {
    const positions = new Uint32Array(high - low);
    for (let i = 0; i < positions.length; i++) positions[i] = suffixAt(low + i);
    positions.sort();
    const first: SpanPlace[] = [];
    const people = new Set<number>();
    let count = 0;
    let document = -1;
    for (const position of positions) {
      if (document >= 0 && position < (starts[document + 1] ?? layout.textBytes)) continue;
      document = documentAt(position, document);
      count++;
      people.add(contributors[document] as number);
      if (first.length < named) first.push(placeOf(document));
    }
    const names = [...people].slice(0, named).map((number) => about.contributors[number] as string);
    return { documents: { count, first }, contributors: { count: people.size, first: names } };
  }

  /** The last document that begins at or before a position; empty documents begin where the next does. */
  function documentAt(position: number, after: number): number {
    let low = Math.max(0, after);
    let high = documents;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((starts[middle] as number) <= position) low = middle;
      else high = middle;
    }
    return low;
  }

  function placeOf(document: number): SpanPlace {
    const cell = (column: number) => {
      const bytes = Buffer.alloc(4);
      readWhole(file, bytes, 0, 4, layout.columns + 4 * (documents * column + document));
      return bytes.readUInt32LE();
    };
    const source = about.sources[cell(1)];
    if (source === undefined) throw altered(path, "its list of documents");
    return {
      source,
      row: cell(2),
      contributor: about.contributors[contributors[document] as number] as string,
    };
  }

  return {
    about,
    words,
    documents,
    bytes: layout.end,
    find(answer, { limit = 32, bitsMin = 8, named = 5 } = {}) {
      const asked = codeAnswer(answer);
      const maximal = new Map<
        string,
        { at: { start: number; end: number }[]; first: number; last: number; bits: number }
      >();
      let reached = -1;
      for (let first = 0; words > 0 && first < asked.words.length; first++) {
        // Longest runs end in the order they begin: one that ends no later lies inside of the one before.
        if (reached >= asked.words[first]!.segment) continue;
        const last = longestFrom(asked, first, Math.max(reached, first - 1));
        if (last < first || last <= reached) continue;
        reached = last;
        const { start } = asked.words[first]!;
        const { end } = asked.words[last]!;
        const text = asked.text.slice(start, end);
        const known = maximal.get(text);
        if (known !== undefined) known.at.push({ start, end });
        else maximal.set(text, { at: [{ start, end }], first, last, bits: bitsOfRun(asked, first, last) });
      }
      const rarest = [...maximal]
        .filter(([, { bits }]) => bits >= bitsMin)
        .sort(([, a], [, b]) => b.bits - a.bits || a.first - b.first);
      let left = placesMax;
      const spans = rarest.slice(0, limit).map(([text, { at, first, last, bits }]): Span => {
        const { low, high } = interval(asked.bytes, asked.words[first]!.from, asked.words[last]!.to);
        const looked = Math.min(high - low, left);
        left -= looked;
        return {
          text,
          at,
          words: last - first + 1,
          bits: Math.round(bits * 100) / 100,
          occurrences: high - low,
          complete: looked === high - low,
          ...placesOf(low, low + looked, named),
        };
      });
      return { spans, total: rarest.length, words: asked.words.length, searched: asked.text.length };
    },
    close: () => closeSync(file),
  };
}

/** How many of `length` bytes are equal, from the first: a few one by one, many at once. */
function sameBytes(a: Uint8Array, from: number, b: Uint8Array, other: number, length: number): number {
  const few = Math.min(length, 32);
  let same = 0;
  while (same < few && a[from + same] === b[other + same]) same++;
  if (same < few || few === length) return same;
  if (Buffer.compare(a.subarray(from, from + length), b.subarray(other, other + length)) === 0) return length;
  while (a[from + same] === b[other + same]) same++;
  return same;
}
