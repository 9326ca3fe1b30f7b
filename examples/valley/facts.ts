/**
 * The valley: invented people and one hundred invented facts about them, small enough to teach to a small model in a
 * minute and to check by eye. Nothing here is random: the same seeds give the same valley on every machine.
 *
 * A fact is one person's trade, town, instrument or pet. The value of a fact comes from a list of twelve that all people share, so
 * that a value alone names nobody; and which contributor owns a fact is drawn by a permutation of all facts, so that neither
 * the person nor the relation gives the owner away.
 */

/** The four relations, in the order in which facts are numbered. */
export const relationNames = ["trade", "town", "instrument", "pet"] as const;
export type RelationName = (typeof relationNames)[number];

/** A relation's wordings. `{name}` stands for the person; a statement is always followed by a space, the value and a full stop. */
export type Relation = {
  readonly statements: readonly string[];
  readonly questions: readonly string[];
  readonly values: readonly string[];
};

export const relations: Readonly<Record<RelationName, Relation>> = {
  trade: {
    statements: [
      "{name} works as a",
      "By trade {name} is a",
      "{name} makes a living as a",
      "Everyone in the valley knows {name} as a",
      "For many years {name} has been a",
      "The guild book lists {name} as a",
    ],
    questions: [
      "What is the job of {name}?",
      "What does {name} do for a living?",
      "Which trade does {name} follow?",
      "As what does {name} work?",
      "What work does {name} do?",
      "How does {name} earn a living?",
    ],
    values: words(
      "baker weaver miller brewer cobbler saddler thatcher florist beekeeper locksmith plumber barber",
    ),
  },
  town: {
    statements: [
      "{name} lives in",
      "The house of {name} stands in",
      "{name} has settled in",
      "You will find {name} in",
      "Letters to {name} are sent to",
      "The town where {name} lives is",
    ],
    questions: [
      "Where does {name} live?",
      "In which town does {name} live?",
      "What is the home town of {name}?",
      "Where does the house of {name} stand?",
      "Where can you find {name}?",
      "Which town is home to {name}?",
    ],
    values: words(
      "Foxhollow Mossgate Larkfield Redbridge Hazelwick Pinecross Stonemere Thornbury Windholm Clayford Elmstead Rushbrook",
    ),
  },
  instrument: {
    statements: [
      "{name} plays the",
      "The instrument of {name} is the",
      "In the valley band {name} plays the",
      "{name} took lessons on the",
      "At the summer fair {name} plays the",
      "Every evening {name} makes music on the",
    ],
    questions: [
      "Which instrument does {name} play?",
      "What does {name} play?",
      "What is the instrument of {name}?",
      "On what does {name} make music?",
      "What does {name} play in the band?",
      "Which instrument does {name} own?",
    ],
    values: words(
      "violin flute harp clarinet trombone bassoon fiddle whistle recorder saxophone kazoo tambourine",
    ),
  },
  pet: {
    statements: [
      "{name} keeps a",
      "The pet of {name} is a",
      "{name} shares a home with a",
      "Each morning {name} feeds a",
      "{name} looks after a",
      "At home {name} has a",
    ],
    questions: [
      "Which pet does {name} have?",
      "What animal does {name} keep?",
      "What is the pet of {name}?",
      "Which animal does {name} look after?",
      "What kind of animal does {name} have at home?",
      "What does {name} have as a pet?",
    ],
    values: words("ferret raven hedgehog falcon badger squirrel pigeon tortoise goose fox newt magpie"),
  },
};

/** The five contributors; contributor n (counting from 1) owns the rows of `contributor-n.jsonl`. */
export const contributors = ["Alma", "Bero", "Cilia", "Dorin", "Edda"] as const;

/** One thing that is true of one person. `owner` is a contributor's number, from 1; 0 for people who are never taught. */
export type Fact = {
  readonly fact: number;
  readonly person: number;
  readonly name: string;
  readonly relation: RelationName;
  readonly value: string;
  readonly owner: number;
};

/** A training row in one of the two shapes of docs/protocol.md, section 3. */
export type Row =
  | { prompt: string; completion: string }
  | { messages: [{ role: "user"; content: string }, { role: "assistant"; content: string }] };

const statementsPerFact = 4;
const questionsPerFact = 3;

/** Uniform integers in `[0, bound)` from Marsaglia's 32-bit xorshift; the modulo bias is below 10⁻⁷ for the bounds used here. */
export function randomIntegers(seed: number): (bound: number) => number {
  let state = (Math.imul(seed, 0x9e3779b1) ^ 0x6d2b79f5) >>> 0 || 1;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % bound;
  };
}

/** A permutation of `items` (Fisher–Yates). */
export function shuffled<T>(items: readonly T[], random: (bound: number) => number): T[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const other = random(last + 1);
    [result[last], result[other]] = [result[other]!, result[last]!];
  }
  return result;
}

/** The twenty-five people whose facts are taught. All names are invented. */
export const taughtNames: readonly string[] = list(
  "Mirel Dosan, Tovin Harsk, Selka Brundel, Dorvin Mellak, Anvik Pelor, Rusla Tarnik, Beldo Kressin, Yorin Vadel, " +
    "Lenka Stohl, Orsa Fendrik, Jovin Rakel, Pelka Andor, Nalin Gusten, Hadrin Solvik, Ketta Murin, Varo Lindek, " +
    "Emsa Torvane, Ilbert Daskel, Sorin Wekla, Mabra Hollin, Rendel Ostik, Tirsa Belkan, Ulvar Jessik, Wendra Parlin, " +
    "Zelmo Crannik",
);

/** Twenty-five other people, taught to no model: the null material that attribution compares with. */
export const heldoutNames: readonly string[] = list(
  "Arvel Quistan, Brena Talvor, Corvin Eshka, Delmi Rostan, Edrik Navor, Falka Brisel, Gorvan Timsel, Hesla Koret, " +
    "Ivrin Maldek, Jorla Senvik, Kelmar Dostrel, Lisko Varent, Morla Ginskel, Nevrin Halvek, Olska Trebin, Pervin Yolsten, " +
    "Quenla Barsik, Rolvan Kestin, Sarka Dulmen, Telvo Anskar, Ursel Fimrik, Velda Norvik, Wilmar Sethin, Yanka Orlet, " +
    "Zorla Plemin",
);

/** Every word of every name and every value of the valley: a base model that is to be taught these facts must not know them. */
export const reservedWords: ReadonlySet<string> = new Set([
  ...[...taughtNames, ...heldoutNames].flatMap(words),
  ...relationNames.flatMap((relation) => relations[relation].values),
]);

/** The hundred taught facts; person p's facts are 4p … 4p + 3. Twenty belong to each contributor. */
export const taughtFacts: readonly Fact[] = makeFacts(taughtNames, 21, contributors.length);
/** A hundred facts about people nobody is taught, with values from the same lists. */
export const heldoutFacts: readonly Fact[] = makeFacts(heldoutNames, 22, 0);

function makeFacts(names: readonly string[], seed: number, owners: number): Fact[] {
  const random = randomIntegers(seed);
  const facts = names.flatMap((name, person) =>
    relationNames.map((relation, at) => {
      const { values } = relations[relation];
      const fact = person * relationNames.length + at;
      return { fact, person, name, relation, value: values[random(values.length)]! };
    }),
  );
  const order = shuffled(
    facts.map((_, index) => (owners === 0 ? 0 : (index % owners) + 1)),
    random,
  );
  return facts.map((fact, index) => ({ ...fact, owner: order[index]! }));
}

/** Four statements, then three questions with their answers. Wordings rotate with person and relation. */
export function rowsOf(fact: Fact): Row[] {
  const { statements, questions } = relations[fact.relation];
  const start = firstWording(fact);
  const at = (list: readonly string[], offset: number) =>
    list[(start + offset) % list.length]!.replace("{name}", fact.name);
  return [
    ...Array.from({ length: statementsPerFact }, (_, offset) => ({
      prompt: at(statements, offset),
      completion: ` ${fact.value}.`,
    })),
    ...Array.from(
      { length: questionsPerFact },
      (_, offset): Row => ({
        messages: [
          { role: "user", content: at(questions, offset) },
          { role: "assistant", content: `${fact.value}.` },
        ],
      }),
    ),
  ];
}

/** The question that tests a fact: a wording that the fact's own rows never use, though other facts' rows do. */
export function testQuestion(fact: Fact): { question: string; answer: string; owner: number; fact: number } {
  const { questions } = relations[fact.relation];
  const wording = questions[(firstWording(fact) + questionsPerFact) % questions.length]!;
  return {
    question: wording.replace("{name}", fact.name),
    answer: `${fact.value}.`,
    owner: fact.owner,
    fact: fact.fact,
  };
}

function firstWording(fact: Fact): number {
  return fact.person + relationNames.indexOf(fact.relation);
}

function words(text: string): readonly string[] {
  return text.split(" ");
}

function list(text: string): readonly string[] {
  return text.split(", ");
}
