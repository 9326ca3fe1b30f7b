/** Near duplicates on real texts: copies with words edited are planted, and texts that are none are asked beside them. */
import { createNearIndex, createNearText, nearSettings } from "../../src/datanets/index.ts";
import { createRandom, shuffle } from "../../src/engine/index.ts";
import { wordHashesOf } from "../../src/protocol/index.ts";
import { cpuMs, rounded } from "../common/measure.ts";

export type NearFigures = {
  /** Copies that joined the cluster of what they copy, of all rows that joined one. Texts that repeat others by nature count as wrong. */
  precision: number;
  /** Copies that joined the cluster of what they copy, of all copies. */
  recall: number;
  /** Rows taken in and asked, in a second of one core. */
  rowsPerSec: number;
  /** Recall by the part of words that was edited. */
  recallByEdits: Record<string, number>;
  /** Recall by the length of what was copied, words; null where no text is that long. */
  recallByWords: Record<string, number | null>;
  rows: number;
  /** Of the rows taken in, those that repeat an earlier one by nature: texts of one form, say. */
  repeatsByNature: number;
  copies: number;
  others: number;
  wordsMin: number;
};

export const editRates = [0, 0.05, 0.1, 0.15, 0.2];
/** Shorter texts have fewer than the word pairs that a text is compared by, or lose them by an edit. */
const wordsMin = nearSettings.runsMin + 2;
const lengths = [
  [wordsMin, 12],
  [13, 15],
  [16, 19],
  [20, 29],
  [30, Number.POSITIVE_INFINITY],
] as const;

/** @param copiesMax of each rate of edits, at the most */
export function measureNear(texts: readonly string[], copiesMax: number): NearFigures {
  const random = createRandom(6);
  const chosen = shuffle(
    texts.map((text) => text.split(" ")).filter(({ length }) => length >= wordsMin),
    random,
  );
  const anyWord = drawWord(chosen, random);
  const half = chosen.length >> 1;
  let repeatsByNature = 0;
  const index = createNearIndex();
  const nearText = createNearText();
  const started = cpuMs();
  const clusterOf = chosen.slice(0, half).map((words) => {
    const text = nearText(wordHashesOf(words.join(" ")));
    if (text === undefined) return undefined;
    const found = index.find(text)?.place;
    if (found === undefined) index.add(text);
    else repeatsByNature++;
    return found ?? index.size - 1;
  });
  const ask = (text: string) => {
    const asked = nearText(wordHashesOf(text));
    return asked && index.find(asked)?.place;
  };
  const copied = Math.min(copiesMax, half);
  let [right, wrong] = [0, 0];
  const recallByEdits: Record<string, number> = {};
  const byWords = lengths.map(() => ({ copies: 0, found: 0 }));
  for (const rate of editRates) {
    let found = 0;
    for (let i = 0; i < copied; i++) {
      const words = chosen[i] as string[];
      const place = ask(edited(words, rate, random, anyWord));
      const alike = byWords[
        lengths.findIndex(([, most]) => words.length <= most)
      ] as (typeof byWords)[number];
      alike.copies++;
      if (place === undefined) continue;
      if (place === clusterOf[i]) {
        found++;
        alike.found++;
      } else wrong++;
    }
    recallByEdits[`${rate * 100} %`] = rounded(found / copied, 4);
    right += found;
  }
  const copies = copied * editRates.length;
  const others = chosen.slice(half, half + copies);
  for (const words of others) if (ask(words.join(" ")) !== undefined) wrong++;
  const seconds = (cpuMs() - started) / 1000;
  return {
    precision: rounded(right / (right + wrong), 4),
    recall: rounded(right / copies, 4),
    rowsPerSec: Math.round((half + copies + others.length) / seconds),
    recallByEdits,
    recallByWords: Object.fromEntries(
      lengths.map(([least, most], i) => {
        const { copies, found } = byWords[i] as (typeof byWords)[number];
        const name = most === Number.POSITIVE_INFINITY ? `${least} and more` : `${least} to ${most}`;
        return [name, copies === 0 ? null : rounded(found / copies, 4)];
      }),
    ),
    rows: half,
    repeatsByNature,
    copies,
    others: others.length,
    wordsMin,
  };
}

/** Words of the texts, each as often as it stands there. */
export function drawWord(texts: readonly (readonly string[])[], random: ReturnType<typeof createRandom>) {
  const vocabulary = texts.slice(0, 20_000).flat();
  return () => vocabulary[random.below(vocabulary.length)] as string;
}

/** Each word is, with the given probability, left out, exchanged, or followed by another, a third each. */
export function edited(
  words: readonly string[],
  rate: number,
  random: ReturnType<typeof createRandom>,
  anyWord: () => string,
): string {
  return words
    .flatMap((word) => {
      if (random.uniform() >= rate) return [word];
      const how = random.below(3);
      return how === 0 ? [] : how === 1 ? [anyWord()] : [word, anyWord()];
    })
    .join(" ");
}
