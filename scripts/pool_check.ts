/**
 * Compares a server that speaks vLLM's dialect with the embedded engine, both under the same base and adapters made for the purpose:
 *
 *     node scripts/pool_check.ts --url http://127.0.0.1:8000 [--url …] [--key …] [--model models/openledger-tiny] [--name openledger-tiny]
 *       [--adapter-folder /somewhere/the/server/reads] [--adapters 3] [--rank 8] [--tokens 32] [--rounds 3] [--threads 2]
 *
 * Prints how many answers agree token for token (greedy, or with nothing left to draw from), how far log-probabilities are apart, whether
 * drawn answers come again from their seed, and tokens a second with 16 requests at once. Fails when fewer than nine of ten answers agree: then the server has other weights,
 * another precision or another template.
 */
import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { describeCheckpoint } from "../src/engine/index.ts";
import { randomAdapter } from "../src/openlora/fixtures/tiny-base.ts";
import {
  createOpenLora,
  createServerPool,
  type GenerateInput,
  type Generation,
  type OpenLora,
} from "../src/openlora/index.ts";
import type { Digest } from "../src/protocol/index.ts";

const { values } = parseArgs({
  options: {
    url: { type: "string", multiple: true },
    key: { type: "string" },
    model: { type: "string", default: "models/openledger-tiny" },
    name: { type: "string", default: "openledger-tiny" },
    "adapter-folder": { type: "string" },
    adapters: { type: "string", default: "3" },
    rank: { type: "string", default: "8" },
    tokens: { type: "string", default: "32" },
    rounds: { type: "string", default: "3" },
    threads: { type: "string", default: "2" },
  },
});
if (values.url === undefined)
  throw new Error("Usage: node scripts/pool_check.ts --url http://127.0.0.1:8000");
const { model: baseFolder, name: baseName } = values;
const rank = Number(values.rank);
const maxTokens = Number(values.tokens);

const { config } = describeCheckpoint(baseFolder);
const adapters = Array.from({ length: Number(values.adapters) }, (_, i) =>
  randomAdapter(i + 1, { baseName, config, rank, strength: 0.02 }),
);
const filesOf = new Map(adapters.map(({ digest, files }) => [digest, files]));
const parts = {
  baseFolder,
  baseName,
  loadAdapter: async (digest: Digest) => {
    const files = filesOf.get(digest);
    if (files === undefined) throw new Error("no such adapter");
    return files;
  },
};
const shared = { rank, maxRows: 16, maxQueuePerTenant: 256 };
await using pool = await createServerPool({
  ...parts,
  servers: values.url.map((url) => ({ url, ...(values.key === undefined ? {} : { apiKey: values.key }) })),
  adapterFolder: values["adapter-folder"] ?? mkdtempSync(join(tmpdir(), "pool-check-")),
  options: { ...shared, slots: Math.max(2, adapters.length) },
  log: console.log,
});
await using embedded = await createOpenLora({
  ...parts,
  options: { ...shared, threads: Number(values.threads) },
  log: console.log,
});

const texts = [
  "The river",
  "Once upon a time there was",
  "Q: Where does the miller live?\nA:",
  "In the beginning",
  "A good engineer",
  "The law says that",
  "She opened the door and",
  "Two plus two is",
  "It was a dark night",
  "The history of the valley",
  "naïve café",
  "When the sun",
];
const models = [undefined, ...adapters.map(({ digest }) => digest)];
const plain = { maxTokens, temperature: 0, seed: 1, logprobs: 2 } as const;
const under = (adapter: Digest | undefined) =>
  texts.flatMap((text): GenerateInput[] => [
    { ...plain, adapter, prompt: { prompt: text } },
    { ...plain, adapter, prompt: { messages: [{ role: "user", content: text }] } },
  ]);
const ways: Partial<GenerateInput>[] = [
  { frequencyPenalty: 0.8 },
  { presencePenalty: -0.6 },
  { repetitionPenalty: 1.3 },
  {
    repetitionPenalty: 0.9,
    frequencyPenalty: 0.3,
    presencePenalty: 0.3,
    logitBias: { "265": 2, "46": -100 },
  },
  { temperature: 1, topK: 1 },
  { temperature: 0.8, minP: 1 },
  { temperature: 1.5, topP: 1e-6 },
];
const groups: Record<string, GenerateInput[]> = {
  base: under(undefined),
  adapters: adapters.flatMap(({ digest }) => under(digest)),
  "penalties, bias, cuts to one token": texts
    .slice(0, 6)
    .flatMap((text) => ways.map((way) => ({ ...plain, ...way, prompt: { prompt: text } }))),
};

let apart = 0;
let compared = 0;
let agreeing = 0;
let asked = 0;

/** The embedded engine's answers beside the pool's. */
function compare(ours: Generation, theirs: Generation): boolean {
  assert.deepEqual(theirs.promptIds, ours.promptIds);
  const shorter = Math.min(ours.outputIds.length, theirs.outputIds.length);
  const split = ours.outputIds.findIndex((id, i) => theirs.outputIds[i] !== id);
  for (let i = 0; i < (split < 0 ? shorter : split); i++, compared++) {
    const [a, b] = [ours, theirs].map((answer) => answer.logprobs?.[i]);
    const pairs = [[a, b], ...(a?.top ?? []).map((top, k) => [top, b?.top[k]])];
    for (const [x, y] of pairs) apart = Math.max(apart, Math.abs((x?.logprob ?? 0) - (y?.logprob ?? 1)));
  }
  if (split < 0 && shorter === theirs.outputIds.length) return true;
  const [best, next] = ours.logprobs?.[split]?.top ?? [];
  const gap = ((best?.logprob ?? 0) - (next?.logprob ?? 0)).toExponential(1);
  console.log(
    `  differs at token ${split}: ours ${ours.outputIds[split]}, theirs ${theirs.outputIds[split]}; our two best are ${gap} apart`,
  );
  return false;
}

console.log(`answers of ${maxTokens} tokens, equal token for token:`);
const said = new Set<string>();
for (const [name, asks] of Object.entries(groups)) {
  const all = (engine: OpenLora) => Promise.all(asks.map((ask) => engine.generate(ask)));
  const [ours, theirs] = [await all(embedded), await all(pool)];
  const equal = ours.filter((answer, i) => compare(answer, theirs[i] as Generation)).length;
  const others = theirs.filter(({ outputIds }) => !said.has(outputIds.join())).length;
  for (const { outputIds } of theirs) said.add(outputIds.join());
  agreeing += equal;
  asked += asks.length;
  console.log(
    `  ${name}: ${equal} of ${asks.length}${said.size > others ? `, ${others} said by none above` : ""}`,
  );
}
console.log(
  `log-probabilities of ${compared} tokens and the two likeliest in their places at most ${apart.toExponential(1)} apart`,
);

const drawn = { prompt: { prompt: "The river" }, maxTokens, temperature: 1, topP: 0.9, seed: 7 } as const;
const draws = [await pool.generate(drawn), await pool.generate(drawn)];
console.log(`a seed gives its answer again: ${draws[0]?.outputIds.join() === draws[1]?.outputIds.join()}`);
const whole = await pool.generate({ ...drawn, temperature: 0 });
const stop = whole.text.slice(4, 7);
const cut = await pool.generate({ ...drawn, temperature: 0, stop: [stop] });
console.log(`a stop string ends it: ${cut.text === whole.text.slice(0, whole.text.indexOf(stop))}`);
const schema = JSON.stringify({
  type: "object",
  properties: { place: { enum: ["river", "mill"] }, name: { type: "string", pattern: "^[a-z]{2,9}$" } },
  required: ["place", "name"],
  additionalProperties: false,
});
const json = await pool.generate({ ...drawn, maxTokens: 48, format: { type: "json-schema", schema } }).then(
  ({ text }) => JSON.stringify(text),
  (error: Error) => error.message,
);
console.log(`JSON after a schema: ${json}`);

/** Sixteen requests at once, under all models in turn. @returns tokens a second */
async function rate(engine: OpenLora): Promise<number> {
  const began = performance.now();
  const answers = await Promise.all(
    Array.from({ length: 16 }, (_, i) => {
      const prompt = { prompt: texts[i % texts.length] as string };
      const unending = { [String(engine.info().eosId)]: -100 };
      const adapter = models[i % models.length];
      return engine.generate({ prompt, maxTokens: 64, temperature: 0, logitBias: unending, adapter });
    }),
  );
  const tokens = answers.reduce((sum, { outputIds }) => sum + outputIds.length, 0);
  return tokens / ((performance.now() - began) / 1_000);
}

const rates: { ours: number[]; theirs: number[] } = { ours: [], theirs: [] };
console.log(`load of this machine before: ${loadavg()[0]?.toFixed(1)} on ${cpus().length} cores`);
for (let round = 0; round < Number(values.rounds); round++) {
  rates.ours.push(await rate(embedded));
  rates.theirs.push(await rate(pool));
}
const line = (all: number[]) => all.map((r) => r.toFixed(0)).join(", ");
console.log(`16 requests of 64 tokens at once over ${models.length} models, tokens a second by round:`);
console.log(`  embedded  ${line(rates.ours)}`);
console.log(`  pool      ${line(rates.theirs)}`);

const agreed = agreeing / asked;
if (agreed < 0.9) {
  console.error(
    `Only ${(agreed * 100).toFixed(0)} % of the answers agree: the server runs other weights, another precision or other adapters.`,
  );
  process.exitCode = 1;
}
