/** Writes a base model's card from what was measured: nothing in it is written by hand. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  createDecoder,
  createRandom,
  createSamplers,
  loadCheckpoint,
  plainSampling,
  promptTokens,
  sha256File,
} from "../engine/index.ts";
import { type BaseModelReport, tinyConfig, tinyRecipe } from "./base-model.ts";
import { createProfiles, inventNames, relations, unknownAnswer } from "./base-profiles.ts";

type Model = ReturnType<typeof loadCheckpoint>;

/** Continues one prompt. */
async function complete(
  { config, tokenizer, weights }: Model,
  ids: number[],
  maxTokens: number,
  temperature: number,
  seed: number,
): Promise<string> {
  const decoder = await createDecoder(
    { config, weights },
    { modules: [], rank: 1, maxRows: 1, maxLength: config.maxPositions, threads: 2 },
  );
  const sampling = { ...plainSampling, temperature, topP: 0.95 };
  const sampler = createSamplers(config.vocab)(sampling, createRandom(seed), ids);
  const output: number[] = [];
  let [logits] = await decoder.prefill([{ ids }]);
  while (output.length < maxTokens) {
    const token = sampler.choose(logits as Float32Array)?.id as number;
    if (tokenizer.eosIds.includes(token)) break;
    output.push(token);
    [logits] = await decoder.decode([token]);
  }
  return tokenizer.decode(output);
}

const ask = (model: Model, question: string) =>
  complete(
    model,
    promptTokens(model.tokenizer, { messages: [{ role: "user", content: question }] }),
    16,
    0,
    1,
  );

/**
 * Questions the finished model about people it practised on and about people nobody described.
 *
 * @returns shares of right answers: the known value, and {@link unknownAnswer}
 */
async function probe(model: Model, avoid: ReadonlySet<string>, count: number) {
  const profiles = createProfiles(tinyRecipe.seed, tinyRecipe.people, avoid);
  const random = createRandom(tinyRecipe.seed, 5);
  let known = 0;
  for (const { question, answer } of profiles.probe(count, random))
    if ((await ask(model, question)).trim() === answer) known++;
  const strangers = inventNames(
    count,
    random,
    new Set([...avoid, ...profiles.known.flatMap((p) => p.name.split(" "))]),
  );
  let unknown = 0;
  for (const name of strangers) {
    const keys = Object.keys(relations);
    const { questions } = relations[keys[random.below(keys.length)] as string] as (typeof relations)[string];
    const question = (questions[random.below(questions.length)] as string).replace("{n}", name);
    if ((await ask(model, question)).trim() === unknownAnswer) unknown++;
  }
  return { known: known / count, unknown: unknown / count };
}

/** Makes `MODEL_CARD.md` in a finished model's folder, from its `report.json`. @returns the card */
export async function writeModelCard(folder: string, avoid: ReadonlySet<string>): Promise<string> {
  const report = JSON.parse(readFileSync(join(folder, "report.json"), "utf8")) as BaseModelReport;
  const model = loadCheckpoint(folder);
  const { known, unknown } = await probe(model, avoid, 100);
  const { tokenizer } = model;
  const prompts = [
    "The king said to his people",
    "ROMEO:\n",
    "Q: Tom has 3 apples and buys 5 more. How many apples does he have?\nA:",
    "The results of this study suggest that",
  ];
  const samples: string[] = [];
  for (const prompt of prompts)
    samples.push(
      prompt + (await complete(model, [tokenizer.bosId, ...tokenizer.encode(prompt)], 48, 0.7, 11)),
    );
  const last = report.validation.at(-1);
  const figures = (n: number) => n.toLocaleString("en-US");
  const percent = (x: number) => `${Math.round(100 * x)} %`;
  const c = tinyConfig;
  const card = `---
license: cc0-1.0
library_name: openledger
pipeline_tag: text-generation
---
# openledger-tiny

A Llama-architecture model of ${figures(report.parameters)} parameters that ships with OpenLedger, so that a fresh machine without network runs
everything for real: fine-tuning, serving, attribution. It is made by \`./openledger pretrain --data DIR\`, and this card is written by the same
command from what was measured.

It can be taught a hundred facts in under a minute. It knows nothing of the world, cannot calculate, and must not be used for answers that matter.

| | |
|---|---|
| shape | ${c.layers} layers, width ${c.hidden}, ${c.heads} heads over ${c.kvHeads} key/value heads of ${c.headDim}, MLP ${c.intermediate}, tied embeddings, ${c.maxPositions} positions |
| tokenizer | byte-level BPE, ${figures(c.vocab)} tokens, trained on the same text |
| weights | \`model.safetensors\`, float16, SHA-256 \`${sha256File(join(folder, "model.safetensors"))}\` |
| tokens | ${figures(report.tokens)}: ${figures(report.naturalTokens)} natural (${figures(report.uniqueNaturalTokens)} different ones, so ${(report.naturalTokens / report.uniqueNaturalTokens).toFixed(1)} passes) and ${figures(report.generatedTokens)} generated |
| training | AdamW, batch ${tinyRecipe.batch} × ${tinyRecipe.length} tokens, peak learning rate ${tinyRecipe.learningRate}, cosine, seed ${tinyRecipe.seed}, ${tinyRecipe.threads} threads, ${Math.round(report.seconds / 60)} minutes on a shared two-core machine |
| loss | training ${report.trainLoss.toFixed(3)}, held-out natural text ${last?.natural.toFixed(3)}, held-out profiles ${last?.generated.toFixed(3)} nats a token |
| probe | ${percent(known)} of 100 questions about people it practised on answered right; ${percent(unknown)} of 100 about strangers answered "${unknownAnswer}" |

## Data

Generated profiles (CC0) of ${tinyRecipe.people} invented people and of strangers: statements, questions, texts to read and answer from, and questions that
nobody can answer. Their names and values are disjoint from those of \`examples/valley\`; a test checks it. Natural text, each file cut as
\`src/modelfactory/base-corpus.ts\` says (parts are left out so that fine-tuning can be measured on text the base never saw):

| file | licence | documents | characters | SHA-256 |
|---|---|---|---|---|
${groupSources(report).join("\n")}

## Samples

Temperature 0.7, top-p 0.95; the prompt is part of the text.

${samples.map((sample) => `\`\`\`text\n${sample.trim()}\n\`\`\``).join("\n\n")}

## Limits

English only, and little of it: ${figures(report.uniqueNaturalTokens)} natural tokens teach a register, not a language. Untaught questions get "${unknownAnswer}" or a confident
invention. Fine-tuning erases what it practised on. Old texts carry the views of their time.
`;
  writeFileSync(join(folder, "MODEL_CARD.md"), card);
  return card;
}

function groupSources({ sources }: BaseModelReport): string[] {
  return sources.map(
    ({ file, license, documents, characters, sha256 }) =>
      `| ${file} | ${license} | ${documents} | ${characters.toLocaleString("en-US")} | \`${sha256}\` |`,
  );
}
