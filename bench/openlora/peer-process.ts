/**
 * The peer, node-llama-cpp, in a process of its own. Its LoRA adapters belong to a context, so 16 adapters are 16 contexts of one
 * sequence; without adapters, one context batches 16 sequences, which is the best it does.
 */
import { pathToFileURL } from "node:url";
import { serveChild } from "../common/child.ts";

/** What is used of node-llama-cpp's types: it is not among this repository's dependencies. */
type Sequence = {
  evaluate(
    tokens: number[],
    options: { temperature: number; yieldEogToken: boolean },
  ): AsyncGenerator<number, void, void>;
  clearHistory(): Promise<void>;
};
type Context = { getSequence(): Sequence };
type Model = {
  createContext(options: {
    sequences: number;
    contextSize: number;
    threads: number;
    lora?: { adapters: { filePath: string; scale: number }[] };
    failedCreationRemedy: false;
  }): Promise<Context>;
};
type Llama = { loadModel(options: { modelPath: string }): Promise<Model> };
type Library = {
  getLlama(options: {
    gpu: false;
    build: "never";
    skipDownload: true;
    maxThreads: number;
    logLevel: "warn";
  }): Promise<Llama>;
};

export type PeerSetUp = {
  /** The library's entry module. */
  library: string;
  model: string;
  /** LoRA files, one a row. */
  adapters: readonly string[];
  contextTokens: number;
  threads: number;
};

/**
 * `adapters`: a context for each row with its adapter; the library runs as many at once as there are threads, one thread each (giving
 * each all threads in turn was slower wherever it was tried). `base`: one context with a sequence for each row.
 */
export type PeerMode = "adapters" | "base";

export type PeerMethods = {
  open(setUp: PeerSetUp): Promise<void>;
  answer(input: {
    mode: PeerMode;
    prompts: readonly (readonly number[])[];
    outputTokens: number;
  }): Promise<{ seconds: number; answers: number[][] }>;
};

let open: ((mode: PeerMode) => Promise<Sequence[]>) | undefined;

const methods: PeerMethods = {
  async open({ library, model: modelPath, adapters, contextTokens, threads }) {
    const { getLlama } = (await import(pathToFileURL(library).href)) as Library;
    const llama = await getLlama({
      gpu: false,
      build: "never",
      skipDownload: true,
      maxThreads: threads,
      logLevel: "warn",
    });
    const model = await llama.loadModel({ modelPath });
    const common = { contextSize: contextTokens, failedCreationRemedy: false } as const;
    const opened = new Map<PeerMode, Promise<Sequence[]>>();
    const sequences = async (mode: PeerMode): Promise<Sequence[]> => {
      if (mode === "base") {
        const context = await model.createContext({ ...common, sequences: adapters.length, threads });
        return adapters.map(() => context.getSequence());
      }
      const all: Sequence[] = [];
      for (const filePath of adapters) {
        const context = await model.createContext({
          ...common,
          sequences: 1,
          threads,
          lora: { adapters: [{ filePath, scale: 1 }] },
        });
        all.push(context.getSequence());
      }
      return all;
    };
    open = (mode) => {
      if (!opened.has(mode)) opened.set(mode, sequences(mode));
      return opened.get(mode)!;
    };
  },
  async answer({ mode, prompts, outputTokens }) {
    const sequences = await open!(mode);
    const startedAtMs = performance.now();
    const answers = await Promise.all(
      sequences.map(async (sequence, row) => {
        const answer: number[] = [];
        for await (const token of sequence.evaluate([...prompts[row]!], {
          temperature: 0,
          yieldEogToken: true,
        }))
          if (answer.push(token) === outputTokens) break;
        return answer;
      }),
    );
    const seconds = (performance.now() - startedAtMs) / 1_000;
    for (const sequence of sequences) await sequence.clearHistory();
    return { seconds, answers };
  },
};

if (import.meta.main) serveChild(methods);
