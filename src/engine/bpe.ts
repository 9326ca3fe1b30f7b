/** Trains a byte-level BPE tokenizer (Sennrich et al. 2016) and writes it as a Hugging Face `tokenizer.json`. */

/** GPT-2's splitting pattern with single digits: words with their leading space, digits, punctuation, whitespace. */
const splitPattern = " ?\\p{L}+| ?\\p{N}| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** GPT-2's printable stand-in for each byte. */
export function byteAlphabet(): string[] {
  const printable = (b: number) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  let extra = 256;
  return Array.from({ length: 256 }, (_, b) => String.fromCodePoint(printable(b) ? b : extra++));
}

/**
 * @param texts what to learn merges from
 * @param vocab tokens in all: one special token (id 0), 256 bytes, then merges
 * @param special the text of the special token, begin and end of a document at once
 * @returns the JSON value of `tokenizer.json`
 */
export function trainTokenizer(texts: Iterable<string>, vocab: number, special: string): object {
  const alphabet = byteAlphabet();
  const split = new RegExp(splitPattern, "gu");
  const encoder = new TextEncoder();
  const counts = new Map<string, number>();
  for (const text of texts)
    for (const word of text.match(split) ?? []) counts.set(word, (counts.get(word) ?? 0) + 1);

  const tokens = [special, ...alphabet];
  const words = [...counts.keys()].map((word) => Array.from(encoder.encode(word), (b) => b + 1));
  const frequency = [...counts.values()];
  const pairCount = new Map<number, number>();
  const pairWords = new Map<number, Set<number>>();
  const key = (a: number, b: number) => a * 65536 + b;
  const tally = (index: number, sign: 1 | -1) => {
    const word = words[index] as number[];
    for (let i = 0; i + 1 < word.length; i++) {
      const pair = key(word[i] as number, word[i + 1] as number);
      pairCount.set(pair, (pairCount.get(pair) ?? 0) + sign * (frequency[index] as number));
      let where = pairWords.get(pair);
      if (where === undefined) {
        where = new Set();
        pairWords.set(pair, where);
      }
      where.add(index);
    }
  };
  for (let i = 0; i < words.length; i++) tally(i, 1);

  const merges: [string, string][] = [];
  while (tokens.length < vocab) {
    let best = -1;
    let bestCount = 1;
    for (const [pair, count] of pairCount)
      if (count > bestCount || (count === bestCount && best >= 0 && pair < best)) {
        best = pair;
        bestCount = count;
      }
    if (best < 0)
      throw new RangeError(
        `The texts give only ${tokens.length} tokens, not the ${vocab} asked for. Add text or ask for fewer.`,
      );
    const a = Math.floor(best / 65536);
    const b = best % 65536;
    const id = tokens.length;
    merges.push([tokens[a] as string, tokens[b] as string]);
    tokens.push((tokens[a] as string) + (tokens[b] as string));
    for (const index of [...(pairWords.get(best) ?? [])]) {
      const word = words[index] as number[];
      tally(index, -1);
      const merged: number[] = [];
      for (let i = 0; i < word.length; i++) {
        if (word[i] === a && word[i + 1] === b) {
          merged.push(id);
          i++;
        } else merged.push(word[i] as number);
      }
      words[index] = merged;
      tally(index, 1);
    }
    pairCount.delete(best);
    pairWords.delete(best);
  }

  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [
      {
        id: 0,
        content: special,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      },
    ],
    normalizer: null,
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: splitPattern }, behavior: "Isolated", invert: false },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  };
}
