/** Steps of a batch, engine level: what adapters cost where nothing else is measured. */
import { type Adapter, argmax, createDecoder, type ModuleName } from "../../src/engine/index.ts";
import { cpuMs, median, quartiles, rounded } from "../common/measure.ts";
import { type AdapterMaker, adapterRank, type Base } from "./material.ts";

export type Batch = {
  /** Takes the prompts in. @returns the first token of each answer */
  start(prompts: readonly (readonly number[])[]): Promise<number[]>;
  /** One more token for each row, the most likely one. */
  step(): Promise<number[]>;
  end(): void;
};

/** A decoder with one adapter a row, or none at all: then its graph has no LoRA in it. */
export async function openBatch(
  base: Base,
  options: {
    modules: readonly ModuleName[];
    adapters: readonly Adapter[];
    rows: number;
    maxLength: number;
    threads: number;
    precision?: "f32" | "int8";
  },
): Promise<Batch> {
  const { modules, adapters, rows, maxLength, threads, precision = "f32" } = options;
  const decoder = await createDecoder(base, {
    modules,
    rank: adapterRank,
    maxRows: rows,
    maxLength,
    threads,
    precision,
  });
  const packed = adapters.map(decoder.pack);
  let tokens: number[] = [];
  return {
    async start(prompts) {
      const logits = await decoder.prefill(prompts.map((ids, row) => ({ ids, adapter: packed[row] })));
      tokens = logits.map(argmax);
      return tokens;
    },
    async step() {
      tokens = (await decoder.decode(tokens)).map(argmax);
      return tokens;
    },
    end() {
      while (decoder.rows > 0) decoder.remove(decoder.rows - 1);
    },
  };
}

export const adaptersOf = (maker: AdapterMaker, count: number): Adapter[] =>
  Array.from({ length: count }, (_, i) => maker.adapter(i));

/**
 * One step of each batch in turn, who begins changing from turn to turn: noise of the machine falls on neighbours alike, so their
 * ratio is taken within each turn.
 *
 * @param segments how often all conversations begin anew; the first two steps of each are not counted
 */
export async function compareSteps<Name extends string>(
  batches: Readonly<Record<Name, Batch>>,
  prompts: readonly (readonly number[])[],
  { segments, steps }: { segments: number; steps: number },
): Promise<{
  ms(name: Name): number[];
  /** How many times as fast `of` is as `to`, by the clock and by processor time. */
  ratio(of: Name, to: Name): { median: number; quartiles: number[]; cpu: number };
}> {
  const names = Object.keys(batches) as Name[];
  type Step = { ms: number; cpuMs: number };
  const taken = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, Step[]>;
  const warmUp = 2;
  for (let segment = 0; segment < segments; segment++) {
    for (const name of names) await batches[name].start(prompts);
    for (let step = 0; step < warmUp + steps; step++)
      for (let i = 0; i < names.length; i++) {
        const name = names[(i + step) % names.length]!;
        const started = { ms: performance.now(), cpuMs: cpuMs() };
        await batches[name].step();
        if (step >= warmUp)
          taken[name].push({ ms: performance.now() - started.ms, cpuMs: cpuMs() - started.cpuMs });
      }
    for (const name of names) batches[name].end();
  }
  return {
    ms: (name) => taken[name].map(({ ms }) => ms),
    ratio(of, to) {
      const ratios = taken[of].map((step, i) => taken[to][i]!.ms / step.ms);
      const cpu = (name: Name) => taken[name].reduce((sum, step) => sum + step.cpuMs, 0);
      return {
        median: rounded(median(ratios), 3),
        quartiles: quartiles(ratios, 3),
        cpu: rounded(cpu(to) / cpu(of), 3),
      };
    },
  };
}

/** Whole answers for all prompts at once. @returns the tokens of each row, and how long they took, prompts included */
export async function answerAll(
  batch: Batch,
  prompts: readonly (readonly number[])[],
  outputTokens: number,
): Promise<{ seconds: number; answers: number[][] }> {
  const startedAtMs = performance.now();
  const answers = (await batch.start(prompts)).map((token) => [token]);
  while (answers[0]!.length < outputTokens)
    for (const [row, token] of (await batch.step()).entries()) answers[row]!.push(token);
  const seconds = (performance.now() - startedAtMs) / 1_000;
  batch.end();
  return { seconds, answers };
}
