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
  rows: number;
  copies: number;
  others: number;
  wordsMin: number;
};

const editRates = [0, 0.05, 0.1, 0.15, 0.2];

/** @param copiesMax of each rate of edits, at the most */
export function measureNear(texts: readonly string[], copiesMax: number): NearFigures {
  const random = createRandom(6);
  const ofLength = (words: number) =>
    texts.map((text) => text.split(" ")).filter(({ length }) => length >= words);
  const long = ofLength(20);
  const wordsMin = long.length >= 1_000 ? 20 : 10;
  const chosen = shuffle(wordsMin === 20 ? long : ofLength(wordsMin), random);
  const vocabulary = chosen.slice(0, 20_000).flat();
  const anyWord = () => vocabulary[random.below(vocabulary.length)] as string;
  const half = chosen.length >> 1;
  const index = createNearIndex();
  const nearText = createNearText();
  const started = cpuMs();
  const clusterOf = chosen.slice(0, half).map((words) => {
    const text = nearText(wordHashesOf(words.join(" ")));
    if (text === undefined) return undefined;
    const found = index.find(text)?.place;
    if (found === undefined) index.add(text);
    return found ?? index.size - 1;
  });
  const ask = (text: string) => {
    const asked = nearText(wordHashesOf(text));
    return asked && index.find(asked)?.place;
  };
  const copied = Math.min(copiesMax, half);
  let [right, wrong] = [0, 0];
  const recallByEdits: Record<string, number> = {};
  for (const rate of editRates) {
    let found = 0;
    for (let i = 0; i < copied; i++) {
      const place = ask(edited(chosen[i] as string[], rate, random, anyWord));
      if (place === undefined) continue;
      if (place === clusterOf[i]) found++;
      else wrong++;
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
    rows: half,
    copies,
    others: others.length,
    wordsMin: Math.max(wordsMin, nearSettings.runsMin),
  };
}

/** Each word is, with the given probability, left out, exchanged, or followed by another, a third each. */
function edited(
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
