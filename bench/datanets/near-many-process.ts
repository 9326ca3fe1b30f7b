/** A million rows among near duplicates: what the index takes of memory and time, and what it still finds. Alone in a process. */
import { createNearIndex, createNearText } from "../../src/datanets/index.ts";
import { createRandom } from "../../src/engine/index.ts";
import { wordHashesOf } from "../../src/protocol/index.ts";
import { serveChild } from "../common/child.ts";
import { cpuMs, rounded } from "../common/measure.ts";
import { textsOf } from "./material.ts";
import { drawWord, edited, editRates } from "./near.ts";

export type NearManyFigures = {
  rows: number;
  /** Rows that were taken for near duplicates of earlier ones although they were made as texts of their own. */
  repeats: number;
  /** Each row read, asked for and added, a second of one core: of all rows, and of the last tenth. */
  rowsPerSec: number;
  lastRowsPerSec: number;
  /** Copies asked of the full index, with 0 to 20 % of their words edited. */
  copies: number;
  recall: number;
  askedPerSec: number;
  /** What the process grew by while the rows were added, and at its largest. */
  indexMiB: number;
  rssMiB: number;
};

/** Of each word, to be exchanged for another: such a text keeps a fifth of its word pairs, a Jaccard index of 0.11 with what it is made of. */
const exchanged = 0.55;
const wordsMin = 20;
/** Words that are kept of a text: an abstract. */
const wordsMax = 200;
const copiesOfEach = 1_000;

/**
 * Texts of the real data first, then the same over and over with more than half of their words exchanged for others of the data: texts of their own, of
 * the lengths and words of real ones.
 */
function measure({ folder, rows }: { folder: string; rows: number }): NearManyFigures {
  const random = createRandom(7);
  const real = textsOf(folder)
    .map((text) => text.split(" ").slice(0, wordsMax))
    .filter(({ length }) => length >= wordsMin);
  const anyWord = drawWord(real, random);
  const made = (number: number): string[] => {
    const words = real[number % real.length] as string[];
    return number < real.length
      ? words
      : words.map((word) => (random.uniform() < exchanged ? anyWord() : word));
  };
  const index = createNearIndex();
  const nearText = createNearText();
  const rssMiB = () => process.memoryUsage.rss() / 2 ** 20;
  const before = rssMiB();
  const everyRow = Math.max(1, Math.floor(rows / copiesOfEach));
  const kept: { words: string[]; place: number }[] = [];
  let repeats = 0;
  let spent = 0;
  let last = 0;
  for (let number = 0; number < rows; number++) {
    const words = made(number);
    const text = words.join(" ");
    const begun = cpuMs();
    const compared = nearText(wordHashesOf(text));
    if (compared === undefined) continue;
    const found = index.find(compared)?.place;
    if (found === undefined) index.add(compared);
    else repeats++;
    const took = cpuMs() - begun;
    spent += took;
    if (number >= 0.9 * rows) last += took;
    if (number % everyRow === 0) kept.push({ words, place: found ?? index.size - 1 });
  }
  const indexMiB = rssMiB() - before;
  let right = 0;
  const begun = cpuMs();
  for (const rate of editRates)
    for (const { words, place } of kept) {
      const asked = nearText(wordHashesOf(edited(words, rate, random, anyWord).trim()));
      if (asked !== undefined && index.find(asked)?.place === place) right++;
    }
  const copies = kept.length * editRates.length;
  return {
    rows,
    repeats,
    rowsPerSec: Math.round((1_000 * rows) / spent),
    lastRowsPerSec: Math.round((1_000 * 0.1 * rows) / last),
    copies,
    recall: rounded(right / copies, 4),
    askedPerSec: Math.round((1_000 * copies) / (cpuMs() - begun)),
    indexMiB: Math.round(indexMiB),
    rssMiB: Math.round(process.resourceUsage().maxRSS / 1_024),
  };
}

const methods = { measure };
export type NearManyMethods = typeof methods;
serveChild(methods);
