/**
 * Makes the tasks' files from the data folder, from texts that the base model never saw.
 *
 *   node bench/attribution/make-tasks.ts <data folder>
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createRandom, loadCheckpoint, shuffle, type Tokenizer } from "../../src/engine/index.ts";
import { packageFolder } from "../../src/node/index.ts";
import { fitRow, formatTask, resultsFolder, type Task, type TaskRow } from "./task.ts";

type Made = Omit<TaskRow, "kind">;

const task = (
  head: Pick<Task, "task" | "about" | "license" | "contributors">,
  train: Made[],
  queries: Made[],
  heldOut: Made[],
): Task => ({
  ...head,
  train: train.map((row) => ({ kind: "train", ...row })),
  queries: queries.map((row) => ({ kind: "query", ...row })),
  heldOut: heldOut.map((row) => ({ kind: "heldout", ...row })),
});

/** Turns of twenty speakers from the plays' last part: who speaks is known, what they say overlaps little. */
function shakespeare(data: string, tokenizer: Tokenizer): Task {
  const random = createRandom(1, 1);
  const bySpeaker = new Map<string, string[]>();
  for (const turn of readFileSync(join(data, "shakespeare/input.txt"), "utf8").slice(700_000).split("\n\n")) {
    const [, who, said] = /^([^\n:]{1,39}):\n(.+)$/s.exec(turn) ?? [];
    if (who === undefined || said === undefined || tokenizer.encode(said.trim()).length < 36) continue;
    bySpeaker.set(who, [...(bySpeaker.get(who) ?? []), said.trim()]);
  }
  const speakers = [...bySpeaker].sort((a, b) => b[1].length - a[1].length).slice(0, 20);
  const rows = speakers.map(([who, turns], contributor) =>
    shuffle(turns, random).map((said) => ({ contributor, ...fitRow(tokenizer, `${who}:\n`, said) })),
  );
  return task(
    {
      task: "shakespeare",
      about:
        "Turns of twenty speakers; a contributor is a speaker, a question a turn that was not trained on.",
      license: "public domain",
      contributors: speakers.map(([who]) => who),
    },
    rows.flatMap((turns) => turns.slice(2, 28)),
    rows.flatMap((turns) => turns.slice(0, 2)),
    rows.flatMap((turns) => turns.slice(28, 40)),
  );
}

/** Parts of abstracts; the question is one article's, the answer its conclusion, which was not trained on. */
function pubmedqa(data: string, tokenizer: Tokenizer): Task {
  type Article = { QUESTION: string; CONTEXTS: string[]; LABELS: string[]; LONG_ANSWER: string };
  const articles = Object.entries(
    JSON.parse(readFileSync(join(data, "pubmedqa/ori_pqal.json"), "utf8")) as Record<string, Article>,
  ).slice(600);
  const fitting = articles.filter(
    ([, { QUESTION, LONG_ANSWER }]) =>
      tokenizer.encode(QUESTION).length <= 38 && tokenizer.encode(LONG_ANSWER).length >= 26,
  );
  const chosen = fitting.slice(0, 160);
  const parts = ({ CONTEXTS, LABELS }: Article, most: number) =>
    CONTEXTS.slice(0, most).map((text, i) => fitRow(tokenizer, `${LABELS[i] ?? "TEXT"}:`, ` ${text}`));
  return task(
    {
      task: "pubmedqa",
      about: "Parts of abstracts; a contributor is an article, a question one article's with its conclusion.",
      license: "MIT",
      contributors: chosen.map(([id]) => id),
    },
    chosen.flatMap(([, article], contributor) => parts(article, 3).map((row) => ({ contributor, ...row }))),
    chosen.flatMap(([, article], contributor) =>
      contributor % 4 === 0
        ? [{ contributor, ...fitRow(tokenizer, `Q: ${article.QUESTION}\nA:`, ` ${article.LONG_ANSWER}`) }]
        : [],
    ),
    fitting
      .slice(160)
      .flatMap(([, article]) => parts(article, 2).map((row) => ({ contributor: -1, ...row }))),
  );
}

/** Sums dealt out at random: no contributor is better than another, so whoever is paid more is paid by chance. */
function gsm8k(data: string, tokenizer: Tokenizer): Task {
  const random = createRandom(1, 3);
  const read = (file: string) =>
    readFileSync(join(data, "gsm8k", file), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { question: string; answer: string });
  const row = ({ question, answer }: { question: string; answer: string }) => {
    const plain = answer.replace(/<<[^>]*>>/g, "").replace(/\n#### .*$/, "");
    // The last sentence asks; the rest would not leave room for an answer.
    const asked = question.split(/(?<=[.?!]) /).at(-1) as string;
    return fitRow(tokenizer, `Q: ${asked}\nA:`, ` ${plain}`);
  };
  const fits = ({ prompt, completion }: { prompt: string; completion: string }) =>
    tokenizer.encode(prompt).length <= 34 && tokenizer.encode(completion).length >= 26;
  const all = read("train.jsonl").slice(4000).map(row).filter(fits);
  const train = all.slice(0, 480);
  return task(
    {
      task: "gsm8k",
      about: "Sums dealt out to sixteen contributors at random: a control in which all are alike.",
      license: "MIT",
      contributors: Array.from({ length: 16 }, (_, i) => `dealt-${i}`),
    },
    shuffle(train, random).map((made, i) => ({ contributor: i % 16, ...made })),
    read("test.jsonl")
      .map(row)
      .filter(fits)
      .slice(0, 40)
      .map((made) => ({ contributor: -1, ...made })),
    all.slice(480, 600).map((made) => ({ contributor: -1, ...made })),
  );
}

/** The demo's facts as lines of text: five contributors, a hundred facts. */
function facts(): Task {
  const folder = join(packageFolder, "examples", "valley");
  type Line = { prompt: string; completion: string } | { messages: { role: string; content: string }[] };
  const row = (line: Line) =>
    "prompt" in line
      ? line
      : { prompt: `Q: ${line.messages[0]?.content}\nA:`, completion: ` ${line.messages[1]?.content}` };
  const lines = (file: string) =>
    readFileSync(join(folder, file), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  const files = readdirSync(folder)
    .filter((file) => /^contributor-\d+\.jsonl$/.test(file))
    .sort();
  return task(
    {
      task: "facts",
      about:
        "A hundred facts about invented people, learned by heart; a question asks for one in words not trained on.",
      license: "CC0-1.0",
      contributors: files.map((file) => file.replace(".jsonl", "")),
    },
    files.flatMap((file, contributor) => lines(file).map((line: Line) => ({ contributor, ...row(line) }))),
    lines("questions.jsonl").map(factQuestion),
    lines("heldout.jsonl")
      .filter((_, i) => i % 4 === 0)
      .map((line: Line) => ({ contributor: -1, ...row(line) })),
  );
}

type Question = { question: string; answer: string; owner: number };

/** Owners are counted from 1. */
const factQuestion = ({ question, answer, owner }: Question): Made => ({
  contributor: owner - 1,
  prompt: `Q: ${question}\nA:`,
  completion: ` ${answer}`,
});

/**
 * Lists of invented words and what becomes of them. Which rule holds is told by how many words there are and by nothing else, and no word
 * occurs twice: who taught a rule cannot be found by comparing words.
 */
function transformations(): Task {
  const random = createRandom(1, 5);
  const rules: ((words: string[]) => string[])[] = [
    (words) => words.toReversed(),
    (words) => [words[0] as string, words.at(-1) as string],
    (words) => words.filter((_, i) => i % 2 === 1),
    (words) => [...words.slice(1), words[0] as string],
    (words) => Array<string>(3).fill(words[words.length >> 1] as string),
  ];
  const letters = (text: string) => text[random.below(text.length)] as string;
  const seen = new Set<string>();
  const word = () => {
    for (;;) {
      const made =
        letters("bdfgklmnprstvz") + letters("aeiou") + letters("bdfgklmnprstvz") + letters("aeiou");
      if (!seen.has(made)) {
        seen.add(made);
        return made;
      }
    }
  };
  const row = (contributor: number, rule: number): Made => {
    const words = Array.from({ length: rule + 3 }, word);
    return {
      contributor,
      prompt: `${words.join(" ")} =`,
      completion: ` ${(rules[rule] as (typeof rules)[number])(words).join(" ")}.`,
    };
  };
  const contributors = Array.from({ length: 20 }, (_, i) => `rule-${i % 5}-teacher-${Math.floor(i / 5)}`);
  return task(
    {
      task: "transformations",
      about:
        "Lists of invented words, changed by one of five rules; four contributors teach each, and no word is shared.",
      license: "CC0-1.0",
      contributors,
    },
    contributors.flatMap((_, contributor) =>
      Array.from({ length: 24 }, () => row(contributor, contributor % 5)),
    ),
    Array.from({ length: 40 }, (_, i) => row(-1, i % 5)),
    Array.from({ length: 80 }, (_, i) => row(-1, i % 5)),
  );
}

if (import.meta.main) {
  const [data] = process.argv.slice(2);
  if (data === undefined) throw new Error("Give the data folder: node bench/attribution/make-tasks.ts DATA");
  mkdirSync(resultsFolder, { recursive: true });
  const { tokenizer } = loadCheckpoint(join(packageFolder, "models", "openledger-tiny"));
  for (const made of [
    shakespeare(data, tokenizer),
    pubmedqa(data, tokenizer),
    gsm8k(data, tokenizer),
    facts(),
    transformations(),
  ]) {
    writeFileSync(join(resultsFolder, `${made.task}.task.jsonl`), formatTask(made));
    process.stdout.write(
      `${made.task}: ${made.train.length} examples of ${made.contributors.length} contributors, ${made.queries.length} questions\n`,
    );
  }
}
