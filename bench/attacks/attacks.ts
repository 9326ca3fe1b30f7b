/** What one contributor does to be paid more, as the Datanet it leaves behind. Its own honest rows stay among them. */
import { createRandom } from "../../src/engine/index.ts";
import type { Row, World } from "./world.ts";

/** Contributor 0 attacks; contributor 1 is copied from. */
export const attacker = 0;
export const victim = 1;

export type Attack = {
  readonly name: string;
  readonly about: string;
  /** Most the defended payout may be, over the honest one; without a bound the attack is measured only. */
  readonly bound?: number;
  /** Least that the contributor who is copied from may keep of its honest payout. */
  readonly otherBound?: number;
  /** Rows added after everyone's own. */
  added(world: World): Omit<Row, "contributor" | "wave">[];
};

const own = (world: World) => world.rows.filter(({ contributor }) => contributor === attacker);
const theirs = (world: World) => world.rows.filter(({ contributor }) => contributor === victim);
const times = (count: number) => Array.from({ length: count }, (_, n) => n);

export const attacks: readonly Attack[] = [
  {
    name: "copiesOfOwn",
    about: "each of its rows ten times",
    bound: 1.1,
    added: (world) => times(9).flatMap(() => own(world)),
  },
  {
    name: "copiesOfAnother",
    about: "each row of another contributor, word for word",
    bound: 1.1,
    added: (world) => theirs(world),
  },
  {
    name: "drowning",
    about: "each row of another contributor ten times, so that the model knows them by heart",
    bound: 1.1,
    otherBound: 0.9,
    added: (world) => times(10).flatMap(() => theirs(world)),
  },
  {
    name: "paraphrases",
    about: "ten other wordings of each of its rows",
    bound: 1.5,
    added: (world) => own(world).flatMap((row) => times(10).map((n) => world.paraphrase(row, n))),
  },
  {
    name: "paraphrasesOfAnother",
    about: "ten other wordings of each row of another contributor",
    bound: 1.5,
    otherBound: 0.9,
    added: (world) => theirs(world).flatMap((row) => times(10).map((n) => world.paraphrase(row, n))),
  },
  {
    name: "halfExchanged",
    about: "ten times each of its rows with every other word exchanged for one of others' rows",
    added: (world) =>
      own(world).flatMap((row, i) =>
        times(10).map((n) => world.exchanged(row, createRandom(10 * i + n, 81))),
      ),
  },
  {
    name: "keywordSeeding",
    about: "the words of everyone's questions, with nothing that answers them",
    added: (world) => {
      const random = createRandom(21);
      return world.questions
        .filter(({ owner }) => owner !== attacker)
        .map((question) => world.seeded(question, random));
    },
  },
  {
    name: "outliers",
    about: "as many rows again that nothing could predict, for their long gradients",
    added: (world) => {
      const random = createRandom(22);
      return own(world).map(() => world.noise(random));
    },
  },
  {
    name: "watchingQuestions",
    about: "the questions that others' facts were asked by, with the answers that were given",
    added: (world) => world.questions.filter(({ owner }) => owner !== attacker),
  },
];

/** The Datanet after an attack. */
export const attacked = (world: World, attack: Attack): Row[] => [
  ...world.rows,
  ...attack
    .added(world)
    .map(({ prompt, completion, chat }) => ({ prompt, completion, chat, contributor: attacker, wave: 1 })),
];
