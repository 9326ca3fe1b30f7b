/**
 * Contamination: training rows that hold what held-out rows are to measure. Two rows meet where they share thirteen words in a row, without case and
 * punctuation; what more than ten training rows share is a form's wording and no leak. Both numbers are those of GPT-3 (Brown et al. 2020,
 * "Language Models are Few-Shot Learners", appendix C). A held-out row of eight to twelve words meets a training row that holds all of it; a shorter one
 * only a row of the same words.
 */
import { mixBits } from "../../protocol/index.ts";
import { mapSlowly } from "./each-row.ts";

export const wordsTogether = 13;
const wordsMin = 8;
export const trainingRowsMax = 10;

/** The hash of `length` words from `at` on, 53 bits: a text of a million words meets another by chance once in 10⁴ times. */
function gramAt(words: Uint32Array, at: number, length: number): number {
  let [high, low] = [length, length];
  for (let i = at; i < at + length; i++) {
    high = mixBits(Math.imul(high, 31) + (words[i] as number));
    low = mixBits(Math.imul(low, 37) ^ (words[i] as number));
  }
  return high * 2 ** 21 + (low >>> 11);
}

/** A whole short text, told apart from the same words within a longer one. */
const wholeOf = (words: Uint32Array) => -gramAt(words, 0, words.length);

/** What of held-out rows must not be trained on. */
export type HeldoutGrams = {
  /** Calls back with each run of words that a training row shares, and the held-out rows that hold it, by their numbers. */
  meet(words: Uint32Array, visit: (gram: number, heldout: readonly number[]) => void): void;
  readonly size: number;
};

/** @param rows the word hashes of held-out rows, numbered from 0 */
export async function createHeldoutGrams(rows: readonly Uint32Array[]): Promise<HeldoutGrams> {
  const holders = new Map<number, number[]>();
  const lengths = new Set<number>();
  const put = (gram: number, row: number) => {
    const there = holders.get(gram);
    if (there === undefined) holders.set(gram, [row]);
    else if (there.length <= trainingRowsMax && there.at(-1) !== row) there.push(row);
  };
  await mapSlowly(rows, (words, row) => {
    const length = Math.min(wordsTogether, words.length);
    if (length === 0) return;
    if (length < wordsMin) return put(wholeOf(words), row);
    lengths.add(length);
    for (let at = 0; at + length <= words.length; at++) put(gramAt(words, at, length), row);
  });
  return {
    size: holders.size,
    meet(words, visit) {
      const tell = (gram: number) => {
        const there = holders.get(gram);
        // What many held-out rows share measures none of them.
        if (there !== undefined && there.length <= trainingRowsMax) visit(gram, there);
      };
      if (words.length > 0 && words.length < wordsMin) tell(wholeOf(words));
      for (const length of lengths)
        for (let at = 0; at + length <= words.length; at++) tell(gramAt(words, at, length));
    },
  };
}

/** Which rows meet: of a training row the first held-out row it meets, and the other way round. */
export type Meetings = {
  readonly ofTraining: ReadonlyMap<number, number>;
  readonly ofHeldout: ReadonlyMap<number, number>;
};

/** Looks at training rows one by one; what more than ten of them share does not count in the end. */
export function createMeetings(grams: HeldoutGrams) {
  const shared = new Map<number, { training: number[]; heldout: readonly number[] }>();
  return {
    look(training: number, words: Uint32Array): void {
      grams.meet(words, (gram, heldout) => {
        const there = shared.get(gram);
        if (there === undefined) shared.set(gram, { training: [training], heldout });
        else if (there.training.length <= trainingRowsMax && there.training.at(-1) !== training)
          there.training.push(training);
      });
    },
    found(): Meetings {
      const ofTraining = new Map<number, number>();
      const ofHeldout = new Map<number, number>();
      for (const { training, heldout } of shared.values()) {
        if (training.length > trainingRowsMax) continue;
        for (const row of training) if (!ofTraining.has(row)) ofTraining.set(row, heldout[0] as number);
        for (const row of heldout) if (!ofHeldout.has(row)) ofHeldout.set(row, training[0] as number);
      }
      return { ofTraining, ofHeldout };
    },
  };
}
