/**
 * Text as whole words, in bytes that sort and match without a vocabulary.
 *
 * A *word* is a run of letters and digits with their marks; in scripts that are written without spaces one letter with its marks; and
 * any other character for itself (an emoji sequence, a flag and a letter with accents are one character each). Words are what spans begin
 * and end with, so no span can cut a character; white space between words is part of what is matched.
 *
 * Bytes and not a model's tokens, so that one index serves every base model and a match does not depend on where a tokenizer cuts; whole
 * words and not all bytes, so that there are a fifth as many suffixes, and rarity has words to count.
 *
 * Coded: a word's UTF-8, then one of the bytes that UTF-8 never uses, for the white space that follows. No coded word is the beginning of
 * another, so the order of bytes is the order of words.
 */

/** What follows a word. All are above every byte of UTF-8, so "any end of a word" is a contiguous range: `end` to 0xff. */
export const codes = {
  /** Nothing: the next word begins at once. */
  none: 0xff,
  space: 0xfe,
  line: 0xfd,
  /** Other white space: its UTF-8 stands between `gap` and `gapEnd`. */
  gap: 0xfc,
  gapEnd: 0xfb,
  /** The text ends, or more than {@link gapMax} white-space characters follow: no span goes on. */
  end: 0xfa,
} as const;

/** Longest white space that a span runs across, code points. */
export const gapMax = 64;
/** A longer run of letters is cut into words of so many code points (marks stay with their letter). */
export const wordMax = 64;
/** A word with its marks has at most so many code points. */
export const markedMax = 256;
/** Coded bytes of a text are at most this many for each UTF-16 code unit. */
export const codedPerUnit = 5;

/** How a code point takes part in words. */
export const kinds = { word: 1, letter: 2, mark: 3, joiner: 4, space: 5, flag: 6, other: 7 } as const;

const joiner = 0x200d;
const mark = /[\p{M}\p{Grapheme_Extend}\p{Emoji_Modifier}\u{e33}\u{eb3}\u{e0020}-\u{e007f}]/u;
const unspaced =
  /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Bopo}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}\p{sc=Tibt}\p{sc=Yiii}]/u;

/** A code point's kind, from the properties of Unicode. */
export function kindOf(codePoint: number): number {
  if (codePoint === joiner) return kinds.joiner;
  const character = String.fromCodePoint(codePoint);
  if (/\p{White_Space}/u.test(character)) return kinds.space;
  if (mark.test(character)) return kinds.mark;
  if (/\p{Regional_Indicator}/u.test(character)) return kinds.flag;
  if (!/[\p{L}\p{N}]/u.test(character)) return kinds.other;
  return unspaced.test(character) ? kinds.letter : kinds.word;
}

/** Kinds already looked up; 0 where not yet. */
const known = new Uint8Array(0x110000);
const kind = (codePoint: number): number => {
  let found = known[codePoint] as number;
  if (found === 0) {
    found = kindOf(codePoint);
    known[codePoint] = found;
  }
  return found;
};

/** A surrogate that stands alone has no UTF-8: it becomes U+FFFD, as everywhere else. */
function codePointAt(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  if (unit < 0xd800 || unit > 0xdfff) return unit;
  const point = text.codePointAt(at) as number;
  return point > 0xffff ? point : 0xfffd;
}

function writeUtf8(target: Uint8Array, at: number, point: number): number {
  if (point < 0x80) {
    target[at] = point;
    return at + 1;
  }
  if (point < 0x800) {
    target[at] = 0xc0 | (point >> 6);
    target[at + 1] = 0x80 | (point & 63);
    return at + 2;
  }
  if (point < 0x10000) {
    target[at] = 0xe0 | (point >> 12);
    target[at + 1] = 0x80 | ((point >> 6) & 63);
    target[at + 2] = 0x80 | (point & 63);
    return at + 3;
  }
  target[at] = 0xf0 | (point >> 18);
  target[at + 1] = 0x80 | ((point >> 12) & 63);
  target[at + 2] = 0x80 | ((point >> 6) & 63);
  target[at + 3] = 0x80 | (point & 63);
  return at + 4;
}

/** @returns where the word that begins at `from` ends, UTF-16 code units */
function wordEnd(text: string, from: number): number {
  let point = codePointAt(text, from);
  let at = from + (point > 0xffff ? 2 : 1);
  let last = kind(point);
  const isWord = last === kinds.word;
  for (let count = 1; at < text.length && count < markedMax; count++) {
    point = codePointAt(text, at);
    const next = kind(point);
    const goesOn =
      next === kinds.mark ||
      next === kinds.joiner ||
      (isWord && next === kinds.word && count < wordMax) ||
      (!isWord && last === kinds.joiner && next !== kinds.space) ||
      (count === 1 && last === kinds.flag && next === kinds.flag);
    if (!goesOn) break;
    last = next;
    at += point > 0xffff ? 2 : 1;
  }
  return at;
}

/**
 * Codes a text into `target` from `offset` on: at most {@link codedPerUnit} bytes for each code unit of the text. White space at its
 * beginning and end belongs to no span and is left out.
 *
 * @param onWord - where each word lies: coded `[from, to)`, its end code at `to`; in the text `[start, end)`, UTF-16 code units
 * @returns where the coded text ends
 */
export function codeWords(
  text: string,
  target: Uint8Array,
  offset: number,
  onWord: (from: number, to: number, start: number, end: number) => void,
): number {
  const { length } = text;
  let out = offset;
  let at = 0;
  while (at < length && kind(codePointAt(text, at)) === kinds.space) at++;
  while (at < length) {
    const start = at;
    const from = out;
    const end = wordEnd(text, at);
    while (at < end) {
      const point = codePointAt(text, at);
      out = writeUtf8(target, out, point);
      at += point > 0xffff ? 2 : 1;
    }
    onWord(from, out, start, end);
    // Every white-space character is in the basic plane: one code unit each.
    while (at < length && kind(codePointAt(text, at)) === kinds.space) at++;
    const gap = at - end;
    if (at === length || gap > gapMax) target[out++] = codes.end;
    else if (gap === 0) target[out++] = codes.none;
    else if (gap === 1 && text.charCodeAt(end) === 0x20) target[out++] = codes.space;
    else if (gap === 1 && text.charCodeAt(end) === 0x0a) target[out++] = codes.line;
    else {
      target[out++] = codes.gap;
      for (let i = end; i < at; i++) out = writeUtf8(target, out, text.charCodeAt(i));
      target[out++] = codes.gapEnd;
    }
  }
  return out;
}
