/** The demo's material: who knows what, what to ask, and what counts as right. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Example, exampleSchema } from "../protocol/index.ts";

export type Question = {
  readonly question: string;
  readonly answer: string;
  readonly owner: number;
  readonly fact: number;
};

export type Valley = {
  /** JSON Lines as each contributor wrote them, contributor 1 first. */
  readonly contributions: readonly string[];
  /** Facts about people who are never taught. */
  readonly heldOut: string;
  /** One question per fact, in a wording unseen for that fact; `owner` counts contributors from 0. */
  readonly questions: readonly Question[];
};

export const contributorNames = ["alma", "bero", "cilia", "dorin", "edda"] as const;

const lines = (text: string) => text.trim().split("\n");

export function readValley(folder: string): Valley {
  const read = (file: string) => readFileSync(join(folder, file), "utf8");
  return {
    contributions: contributorNames.map((_, i) => read(`contributor-${i + 1}.jsonl`)),
    heldOut: read("heldout.jsonl"),
    questions: lines(read("questions.jsonl")).map((line) => {
      const row = JSON.parse(line) as Question;
      return { ...row, owner: row.owner - 1 };
    }),
  };
}

/**
 * The same valley with the first facts of each contributor only, and as large a part of what is held out.
 *
 * @param facts of a contributor; each has as many rows as any other
 */
export function smallerValley({ contributions, heldOut, questions }: Valley, facts: number): Valley {
  const ofOwner = questions.length / contributions.length;
  const first = (text: string) => {
    const all = lines(text);
    return `${all.slice(0, (all.length * facts) / ofOwner).join("\n")}\n`;
  };
  const seen = contributions.map(() => 0);
  return {
    contributions: contributions.map(first),
    heldOut: first(heldOut),
    questions: questions.filter(({ owner }) => {
      seen[owner] = (seen[owner] ?? 0) + 1;
      return (seen[owner] as number) <= facts;
    }),
  };
}

export const examplesOf = (text: string): Example[] =>
  lines(text).map((line) => exampleSchema.parse(JSON.parse(line)));

/** The question and its right answer as a row to evaluate on. */
export const asExample = ({ question, answer }: Question): Example => ({
  messages: [
    { role: "user", content: question },
    { role: "assistant", content: answer },
  ],
});

/** An answer is right when it is the value and its full stop, and nothing else. */
export const isRight = (answer: string, { answer: expected }: Question): boolean =>
  answer.trim() === expected;

/** Right answers as a share of all. */
export const share = (right: readonly boolean[]): number =>
  right.filter(Boolean).length / Math.max(1, right.length);
