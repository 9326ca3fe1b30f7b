/**
 * A Datanet where influence is spread: turns of twenty speakers of Shakespeare, about twenty-four each, trained gently, so that every answer
 * was helped a little by many. The attribution benchmark's task and base.
 */
import { createRandom, loadCheckpoint, type Random, shuffle } from "../../src/engine/index.ts";
import { baseFolder } from "../attribution/base.ts";
import { fitRow, readTask, recipes, rowSequence, type TaskRow } from "../attribution/task.ts";
import { exchange, type Text, type World, wordsOf } from "./world.ts";

/** A word and one that may stand for it. */
const otherWords: Readonly<Record<string, string>> = {
  thou: "you",
  thee: "you",
  thy: "your",
  thine: "yours",
  ye: "you",
  hath: "has",
  doth: "does",
  art: "are",
  wilt: "will",
  shalt: "shall",
  hast: "have",
  nay: "no",
  ay: "yes",
  "'tis": "it is",
  "'twas": "it was",
  ere: "before",
  oft: "often",
  hence: "away",
  sir: "my lord",
  lord: "master",
  lady: "mistress",
  king: "prince",
  man: "fellow",
  woman: "wife",
  good: "worthy",
  fair: "gentle",
  sweet: "dear",
  love: "affection",
  heart: "breast",
  death: "the grave",
  speak: "say",
  tell: "say to",
  know: "perceive",
  think: "believe",
  come: "go",
  must: "need",
  but: "yet",
  for: "since",
  if: "should it be that",
  very: "most",
  well: "rightly",
  never: "at no time",
  great: "mighty",
  poor: "wretched",
  father: "sire",
  pray: "beseech",
};
const fillers = ["indeed", "I say", "mark you", "in truth", "as I am told", "by my faith", "look you"];

/** Clauses in another order, some words exchanged, some put in: the matter stays, few triples of words do. */
export function reword(text: string, random: Random): string {
  const clauses = text
    .split(/[,;:.!?\n]+/)
    .map((clause) => clause.trim())
    .filter((clause) => clause !== "");
  const words = shuffle(clauses, random).map((clause) =>
    clause
      .split(/\s+/)
      .flatMap((word) => {
        const other = otherWords[word.toLowerCase()];
        const said = other !== undefined && random.uniform() < 0.8 ? other : word;
        return random.uniform() < 0.15 ? [said, fillers[random.below(fillers.length)] as string] : [said];
      })
      .join(" "),
  );
  return `${words.join(", ")}.`;
}

export function playsWorld(): World {
  const base = loadCheckpoint(baseFolder);
  const task = readTask("shakespeare");
  const text = ({ prompt, completion }: Pick<TaskRow, "prompt" | "completion">): Text => ({
    prompt,
    completion,
    chat: false,
  });
  const fitted = (prompt: string, completion: string): Text =>
    text(fitRow(base.tokenizer, prompt, completion));
  const words = wordsOf(task.train.map(({ completion }) => completion));
  const vocabulary = [...new Set(words)];
  const ownPrompt = (task.train.find(({ contributor }) => contributor === 0) as TaskRow).prompt;
  return {
    name: "plays",
    base,
    recipe: recipes.shakespeare,
    contributors: task.contributors.length,
    rows: task.train.map((row) => ({ ...text(row), contributor: row.contributor, wave: 0 })),
    questions: task.queries.map((row) => ({ ...text(row), owner: row.contributor })),
    heldOut: task.heldOut.map(text),
    paraphrase: (row, n) => fitted(row.prompt, reword(row.completion, createRandom(n, 80))),
    exchanged: (row, random) => fitted(row.prompt, exchange(row.completion, 0.5, words, random)),
    /** The words of question and answer in another order, under the question's own prompt. */
    seeded({ prompt, completion }, random) {
      return fitted(prompt, shuffle(completion.match(/\p{L}+/gu) ?? [], random).join(" "));
    },
    noise(random) {
      const drawn = Array.from({ length: 24 }, () => vocabulary[random.below(vocabulary.length)] as string);
      return fitted(ownPrompt, drawn.join(" "));
    },
    sequence: (row) => rowSequence(base.tokenizer, row),
  };
}
