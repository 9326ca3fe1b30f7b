/**
 * Makes `models/openledger-tiny` from nothing: tokenizer, token stream, training, and the finished folder. Everything follows from the
 * data folder and the recipe's seed; a run that was stopped continues where its last checkpoint stands.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  createPretrainer,
  createRandom,
  createTokenizer,
  formatConfig,
  formatSafetensors,
  type ModelConfig,
  type PretrainRecipe,
  type PretrainState,
  readSafetensors,
  shuffle,
  trainTokenizer,
  weightShapes,
} from "../engine/index.ts";
import { type CorpusSource, readCorpus } from "./base-corpus.ts";
import { createProfiles } from "./base-profiles.ts";

export const endOfText = "<|end|>";

/** Questions and answers as lines; a lone user message ends in "A:" for the model to go on. */
const chatTemplate =
  "{{ bos_token }}{% for message in messages %}{% if not loop.first %}{{ '\\n' }}{% endif %}{% if message.role == 'user' %}Q: {{ message.content }}{% elif message.role == 'assistant' %}A: {{ message.content }}{{ eos_token }}{% else %}{{ message.content }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '\\nA:' }}{% endif %}";

export const tinyConfig: ModelConfig = {
  family: "llama",
  layers: 6,
  hidden: 256,
  heads: 8,
  kvHeads: 2,
  headDim: 32,
  intermediate: 704,
  vocab: 2048,
  biases: [],
  qkNorm: false,
  rope: { theta: 10_000 },
  normEpsilon: 1e-5,
  maxPositions: 512,
  tied: true,
};

const tinyTokenizerConfig = {
  bos_token: endOfText,
  eos_token: endOfText,
  add_bos_token: true,
  model_max_length: tinyConfig.maxPositions,
  tokenizer_class: "PreTrainedTokenizerFast",
  clean_up_tokenization_spaces: false,
  chat_template: chatTemplate,
};

export const tinyRecipe = {
  seed: 1,
  tokens: 20_000_000,
  /** Part of the tokens that is generated profiles. */
  generated: 0.36,
  people: 300,
  length: 128,
  batch: 16,
  learningRate: 3e-3,
  warmupSteps: 100,
  finalRate: 0.05,
  clip: 1,
  optimizer: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1 },
  threads: 2,
} as const;

/** What a base model is made by. */
export type BasePlan = {
  readonly config: ModelConfig;
  readonly recipe: Omit<typeof tinyRecipe, "tokens" | "length"> & {
    readonly tokens: number;
    readonly length: number;
  };
};

export const tinyPlan: BasePlan = { config: tinyConfig, recipe: tinyRecipe };

export type BaseProgress = {
  step: number;
  steps: number;
  loss: number;
  validation?: { natural: number; generated: number };
};

export type BaseModelReport = {
  parameters: number;
  tokens: number;
  naturalTokens: number;
  generatedTokens: number;
  uniqueNaturalTokens: number;
  validation: { natural: number; generated: number }[];
  trainLoss: number;
  seconds: number;
  sources: readonly CorpusSource[];
};

/** Writes a file so that a crash leaves the old one or the new one, never half of either. */
function replaceFile(path: string, bytes: Uint8Array | string): void {
  writeFileSync(`${path}.part`, bytes, { flush: true });
  renameSync(`${path}.part`, path);
}

/**
 * @param data folder with the natural text
 * @param out folder for checkpoints and the finished model
 * @param avoid words that no generated name may hold
 * @param onProgress called after each step
 * @param plan another shape or recipe than the shipped model's
 */
export async function makeBaseModel(
  data: string,
  out: string,
  avoid: ReadonlySet<string>,
  onProgress: (progress: BaseProgress) => void,
  { config, recipe }: BasePlan = tinyPlan,
): Promise<BaseModelReport> {
  mkdirSync(out, { recursive: true });
  const started = performance.now();
  const corpus = readCorpus(data);
  const profiles = createProfiles(recipe.seed, recipe.people, avoid);

  const sample = createRandom(recipe.seed, 2);
  const tokenizerJson = trainTokenizer(
    [
      ...corpus.documents.filter((_, i) => i % 3 === 0),
      ...Array.from({ length: 15_000 }, () => profiles.next(sample)),
    ],
    config.vocab,
    endOfText,
  );
  const tokenizer = createTokenizer(tokenizerJson, tinyTokenizerConfig);
  replaceFile(join(out, "tokenizer.json"), JSON.stringify(tokenizerJson));
  replaceFile(join(out, "tokenizer_config.json"), `${JSON.stringify(tinyTokenizerConfig, null, 2)}\n`);

  const order = createRandom(recipe.seed, 3);
  const natural = shuffle(
    corpus.documents.map((text) => tokenizer.encode(text)),
    order,
  );
  const heldBack = natural.splice(0, 120);
  const validationDraw = createRandom(recipe.seed, 4);
  const join1 = (documents: readonly (readonly number[])[]) =>
    Uint16Array.from([tokenizer.eosId, ...documents.flatMap((ids) => [...ids, tokenizer.eosId])]);
  const validationNatural = join1(heldBack);
  const validationGenerated = join1(
    Array.from({ length: 500 }, () => tokenizer.encode(profiles.next(validationDraw))),
  );

  const stream = new Uint16Array(recipe.tokens + 1);
  let filled = 1;
  let generatedTokens = 0;
  let cursor = 0;
  while (filled < stream.length) {
    const generate = generatedTokens < recipe.generated * filled;
    if (!generate && cursor % natural.length === 0) shuffle(natural, order);
    const ids = generate
      ? tokenizer.encode(profiles.next(order))
      : (natural[cursor++ % natural.length] as number[]);
    const room = Math.min(ids.length, stream.length - filled);
    stream.set(ids.slice(0, room), filled);
    filled += room + (room === ids.length && filled + room < stream.length ? 1 : 0);
    if (generate) generatedTokens += room + 1;
  }

  const pretraining: PretrainRecipe = { ...recipe, config };
  const stateFile = join(out, "state.safetensors");
  const trainer = await createPretrainer(
    pretraining,
    stream,
    existsSync(stateFile) ? readState(stateFile, config) : undefined,
  );
  const historyFile = join(out, "history.json");
  const history: { step: number; loss: number; natural: number; generated: number }[] = existsSync(
    historyFile,
  )
    ? JSON.parse(readFileSync(historyFile, "utf8"))
    : [];
  let smooth = 0;
  while (trainer.state.step < trainer.steps) {
    const loss = await trainer.step();
    smooth = smooth === 0 ? loss : 0.98 * smooth + 0.02 * loss;
    const { step } = trainer.state;
    const progress: BaseProgress = { step, steps: trainer.steps, loss: smooth };
    if (step % 500 === 0 || step === trainer.steps) {
      progress.validation = {
        natural: await trainer.evaluate(validationNatural, 128),
        generated: await trainer.evaluate(validationGenerated, 64),
      };
      history.push({ step, loss: smooth, ...progress.validation });
      replaceFile(stateFile, writeState(trainer.state));
      replaceFile(historyFile, JSON.stringify(history));
      writeModel(out, config, trainer.state.weights, tokenizer.eosId);
    }
    onProgress(progress);
  }
  const last = history.at(-1);
  if (last === undefined) throw new Error("Training ended without a validation.");
  const report: BaseModelReport = {
    parameters: [...trainer.state.weights.values()].reduce((sum, w) => sum + w.length, 0),
    tokens: recipe.tokens,
    naturalTokens: recipe.tokens - generatedTokens,
    generatedTokens,
    uniqueNaturalTokens: natural.reduce((sum, ids) => sum + ids.length + 1, 0),
    validation: history.map(({ natural: n, generated }) => ({ natural: n, generated })),
    trainLoss: last.loss,
    seconds: (performance.now() - started) / 1000,
    sources: corpus.sources,
  };
  replaceFile(join(out, "report.json"), `${JSON.stringify(report, null, 2)}\n`);
  return report;
}

function writeModel(
  out: string,
  config: ModelConfig,
  weights: ReadonlyMap<string, Float32Array>,
  eos: number,
): void {
  const tensors = [...weightShapes(config)].map(
    ([name, shape]) => [name, { data: weights.get(name) as Float32Array, shape }] as const,
  );
  replaceFile(join(out, "model.safetensors"), formatSafetensors(tensors, "F16"));
  replaceFile(
    join(out, "config.json"),
    `${JSON.stringify(formatConfig(config, { bos: eos, eos }), null, 2)}\n`,
  );
}

function writeState(state: PretrainState): Uint8Array {
  const vector = (data: Float32Array) => ({ data, shape: [data.length] });
  return formatSafetensors(
    [
      ["step", vector(Float32Array.of(state.step))],
      ...[...state.weights].map(([name, data]) => [`w:${name}`, vector(data)] as const),
      ...[...state.optimizer.moments].flatMap(([name, { m, v }]) => [
        [`m:${name}`, vector(m)] as const,
        [`v:${name}`, vector(v)] as const,
      ]),
    ],
    "F32",
  );
}

function readState(path: string, config: ModelConfig): PretrainState {
  const tensors = readSafetensors(path);
  const data = (name: string) => {
    const tensor = tensors.get(name);
    if (tensor === undefined)
      throw new Error(
        `${path} lacks "${name}": it is not a checkpoint of this model. Remove it to start again.`,
      );
    return tensor.data;
  };
  const names = [...weightShapes(config).keys()];
  const step = data("step")[0] as number;
  return {
    step,
    weights: new Map(names.map((name) => [name, data(`w:${name}`)])),
    optimizer: {
      step,
      moments: new Map(names.map((name) => [name, { m: data(`m:${name}`), v: data(`v:${name}`) }])),
    },
  };
}
