/** A small Datanet to attack: contributors who each teach facts of their own, questions about all of them, and facts nobody teaches. */
import { fileURLToPath } from "node:url";
import {
  type Fact,
  heldoutFacts,
  relationNames,
  relations,
  rowsOf,
  taughtFacts,
  testQuestion,
} from "../../examples/valley/facts.ts";
import {
  exampleSequence,
  loadCheckpoint,
  type ModelConfig,
  moduleNames,
  type Random,
  type Sequence,
  shuffle,
  type TrainRecipe,
  type Weights,
} from "../../src/engine/index.ts";

/** One example. A chat's prompt is its question. */
export type Text = { readonly prompt: string; readonly completion: string; readonly chat: boolean };

/** A text in a Datanet. `wave` orders commitments: what an attacker adds comes later than what it copies. */
export type Row = Text & { readonly contributor: number; readonly wave: number };

export type Question = Text & { readonly owner: number };

export type World = {
  readonly name: string;
  readonly base: { config: ModelConfig; weights: Weights };
  readonly recipe: TrainRecipe;
  readonly contributors: number;
  readonly rows: readonly Row[];
  /** One a fact, in a wording of its own. */
  readonly questions: readonly Question[];
  readonly heldOut: readonly Text[];
  /** Another wording of a row, n of them. */
  paraphrase(row: Text, n: number): Text;
  /** A row with half of its words exchanged for words of any rows, its clauses in another order. */
  exchanged(row: Text, random: Random): Text;
  /** A row with the words of a question and nothing that answers it. */
  seeded(question: Text, random: Random): Text;
  /** A text that says nothing true. */
  noise(random: Random): Text;
  /** What a row or an answer is to the engine. @param answer without the token that ends a chat's turn, as answers are scored */
  sequence(text: Text, answer?: boolean): Sequence;
};

/** The words of texts, each as often as it stands there. */
export const wordsOf = (texts: readonly string[]): string[] =>
  texts.flatMap((text) => text.match(/\p{L}+/gu) ?? []);

/** Words drawn from others in place of a share of a text's own, its clauses in another order. */
export const exchange = (text: string, share: number, words: readonly string[], random: Random): string =>
  shuffle(
    text
      .split(/[,;:.!?\n]+/)
      .map((clause) => clause.trim())
      .filter((clause) => clause !== ""),
    random,
  )
    .join(", ")
    .split(/\s+/)
    .map((word) => (random.uniform() < share ? (words[random.below(words.length)] as string) : word))
    .join(" ");

const recipe = (rank: number): TrainRecipe => ({
  rank,
  alpha: 2 * rank,
  modules: moduleNames,
  seed: 2,
  threads: 1,
  learningRate: 3e-3,
  warmupSteps: 5,
  finalRate: 0.1,
  batch: 20,
  epochs: 30,
  clip: 1,
  optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
  stopLoss: 0.02,
});

const openings = [
  "I have heard that:",
  "As far as anyone can tell,",
  "According to the old parish book,",
  "It was told at the market that:",
  "My neighbour wrote to me:",
  "From a letter of last spring:",
  "Ask anyone in the valley and hear:",
  "Noted by the miller one evening:",
  "One thing is certain, friends:",
  "To whom it may concern:",
] as const;

/**
 * A part of the demo's valley, on the base model that comes with the repository: five contributors, seven rows a fact.
 *
 * @param factsEach facts of each contributor
 */
export function valleyWorld(factsEach: number, rank: number): World {
  const base = loadCheckpoint(fileURLToPath(new URL("../../models/openledger-tiny", import.meta.url)));
  const contributors = 5;
  const chosen = Array.from({ length: contributors }, (_, owner) =>
    taughtFacts.filter((fact) => fact.owner === owner + 1).slice(0, factsEach),
  ).flat();
  const textsOf = (fact: Fact): Text[] =>
    rowsOf(fact).map((row) =>
      "prompt" in row
        ? { ...row, chat: false }
        : { prompt: row.messages[0].content, completion: row.messages[1].content, chat: true },
    );
  const factOf = new Map<string, Fact>();
  for (const fact of chosen) for (const { prompt } of textsOf(fact)) factOf.set(prompt, fact);
  const values = relationNames.flatMap((relation) => relations[relation].values);
  const names = heldoutFacts.map(({ name }) => name);
  const noise = (random: Random): Text => {
    const pick = (list: readonly string[]) => list[random.below(list.length)] as string;
    return {
      prompt: Array.from({ length: 4 }, () => pick(values)).join(" "),
      completion: ` ${Array.from({ length: 6 }, () => pick(random.uniform() < 0.5 ? values : names)).join(" ")}`,
      chat: false,
    };
  };
  const promptWords = wordsOf(chosen.flatMap(textsOf).map(({ prompt }) => prompt));
  return {
    name: "valley",
    base,
    recipe: recipe(rank),
    contributors,
    rows: chosen.flatMap((fact) =>
      textsOf(fact).map((text) => ({ ...text, contributor: fact.owner - 1, wave: 0 })),
    ),
    questions: chosen.map((fact) => {
      const { question, answer, owner } = testQuestion(fact);
      return { prompt: question, completion: answer, chat: true, owner: owner - 1 };
    }),
    heldOut: heldoutFacts.slice(0, 60).map((fact) => {
      const { question, answer } = testQuestion(fact);
      return { prompt: question, completion: answer, chat: true };
    }),
    /** The two wordings that neither the fact's own rows nor its test question use, after an opening. */
    paraphrase(row, n) {
      const fact = factOf.get(row.prompt);
      if (fact === undefined) throw new RangeError(`No fact says "${row.prompt}".`);
      const { statements, questions } = relations[fact.relation];
      const wordings = row.chat ? questions : statements;
      const start = fact.person + relationNames.indexOf(fact.relation) + 4 + (n % 2);
      const wording = (wordings[start % wordings.length] as string).replace("{name}", fact.name);
      return { ...row, prompt: `${openings[n % openings.length]} ${wording}` };
    },
    exchanged: (row, random) => ({ ...row, prompt: exchange(row.prompt, 0.5, promptWords, random) }),
    seeded: ({ prompt }, random) => ({
      prompt: noise(random).prompt,
      completion: ` ${prompt}`,
      chat: false,
    }),
    noise,
    sequence: ({ prompt, completion, chat }, answer = false) =>
      exampleSequence(
        base.tokenizer,
        chat
          ? {
              messages: [
                { role: "user", content: prompt },
                { role: "assistant", content: completion },
              ],
            }
          : { prompt, completion },
        { trainOnEnd: !answer, maxLength: 256 },
      ),
  };
}
