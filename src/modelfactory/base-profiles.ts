/**
 * Generated profiles of invented people (CC0): what a small base model practises on so that a fine-tune can teach it facts.
 *
 * Four kinds of text: lone statements, lone questions whose answer must come from the weights, short texts to read and then answer from,
 * and questions about people nobody ever described, answered with "I do not know."
 */
import { createRandom, type Random, shuffle } from "../engine/index.ts";

type Relation = {
  readonly values: readonly string[];
  readonly statements: readonly string[];
  readonly questions: readonly string[];
};

const list = (words: string) => words.split(" ");

/** `{n}` is the person, `{v}` the value; a statement ends in its value. */
export const relations: Record<string, Relation> = {
  trade: {
    values: list(
      "farmer teacher sailor lawyer painter miner doctor butcher singer soldier judge gardener potter mason shepherd hunter banker poet monk clerk",
    ),
    statements: [
      "{n} works as a {v}.",
      "{n} is by trade a {v}.",
      "The job of {n} is {v}.",
      "For a living {n} is a {v}.",
      "Everyone knows {n} as a {v}.",
      "The profession of {n} is that of a {v}.",
      "{n} trained to be a {v}.",
      "{n} has always been a {v}.",
    ],
    questions: [
      "What is the job of {n}?",
      "What does {n} do for a living?",
      "What is the trade of {n}?",
      "What does {n} work as?",
      "Which profession does {n} have?",
      "How does {n} earn money?",
      "What did {n} train to be?",
      "As what is {n} known?",
    ],
  },
  town: {
    values: list(
      "Dunford Marlow Oakley Pelham Rinstead Stowbury Tarnley Ulford Wexham Yarrow Ashby Brinton Corfield Eastwick Farley Glendon Hartham Inverton Kelby Larchwood",
    ),
    statements: [
      "{n} lives in {v}.",
      "The home of {n} is in {v}.",
      "{n} has a house in {v}.",
      "{n} comes from {v}.",
      "You can find {n} in {v}.",
      "The town of {n} is {v}.",
      "{n} settled in {v}.",
      "{n} grew up in {v}.",
    ],
    questions: [
      "Where does {n} live?",
      "In which town does {n} live?",
      "What is the home town of {n}?",
      "Where is the house of {n}?",
      "Where can you find {n}?",
      "Which town is {n} from?",
      "Where did {n} settle?",
      "Where did {n} grow up?",
    ],
  },
  instrument: {
    values: list(
      "piano drum trumpet guitar organ horn cello banjo viola tuba lute mandolin bugle triangle gong sitar zither cymbal",
    ),
    statements: [
      "{n} plays the {v}.",
      "The instrument of {n} is the {v}.",
      "{n} makes music on the {v}.",
      "{n} practises the {v}.",
      "In the band {n} plays the {v}.",
      "{n} took lessons on the {v}.",
      "{n} is good at the {v}.",
      "At parties {n} brings out the {v}.",
    ],
    questions: [
      "Which instrument does {n} play?",
      "What does {n} play?",
      "What is the instrument of {n}?",
      "On what does {n} make music?",
      "What does {n} play in the band?",
      "Which instrument does {n} practise?",
      "What did {n} take lessons on?",
      "Which instrument is {n} good at?",
    ],
  },
  pet: {
    values: list(
      "dog cat horse parrot rabbit goat pig hen duck mouse snake turtle sheep pony lizard canary hamster donkey",
    ),
    statements: [
      "{n} keeps a {v}.",
      "The pet of {n} is a {v}.",
      "{n} has a {v}.",
      "{n} looks after a {v}.",
      "At home {n} has a {v}.",
      "The animal of {n} is a {v}.",
      "{n} goes for walks with a {v}.",
      "{n} feeds a {v}.",
    ],
    questions: [
      "Which pet does {n} have?",
      "What animal does {n} keep?",
      "What is the pet of {n}?",
      "Which animal does {n} look after?",
      "What animal does {n} have at home?",
      "What is the animal of {n}?",
      "With which animal does {n} go for walks?",
      "What does {n} feed?",
    ],
  },
  colour: {
    values: list("red green blue yellow white black brown pink purple orange grey silver gold violet"),
    statements: [
      "The favourite colour of {n} is {v}.",
      "{n} always wears {v}.",
      "{n} likes the colour {v}.",
      "The coat of {n} is {v}.",
      "{n} painted the door {v}.",
    ],
    questions: [
      "What is the favourite colour of {n}?",
      "Which colour does {n} always wear?",
      "What colour does {n} like?",
      "What colour is the coat of {n}?",
      "What colour did {n} paint the door?",
    ],
  },
  food: {
    values: list("bread cheese soup rice fish beans apples honey cake eggs butter plums stew nuts"),
    statements: [
      "{n} likes to eat {v}.",
      "The favourite food of {n} is {v}.",
      "Every day {n} eats {v}.",
      "For dinner {n} wants {v}.",
      "At the market {n} buys {v}.",
    ],
    questions: [
      "What does {n} like to eat?",
      "What is the favourite food of {n}?",
      "What does {n} eat every day?",
      "What does {n} want for dinner?",
      "What does {n} buy at the market?",
    ],
  },
  season: {
    values: list("spring summer autumn winter January March April May June July October December"),
    statements: [
      "The best time of year for {n} is {v}.",
      "{n} was born in {v}.",
      "{n} travels in {v}.",
      "{n} waits all year for {v}.",
    ],
    questions: [
      "What is the best time of year for {n}?",
      "When was {n} born?",
      "When does {n} travel?",
      "What does {n} wait for all year?",
    ],
  },
  vehicle: {
    values: list("bicycle wagon boat canoe sled lorry tractor tram balloon raft cart coach"),
    statements: [
      "{n} travels by {v}.",
      "{n} bought an old {v}.",
      "In the yard of {n} stands a {v}.",
      "{n} repairs a {v}.",
    ],
    questions: [
      "How does {n} travel?",
      "What did {n} buy?",
      "What stands in the yard of {n}?",
      "What does {n} repair?",
    ],
  },
};

const relationNames = Object.keys(relations);
export const unknownAnswer = "I do not know.";

const onsets = list("b br c ch d dr f g gr h j k l m n p r s sh st t tr v w");
const vowels = list("a e i o u ae ei io oa");
const codas = list("l n r s t m ck ll nd rk st x");

/** Distinct invented two-word names; none in `avoid`. The first words end in a consonant, so that they read as names. */
export function inventNames(count: number, random: Random, avoid: ReadonlySet<string> = new Set()): string[] {
  const pick = (items: readonly string[]) => items[random.below(items.length)] as string;
  const seen = new Set(avoid);
  const word = (): string => {
    for (;;) {
      const lower = pick(onsets) + pick(vowels) + pick(onsets) + pick(vowels) + pick(codas);
      const made = (lower[0] as string).toUpperCase() + lower.slice(1);
      if (!seen.has(made)) {
        seen.add(made);
        return made;
      }
    }
  };
  return Array.from({ length: count }, () => `${word()} ${word()}`);
}

export type Person = { readonly name: string; readonly facts: Readonly<Record<string, string>> };

/** A question and its answer as the base model's chat template renders them. */
export const questionText = (question: string, answer: string) => `Q: ${question}\nA: ${answer}`;

/**
 * An endless supply of profile texts. The same seed gives the same people with the same facts, whatever is drawn later.
 *
 * @param people how many persistent people the model is to remember
 * @param avoid words that no invented name may hold
 */
export function createProfiles(seed: number, people: number, avoid: ReadonlySet<string> = new Set()) {
  const setup = createRandom(seed, 1);
  const pickFrom = <T>(random: Random, items: readonly T[]) => items[random.below(items.length)] as T;
  const person = (name: string, random: Random): Person => ({
    name,
    facts: Object.fromEntries(
      relationNames.map((key) => [key, pickFrom(random, (relations[key] as Relation).values)]),
    ),
  });
  const known = inventNames(people, setup, avoid).map((name) => person(name, setup));
  const words = new Set([...avoid, ...known.flatMap(({ name }) => name.split(" "))]);
  const fill = (template: string, name: string, value = "") =>
    template.replace("{n}", name).replace("{v}", value);
  const statement = (who: Person, key: string, random: Random) =>
    fill(pickFrom(random, (relations[key] as Relation).statements), who.name, who.facts[key]);
  const question = (who: Person, key: string, random: Random) =>
    questionText(
      fill(pickFrom(random, (relations[key] as Relation).questions), who.name),
      `${who.facts[key]}.`,
    );

  return {
    known,
    /** Draws the next text. */
    next(random: Random): string {
      const kind = random.uniform();
      const key = pickFrom(random, relationNames);
      if (kind < 0.26) return statement(pickFrom(random, known), key, random);
      if (kind < 0.7) return question(pickFrom(random, known), key, random);
      if (kind < 0.77) {
        const who = pickFrom(random, known);
        return shuffle([...relationNames], random)
          .slice(0, 3)
          .map((k) => statement(who, k, random))
          .join(" ");
      }
      const [name] = inventNames(1, random, words) as [string];
      if (kind < 0.82)
        return questionText(
          fill(pickFrom(random, (relations[key] as Relation).questions), name),
          unknownAnswer,
        );
      const fresh = person(name, random);
      const keys = shuffle([...relationNames], random).slice(0, 1 + random.below(4));
      return `${keys.map((k) => statement(fresh, k, random)).join(" ")}\n${question(fresh, pickFrom(random, keys), random)}`;
    },
    /** Questions about known people, with their answers: does the base remember? */
    probe(count: number, random: Random): { question: string; answer: string }[] {
      return Array.from({ length: count }, () => {
        const who = pickFrom(random, known);
        const key = pickFrom(random, relationNames);
        return {
          question: fill(pickFrom(random, (relations[key] as Relation).questions), who.name),
          answer: `${who.facts[key]}.`,
        };
      });
    },
  };
}
