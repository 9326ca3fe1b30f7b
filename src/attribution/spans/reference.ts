/** Spans by looking everywhere: the slow, plain path that the index is tested against. */
import type { SpanDocument } from "./build.ts";
import type { SpanSource } from "./format.ts";
import type { FindOptions, Found, Span } from "./search.ts";
import { gapMax, kindOf, kinds, markedMax, wordMax } from "./words.ts";

type Word = {
  readonly text: string;
  /** UTF-16 code units. */
  readonly start: number;
  readonly end: number;
  /** White space before the next word; null where no span goes on. */
  readonly gap: string | null;
};

/** The words of a text, code point by code point. */
export function wordsOf(text: string): Word[] {
  const points = Array.from(text.toWellFormed());
  const kind = points.map((point) => kindOf(point.codePointAt(0) as number));
  const offsets = [0];
  for (const point of points) offsets.push((offsets.at(-1) as number) + point.length);
  const words: Word[] = [];
  for (let i = 0; i < points.length; ) {
    const from = i++;
    if (kind[from] === kinds.space) continue;
    for (; i < points.length && i - from < markedMax; i++) {
      if (kind[i] === kinds.mark || kind[i] === kinds.joiner) continue;
      if (kind[from] === kinds.word && kind[i] === kinds.word && i - from < wordMax) continue;
      if (kind[from] !== kinds.word && kind[i - 1] === kinds.joiner && kind[i] !== kinds.space) continue;
      if (i === from + 1 && kind[from] === kinds.flag && kind[i] === kinds.flag) continue;
      break;
    }
    let after = i;
    while (after < points.length && kind[after] === kinds.space) after++;
    words.push({
      text: points.slice(from, i).join(""),
      start: offsets[from] as number,
      end: offsets[i] as number,
      gap: after === points.length || after - i > gapMax ? null : points.slice(i, after).join(""),
    });
  }
  return words;
}

/** Whether `words` from `at` on are `wanted`, with the same white space in between. */
function standsAt(words: readonly Word[], at: number, wanted: readonly Word[]): boolean {
  return wanted.every(({ text, gap }, i) => {
    const word = words[at + i];
    if (word?.text !== text) return false;
    return i === wanted.length - 1 || (gap !== null && word.gap === gap);
  });
}

/** What an index of these documents finds, by comparing every run of the answer with every place of every text. */
export function findSpansSlowly(
  documents: readonly SpanDocument[],
  sources: readonly SpanSource[],
  answer: string,
  { limit = 32, bitsMin = 8, named = 5 }: FindOptions = {},
): Found {
  const texts = documents.flatMap((document, number) =>
    document.texts.map((text) => ({ number, words: wordsOf(text) })),
  );
  const total = texts.reduce((sum, { words }) => sum + words.length, 0);
  const asked = wordsOf(answer);
  /** The document of every occurrence. */
  const occurrences = (wanted: readonly Word[]): number[] =>
    texts.flatMap(({ number, words }) =>
      words.filter((_, at) => standsAt(words, at, wanted)).map(() => number),
    );
  const runs = new Map<
    string,
    { at: { start: number; end: number }[]; words: readonly Word[]; first: number }
  >();
  let reached = -1;
  for (let i = 0; i < asked.length; i++) {
    let last = i - 1;
    while (last + 1 < asked.length && occurrences(asked.slice(i, last + 2)).length > 0) last++;
    if (last < i || last <= reached) continue;
    reached = last;
    const words = asked.slice(i, last + 1);
    const { start } = words[0] as Word;
    const { end } = words.at(-1) as Word;
    const text = answer.toWellFormed().slice(start, end);
    const run = runs.get(text) ?? { at: [], words, first: i };
    run.at.push({ start, end });
    runs.set(text, run);
  }
  const bitsOf = (words: readonly Word[]) =>
    words.reduce((sum, word) => sum + Math.log2(total / occurrences([word]).length), 0);
  const rarest = [...runs]
    .map(([text, run]) => ({ text, ...run, bits: bitsOf(run.words) }))
    .filter(({ bits }) => bits >= bitsMin)
    .sort((a, b) => b.bits - a.bits || a.first - b.first);
  const spans = rarest.slice(0, limit).map(({ text, at, words, bits }): Span => {
    const found = occurrences(words);
    const holders = [...new Set(found)].map((number) => documents[number] as SpanDocument);
    const people = [...new Set(holders.map(({ contributor }) => contributor))];
    return {
      text,
      at,
      words: words.length,
      bits: Math.round(bits * 100) / 100,
      occurrences: found.length,
      complete: true,
      documents: {
        count: holders.length,
        first: holders.slice(0, named).map(({ source, row, contributor }) => ({
          source: sources[source] as SpanSource,
          row,
          contributor,
        })),
      },
      contributors: { count: people.length, first: people.slice(0, named) },
    };
  });
  return { spans, total: rarest.length, words: asked.length, searched: answer.length };
}
