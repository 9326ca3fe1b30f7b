/**
 * How long the longest matches of an answer take to find in 100 MB of training text, and what the index costs.
 *
 *   ./openledger bench spans [--json] [--megabytes 100] [--data DIR] [--answers 200] [--memory 256]
 *
 * Text is invented from a seed (100,000 words by Zipf's law, a tenth of the documents near copies of others), or, with --data, every line
 * of the text files below a folder, as much of it as --megabytes says. Answers of 1, 100 and 750 words (about a thousand tokens) are
 * passages of documents between other words. `buildSeconds` leaves out the time that making the text took; `peakMiB` is the process's
 * largest resident memory while building, which holds Node itself and no text. --memory is what a question may use for pages of the
 * file, MiB; the file lies in the system's own cache, as it was just written. The exit code is 1 if the 95th percentile of the longest
 * answers' times reaches 50 ms over at least 100 MB.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildSpanIndex, openSpanIndex, type SpanDocument } from "../src/attribution/index.ts";
import { createRandom } from "../src/engine/index.ts";
import { cpuMs, machine, note, quantile, rounded, scratchFolder } from "./common/measure.ts";
import { answerOf, createLanguage, inventedDocuments, readDocuments } from "./spans/text.ts";

const barMs = 50;
const keptDocuments = 2_000;

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    megabytes: { type: "string", default: "100" },
    data: { type: "string" },
    answers: { type: "string", default: "200" },
    memory: { type: "string", default: "256" },
  },
});
function whole(name: "megabytes" | "answers" | "memory", max: number): number {
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < 1 || value > max)
    throw new Error(`--${name} is "${values[name]}": expected a whole number from 1 to ${max}.`);
  return value;
}
const bytes = whole("megabytes", 3_000) * 1_000_000;
const answers = whole("answers", 100_000);
const memoryBytes = whole("memory", 16_384) * 2 ** 20;

const on = machine();
await using scratch = scratchFolder("openledger-bench-spans-");
const random = createRandom(1);
const write = createLanguage(random);

/** Some of the documents, to quote from. */
const kept: string[] = [];
let textBytes = 0;
let makingMs = 0;
async function* documents(): AsyncGenerator<SpanDocument> {
  const from =
    values.data === undefined ? inventedDocuments(random, write, bytes) : readDocuments(values.data, bytes);
  let began = performance.now();
  for await (const document of from) {
    const [text = ""] = document.texts;
    textBytes += Buffer.byteLength(text);
    if (kept.length < keptDocuments) kept.push(text);
    else if (random.below(document.row + 1) < keptDocuments) kept[random.below(keptDocuments)] = text;
    makingMs += performance.now() - began;
    yield document;
    began = performance.now();
  }
  makingMs += performance.now() - began;
}

const path = join(scratch.path, "index.spans");
const report = await buildSpanIndex(documents(), [{ datanetId: "1", version: 1, license: "CC0-1.0" }], path, {
  onProgress: (stage, done) => void (done % 2 ** 21 < 65_536 && note(`${stage}: ${done} words`)),
});
const peakMiB = rounded(process.resourceUsage().maxRSS / 1_024, 0);
if (report.words === 0)
  throw new Error(
    `There is no text below ${values.data}: expected .txt, .md, .jsonl, .json, .csv or .tsv files.`,
  );

const began = performance.now();
const index = openSpanIndex(path, { memoryBytes });
const openSeconds = (performance.now() - began) / 1_000;

function ask(words: number, count: number) {
  const times: number[] = [];
  let spans = 0;
  const before = cpuMs();
  for (let i = 0; i < count; i++) {
    const answer = answerOf(random, kept, write, words);
    const started = performance.now();
    const found = index.find(answer);
    times.push(performance.now() - started);
    spans += found.spans.length;
  }
  return {
    words,
    p50Ms: rounded(quantile(times, 0.5) ?? 0),
    p95Ms: rounded(quantile(times, 0.95) ?? 0),
    maxMs: rounded(Math.max(...times)),
    cpuMsEach: rounded((cpuMs() - before) / count),
    spansEach: rounded(spans / count, 1),
  };
}
const cold = ask(750, 1);
const asked = [ask(1, answers), ask(100, answers), ask(750, answers)];
index.close();
const longest = asked.at(-1)!;
const result = {
  textBytes,
  from: values.data ?? "invented",
  documents: report.documents,
  words: report.words,
  buildSeconds: rounded(report.seconds - makingMs / 1_000),
  bytes: report.bytes,
  parts: report.parts,
  peakMiB,
  openSeconds: rounded(openSeconds),
  firstMs: cold.maxMs,
  queries: asked,
  p50Ms: longest.p50Ms,
  p95Ms: longest.p95Ms,
  barMs,
  machine: on,
};
if (values.json) console.log(JSON.stringify(result));
else {
  console.log(
    `${rounded(textBytes / 1e6, 1)} MB of text, ${report.words} words in ${report.documents} documents: built in ${result.buildSeconds} s, ${report.bytes} bytes, ${report.parts} parts, at most ${peakMiB} MiB resident; opened and checked in ${result.openSeconds} s`,
  );
  for (const { words, p50Ms, p95Ms, maxMs, cpuMsEach, spansEach } of asked)
    console.log(
      `answers of ${words} words: median ${p50Ms} ms, 95 % below ${p95Ms} ms, longest ${maxMs} ms, processor ${cpuMsEach} ms; ${spansEach} spans each`,
    );
}
if (textBytes >= 100e6 && longest.p95Ms >= barMs) process.exitCode = 1;
