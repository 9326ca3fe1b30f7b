/** An answer coded as the index's text is, to be searched for. */
import { depthMax } from "./merge.ts";
import { codedPerUnit, codes, codeWords } from "./words.ts";

export type AskedWord = {
  /** Coded `[from, to)`, its end code at `to`. */
  readonly from: number;
  readonly to: number;
  /** In the answer, UTF-16 code units. */
  readonly start: number;
  readonly end: number;
  /** The last word that a run from here on can reach. */
  segment: number;
};

export type Asked = {
  readonly bytes: Uint8Array;
  readonly words: readonly AskedWord[];
  /** The answer, or its beginning; lone surrogates are U+FFFD. */
  readonly text: string;
};

/** Of a longer answer only the beginning is looked at: as much as is no longer, coded, than suffixes are told apart by. */
export function codeAnswer(answer: string): Asked {
  const text = answer.slice(0, depthMax).toWellFormed();
  const bytes = new Uint8Array(codedPerUnit * text.length);
  const words: AskedWord[] = [];
  codeWords(text, bytes, 0, (from, to, start, end) => {
    if (to < depthMax) words.push({ from, to, start, end, segment: 0 });
  });
  // The last word may have been cut in two.
  if (text.length < answer.length) words.pop();
  for (let i = words.length - 1, segment = i; i >= 0; i--) {
    if (bytes[words[i]!.to] === codes.end) segment = i;
    words[i]!.segment = segment;
  }
  return { bytes, words, text };
}
