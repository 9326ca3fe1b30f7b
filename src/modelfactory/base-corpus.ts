/**
 * The text that `models/openledger-tiny` is trained on: public-domain and openly licensed natural text, and generated profiles.
 * Parts of each natural source are left out on purpose, so that fine-tuning and attribution can be measured on text the base never saw.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { questionText } from "./base-profiles.ts";

export type CorpusSource = {
  readonly file: string;
  readonly license: string;
  readonly sha256: string;
  readonly documents: number;
  readonly characters: number;
};
export type Corpus = { readonly documents: string[]; readonly sources: CorpusSource[] };

const chunkCharacters = 800;

/** Plain ASCII text without carriage returns, cut into pieces at line ends. */
function chunks(text: string): string[] {
  const clean = text
    .replace(/[‘’]/g, "'")
    .replace(/[“”]/g, '"')
    .replace(/[–—]/g, "-")
    .replace(/\r/g, "")
    .replace(/[^\n -~]/g, "");
  const pieces: string[] = [];
  let piece = "";
  for (const line of clean.split("\n")) {
    if (piece.length + line.length > chunkCharacters && piece.length > 0) {
      pieces.push(piece.trim());
      piece = "";
    }
    piece += `${line}\n`;
  }
  if (piece.trim().length > 0) pieces.push(piece.trim());
  return pieces.filter((p) => p.length > 20);
}

/** Reads the natural part of the corpus from a data folder laid out as MODEL_CARD.md lists it. */
export function readCorpus(folder: string): Corpus {
  const documents: string[] = [];
  const sources: CorpusSource[] = [];
  const take = (file: string, license: string, cut: (text: string) => string[]) => {
    const bytes = readFileSync(join(folder, file));
    const texts = cut(bytes.toString("utf8"));
    documents.push(...texts);
    sources.push({
      file,
      license,
      sha256: createHash("sha256").update(bytes).digest("hex"),
      documents: texts.length,
      characters: texts.reduce((sum, text) => sum + text.length, 0),
    });
  };
  const lines = (text: string) => text.trim().split("\n");
  take("gsm8k/train.jsonl", "MIT", (text) =>
    lines(text)
      .slice(0, 4000)
      .map((line) => JSON.parse(line) as { question: string; answer: string })
      .map((row) =>
        questionText(
          row.question,
          row.answer
            .replace(/<<[^>]*>>/g, "")
            .replace("\n#### ", " The answer is ")
            .concat("."),
        ),
      ),
  );
  take("pubmedqa/ori_pqal.json", "MIT", (text) =>
    Object.values(
      JSON.parse(text) as Record<string, { QUESTION: string; CONTEXTS: string[]; LONG_ANSWER: string }>,
    )
      .slice(0, 600)
      .flatMap((row) => [
        ...chunks(row.CONTEXTS.join("\n")),
        ...chunks(questionText(row.QUESTION, row.LONG_ANSWER)),
      ]),
  );
  take("shakespeare/input.txt", "public domain", (text) => chunks(text.slice(0, 700_000)));
  const books: [string, number][] = [
    ["king-james-bible", 900_000],
    ["news-from-nowhere", 400_000],
    ["little-colonels-hero", 300_000],
    ["log-school-house", 240_000],
    ["devils-dictionary", 340_000],
  ];
  for (const [book, characters] of books)
    take(`books/${book}.txt`, "public domain", (text) => chunks(text.slice(2000, 2000 + characters)));
  for (const kind of ["inaugural", "state_union"])
    for (const file of readdirSync(join(folder, "presidents", kind))
      .filter((name) => name.endsWith(".txt"))
      .sort())
      take(`presidents/${kind}/${file}`, "public domain", (text) => chunks(text.slice(0, 20_000)));
  return { documents, sources };
}
