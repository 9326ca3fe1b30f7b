/**
 * How many rows `findClusters` takes for near duplicates by their texts: of honest data, where it should be none, and of rewordings.
 *
 *   node bench/attacks/rewordings.ts [--data DIR]
 *
 * Honest rows are those of the attribution benchmark's tasks and of the demo's valley; with --data also all of Shakespeare's turns, GSM8K,
 * PubMedQA, the presidents' addresses, and texts that repeat themselves by nature: legal ones and the Bible. Rewordings are ten of each row of one contributor: by the attack of `plays.ts`, by exchanging
 * 30 %, half or 70 % of the words for words of other rows with the clauses in another order, and with ten invented prompts for the same text.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type ClusterText, findClusters } from "../../src/attribution/index.ts";
import { createRandom, type Random } from "../../src/engine/index.ts";
import { readTask, type TaskName } from "../attribution/task.ts";
import { reword } from "./plays.ts";
import { exchange, valleyWorld, wordsOf } from "./world.ts";

const { values } = parseArgs({ options: { data: { type: "string" } } });
const text = ({ prompt, completion }: ClusterText): ClusterText => ({ prompt, completion });
const trained = (name: TaskName) => readTask(name).train;
const percent = (part: number, of: number) => `${((100 * part) / of).toFixed(2)} %`;
/** Each text once: the same text twice is no question. */
const distinct = (rows: readonly ClusterText[]) => [
  ...new Map(rows.map((row) => [JSON.stringify([row.prompt, row.completion]), text(row)])).values(),
];
const joined = (texts: readonly ClusterText[], from = 0) =>
  findClusters({ texts }).filter((to, i) => i >= from && to !== i).length;

function* largeSets(folder: string): Generator<[string, ClusterText[]]> {
  const read = (...path: string[]) => readFileSync(join(folder, ...path), "utf8");
  const lines = (file: string) => file.trimEnd().split("\n");
  yield [
    "Shakespeare, all turns",
    read("shakespeare", "input.txt")
      .trim()
      .split("\n\n")
      .map((turn) => {
        const [speaker, ...said] = turn.split("\n");
        return { prompt: `${speaker}\n`, completion: said.join("\n") };
      }),
  ];
  yield [
    "GSM8K, all sums",
    lines(read("gsm8k", "train.jsonl"))
      .map((line) => JSON.parse(line) as { question: string; answer: string })
      .map(({ question, answer }) => ({ prompt: question, completion: answer })),
  ];
  type Article = { CONTEXTS: string[]; LABELS: string[] };
  yield [
    "PubMedQA, all parts of abstracts",
    Object.values(JSON.parse(read("pubmedqa", "ori_pqal.json")) as Record<string, Article>).flatMap(
      ({ CONTEXTS, LABELS }) => CONTEXTS.map((completion, i) => ({ prompt: LABELS[i] ?? "", completion })),
    ),
  ];
  const paragraphs = (body: string): ClusterText[] =>
    body
      .split(/\n\s*\n/)
      .map((paragraph) => ({ prompt: "", completion: paragraph.trim() }))
      .filter(({ completion }) => completion.length > 40);
  const files = (ending: string, ...path: string[]) =>
    readdirSync(join(folder, ...path))
      .filter((file) => file.endsWith(ending))
      .sort()
      .map((file) => read(...path, file));
  yield [
    "presidents' addresses, paragraphs",
    ["state_union", "inaugural"].flatMap((kind) => files(".txt", "presidents", kind).flatMap(paragraphs)),
  ];
  yield [
    "LegalBench, texts",
    files(".tsv", "legalbench")
      .flatMap((file) => lines(file).slice(1))
      .map((line) => ({ prompt: "", completion: line.split("\t").slice(1).join(" ") })),
  ];
  yield ["Bible, 10,000 verses", paragraphs(read("books", "king-james-bible.txt")).slice(0, 10_000)];
}

const tell = (line: string) => process.stdout.write(`${line}\n`);
tell("| honest rows | N | joined to another |\n|---|---|---|");
const small = (["shakespeare", "pubmedqa", "gsm8k", "facts", "transformations"] as const).map(
  (name): [string, readonly ClusterText[]] => [name, trained(name)],
);
for (const [name, rows] of [
  ...small,
  ["valley", valleyWorld(20, 2).rows] as [string, readonly ClusterText[]],
  ...(values.data === undefined ? [] : largeSets(values.data)),
]) {
  const texts = distinct(rows);
  const started = process.cpuUsage();
  const count = joined(texts);
  const { user, system } = process.cpuUsage(started);
  tell(`| ${name} | ${texts.length} | ${percent(count, texts.length)} |`);
  if (texts.length > 2_000)
    process.stderr.write(`${name}: ${((user + system) / 1e6).toFixed(1)} s of processor time\n`);
}
tell("\n| ten rewordings of each row | shakespeare | pubmedqa | gsm8k |\n|---|---|---|---|");
const tasks = (["shakespeare", "pubmedqa", "gsm8k"] as const).map(trained);
type Way = (row: ClusterText, rows: readonly ClusterText[], random: Random) => ClusterText;
const exchanged =
  (share: number): Way =>
  (row, rows, random) => {
    const words = wordsOf(rows.map(({ completion }) => completion));
    return { ...row, completion: exchange(row.completion, share, words, random) };
  };
const ways: Record<string, Way> = {
  "the attack's": (row, _, random) => ({ ...row, completion: reword(row.completion, random) }),
  "30 % of the words exchanged": exchanged(0.3),
  half: exchanged(0.5),
  "70 %": exchanged(0.7),
  "ten invented prompts": (row, rows, random) => ({
    ...row,
    prompt: Array.from(
      { length: 30 },
      () => rows[random.below(rows.length)]?.completion.split(/\s+/)[1],
    ).join(" "),
  }),
};
for (const [name, way] of Object.entries(ways)) {
  const cells = tasks.map((rows) => {
    const own = rows.filter(({ contributor }) => contributor === 0);
    const added = own.flatMap((row, i) =>
      Array.from({ length: 10 }, (_, n) => text(way(row, rows, createRandom(10 * i + n, 80)))),
    );
    return percent(joined([...rows.map(text), ...added], rows.length), added.length);
  });
  tell(`| ${name} | ${cells.join(" | ")} |`);
}
