/** Texts to index and answers to look up: invented, always the same from a seed, or read from a folder. */
import { createReadStream, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { SpanDocument } from "../../src/attribution/index.ts";
import type { createRandom } from "../../src/engine/index.ts";

type Random = ReturnType<typeof createRandom>;

const contributors = 1_000;
const documentOf = (texts: readonly string[], row: number): SpanDocument => ({
  texts,
  source: 0,
  row,
  contributor: `0x${(row % contributors).toString(16).padStart(40, "0")}`,
});

/** Words of one to four syllables, by rank; Zipf's law with exponent 1.05 says how often each comes. */
export function createLanguage(random: Random, vocabulary = 100_000) {
  const syllables = Array.from({ length: 300 }, (_, i) => {
    const consonants = "bdfghklmnprstvwz";
    return `${consonants[i % 16]}${"aeiou"[i % 5]}${i % 3 === 0 ? consonants[(i * 7) % 16] : ""}`;
  });
  const words = Array.from({ length: vocabulary }, (_, rank) => {
    let word = "";
    for (let left = rank + 1; left > 0; left = Math.floor(left / 300)) word += syllables[left % 300];
    return word;
  });
  const upTo = new Float64Array(vocabulary);
  for (let i = 0, sum = 0; i < vocabulary; i++) {
    sum += 1 / (i + 1) ** 1.05;
    upTo[i] = sum;
  }
  const word = (): string => {
    const at = random.uniform() * (upTo[vocabulary - 1] as number);
    let low = 0;
    let high = vocabulary - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((upTo[middle] as number) < at) low = middle + 1;
      else high = middle;
    }
    return words[low] as string;
  };
  /** Sentences of five to twenty words. */
  return (count: number): string => {
    let text = "";
    for (let left = count; left > 0; ) {
      const length = Math.min(left, 5 + random.below(16));
      for (let i = 0; i < length; i++) text += `${i === 0 ? "" : i % 7 === 6 ? ", " : " "}${word()}`;
      text += ". ";
      left -= length;
    }
    return text;
  };
}

/** Documents of 50 to 450 words; a tenth of them repeat one before with a word changed. @param bytes of text, all together */
export function* inventedDocuments(
  random: Random,
  write: (words: number) => string,
  bytes: number,
): Generator<SpanDocument> {
  const recent: string[] = [];
  for (let row = 0, done = 0; done < bytes; row++) {
    const before = recent[random.below(Math.max(1, recent.length))];
    const text =
      before !== undefined && random.below(10) === 0
        ? before.replace(" ", ` ${write(1).slice(0, -2)} `)
        : write(50 + random.below(401));
    recent[row % 1_000] = text;
    done += text.length;
    yield documentOf([text], row);
  }
}

/** Every line of the text files below a folder is a document. @param bytes of text at most */
export async function* readDocuments(folder: string, bytes: number): AsyncGenerator<SpanDocument> {
  let row = 0;
  let done = 0;
  for (const name of readdirSync(folder, { recursive: true }).sort() as string[]) {
    const path = join(folder, name);
    if (!/\.(txt|md|jsonl|json|csv|tsv)$/.test(name) || !statSync(path).isFile()) continue;
    for await (const line of createInterface({ input: createReadStream(path) })) {
      if (line.trim() === "" || line.length > 1_000_000) continue;
      done += Buffer.byteLength(line);
      if (done > bytes) return;
      yield documentOf([line], row++);
    }
  }
}

/** An answer of about so many words: passages of documents between words of its own. */
export function answerOf(
  random: Random,
  documents: readonly string[],
  write: (words: number) => string,
  words: number,
): string {
  const parts: string[] = [];
  for (let left = words; left > 0; ) {
    const document = (documents[random.below(documents.length)] as string).split(" ");
    const length = Math.min(left, 1 + random.below(30));
    const from = random.below(Math.max(1, document.length - length));
    const own = random.below(2) === 0;
    parts.push(own ? write(length).trim() : document.slice(from, from + length).join(" "));
    left -= length;
  }
  return parts.join(" ");
}
