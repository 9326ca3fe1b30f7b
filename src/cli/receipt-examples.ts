import type { Example } from "../protocol/index.ts";
import { oneLine, plain, short, table } from "./table.ts";

export type ExampleJson = {
  readonly example: number;
  readonly score: number;
  readonly shareMillionths: number | null;
  readonly paid: boolean;
  readonly contributor: string;
  readonly datanetId: string;
  readonly version: number;
  readonly row: number;
  readonly license: string;
  readonly exampleDigest: string;
  readonly text: Example | null;
};

export type ExamplesJson = {
  readonly receiptId: string;
  readonly releaseId: string;
  readonly answer: string;
  readonly traced: boolean;
  readonly contributors: number;
  readonly looked: number;
  readonly calibration: { readonly status: string; readonly label: string };
  readonly shareErrorMillionths: number | null;
  readonly helpful: readonly ExampleJson[];
  readonly harmful: readonly ExampleJson[] | null;
};

const barWidth = 12;
const textMax = 50;

/** Examples for people: how much each made the answer likelier, whose it is, and how right such scores are. */
export function showExamples(found: ExamplesJson): string {
  const { helpful, harmful, traced, contributors, looked, calibration } = found;
  if (!traced)
    return "Nothing was traced: the payer opted out, or the answer has no token. The common pools are paid.";
  const most = Math.max(...[...helpful, ...(harmful ?? [])].map(({ score }) => Math.abs(score)));
  const people = `${contributors} ${contributors === 1 ? "contributor" : "contributors"}`;
  const parts = [
    contributors === 0
      ? "Nobody stands out from chance, so nobody's examples are listed; the common pools are paid."
      : `${helpful.length === 0 ? "No example made the answer likelier" : listOf(helpful, most)}\n\nShares are of the sum over all ${looked} examples of the ${people} paid, not of the money.`,
    ...(harmful === null
      ? []
      : [
          harmful.length === 0
            ? "No example made the answer less likely."
            : `Against the answer, of all contributors; nobody is charged for it:\n\n${listOf(harmful, most)}`,
        ]),
    `${errorLine(found)} Scores are ${calibration.label}.`,
  ];
  return parts.join("\n\n");
}

const listOf = (examples: readonly ExampleJson[], most: number) =>
  table(examples, [
    ["Influence", ({ score }) => influenceBar(score, most)],
    ["Score", ({ score }) => score.toPrecision(3), "number"],
    ["Share", ({ shareMillionths: share }) => (share === null ? "" : percents(share)), "number"],
    ["By", ({ contributor }) => short(contributor)],
    ["Row", ({ datanetId, version, row }) => `${datanetId}@${version} ${row}`],
    ["Licence", ({ license }) => license],
    ["Example", ({ text, exampleDigest }) => (text === null ? short(exampleDigest) : excerpt(text))],
  ]);

const percents = (millionths: number) => `${(millionths / 10_000).toFixed(1)} %`;

/** A bar in eighths of a character, as long as the score is beside the largest one. */
export function influenceBar(score: number, most: number): string {
  const eighths = most > 0 ? Math.max(1, Math.round((Math.abs(score) / most) * barWidth * 8)) : 0;
  const part = eighths % 8;
  return `${"█".repeat(Math.floor(eighths / 8))}${part === 0 ? "" : String.fromCodePoint(0x2590 - part)}`;
}

const errorLine = ({ shareErrorMillionths: error }: ExamplesJson) =>
  error === null
    ? "How far a share is off was not measured for this release."
    : `A contributor's share of the money is within ± ${percents(error)} (95 %); single examples' were not measured.`;

/** What is learned of it: the end of the prompt, and the completion. */
export function excerpt(example: Example): string {
  const [before, learned] =
    "messages" in example
      ? [example.messages.at(-2)?.content ?? "", example.messages.at(-1)?.content ?? ""]
      : [example.prompt, example.completion];
  const words = plain(before).trim().split(/\s+/);
  let from = words.length;
  for (let length = 0; from > 0 && length < textMax / 2; ) length += (words[--from] as string).length + 1;
  return oneLine(`${from > 0 ? "… " : ""}${words.slice(from).join(" ")} → ${learned.trim()}`, textMax);
}
