import { plain, short, table } from "./table.ts";

export type SpansJson = {
  readonly receiptId: string;
  readonly releaseId: string;
  readonly answer: string;
  readonly words: number;
  readonly searched: number;
  /** Datanets whose texts are not open to all: nothing was looked for then. */
  readonly gated: readonly string[];
  readonly total: number;
  readonly spans: readonly {
    readonly text: string;
    readonly at: readonly { readonly start: number; readonly end: number }[];
    readonly words: number;
    readonly bits: number;
    readonly occurrences: number;
    readonly complete: boolean;
    readonly documents: {
      readonly count: number;
      readonly first: readonly {
        readonly datanetId: string;
        readonly version: number;
        readonly row: number;
        readonly license: string;
        readonly contributor: string;
      }[];
    };
    readonly contributors: { readonly count: number; readonly first: readonly string[] };
  }[];
};

const textMax = 60;

/** Spans for people: what stands where, how rare it is, and under which licence the earliest document gives it. */
export function showSpans({ spans, total, answer, searched, words, gated }: SpansJson): string {
  // A full stop counts as a word does.
  const counted = `${words} ${words === 1 ? "word or sign" : "words and signs"}`;
  const looked = searched < answer.length ? `the first ${counted}` : counted;
  const pays =
    "Spans show where words come from. They pay nobody: openledger receipt <id> shows who is paid.";
  if (gated.length > 0)
    return `The texts of ${gated.length === 1 ? "Datanet" : "Datanets"} ${gated.join(", ")} are not open to all: whether words of this answer stand in them is told to the node's operator only.\n${pays}`;
  if (spans.length === 0)
    return `Of ${looked}, no run rare enough to tell stands in the training data.\n${pays}`;
  const rows = table(spans, [
    ["Span", ({ text }) => cut(plain(text).replace(/\s+/g, " "))],
    ["Words and signs", ({ words: of }) => of, "number"],
    ["Rarity, bits", ({ bits }) => bits.toFixed(1), "number"],
    ["Times", ({ occurrences }) => occurrences, "number"],
    ["Documents", ({ documents, complete }) => `${complete ? "" : "≥ "}${documents.count}`, "number"],
    ["People", ({ contributors, complete }) => `${complete ? "" : "≥ "}${contributors.count}`, "number"],
    [
      "First in Datanet",
      ({ documents: { first } }) =>
        first[0] ? `${first[0].datanetId} version ${first[0].version} row ${first[0].row}` : "",
    ],
    ["By", ({ contributors }) => short(contributors.first[0] ?? "")],
    ["Licence", ({ documents: { first } }) => first[0]?.license ?? ""],
  ]);
  const more = total > spans.length ? `, the ${spans.length} rarest of ${total}` : "";
  return `${rows}\n\nOf ${looked}${more}. ${pays}`;
}

const cut = (text: string) => (text.length > textMax ? `${text.slice(0, textMax - 1)}…` : text);
