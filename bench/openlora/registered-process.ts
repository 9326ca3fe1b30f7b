/** A service with some number of adapters registered, in a process of its own, and the clients that ask it. */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createRandom } from "../../src/engine/index.ts";
import { createOpenLora, type OpenLora, type OpenLoraOptions } from "../../src/openlora/index.ts";
import type { Digest } from "../../src/protocol/index.ts";
import { serveChild } from "../common/child.ts";
import { cpuMs } from "../common/measure.ts";
import { adapterFile, baseName } from "./material.ts";
import { createZipf } from "./zipf.ts";

export type RegisteredSetUp = {
  baseFolder: string;
  baseDigest: Digest;
  adaptersFolder: string;
  /** The adapters registered, most popular first; their files are called by their place here. */
  digests: readonly Digest[];
  options: OpenLoraOptions;
};

export type Round = {
  /** Different for each round. */
  seed: number;
  requests: number;
  /** Requests under way at once: each client asks again as soon as it is answered. */
  clients: number;
  zipfExponent: number;
  promptTokens: number;
  outputTokens: number;
};

export type RoundFigures = { seconds: number; cpuSeconds: number; outputTokens: number };

export type Figures = {
  memoryHits: number;
  loads: number;
  recentLoadsMs: number[];
  memoryAdapters: number;
  memoryBytes: number;
  rssMiB: number;
};

export type RegisteredMethods = {
  open(setUp: RegisteredSetUp): Promise<void>;
  /** Tokens that were generated while all clients asked, and for how long that was: not the end, when fewer and fewer run. */
  round(round: Round): Promise<RoundFigures>;
  figures(input: undefined): Promise<Figures>;
};

let service: { openLora: OpenLora; digests: readonly Digest[] } | undefined;

const methods: RegisteredMethods = {
  async open({ baseFolder, baseDigest, adaptersFolder, digests, options }) {
    const registered = new Map(
      digests.map((digest, number) => [digest, adapterFile(adaptersFolder, number)]),
    );
    const config = readFileSync(join(adaptersFolder, "adapter_config.json"));
    const openLora = await createOpenLora({
      baseFolder,
      baseName,
      baseDigest,
      options,
      loadAdapter: async (digest) => ({ config, tensors: await readFile(registered.get(digest)!) }),
    });
    service = { openLora, digests };
    // The first steps pay for memory that later ones reuse.
    const prompt = { ids: [1, 2, 3, 4] };
    await Promise.all(
      Array.from({ length: 16 }, () => openLora.generate({ prompt, maxTokens: 4, temperature: 0 })),
    );
  },
  async round({ seed, requests, clients, zipfExponent, promptTokens, outputTokens }) {
    const { openLora, digests } = service!;
    const { vocabTokens, eosId } = openLora.info();
    const random = createRandom(seed, 41);
    const draw = createZipf(digests.length, zipfExponent);
    let left = requests;
    let tokens = 0;
    let full: RoundFigures | undefined;
    const started = { ms: performance.now(), cpuMs: cpuMs() };
    const sofar = (): RoundFigures => ({
      seconds: (performance.now() - started.ms) / 1_000,
      cpuSeconds: (cpuMs() - started.cpuMs) / 1_000,
      outputTokens: tokens,
    });
    const client = async () => {
      while (left-- > 0) {
        // Prompts all differ: nothing of one answer can serve another.
        const ids = Array.from(
          { length: promptTokens },
          () => eosId + 1 + random.below(vocabTokens - eosId - 1),
        );
        const adapter = digests[draw(random)]!;
        const request = { adapter, prompt: { ids }, maxTokens: outputTokens, temperature: 0 };
        await openLora.generate(request, (piece) => {
          tokens += piece.ids.length;
        });
      }
      full ??= sofar();
    };
    await Promise.all(Array.from({ length: clients }, client));
    return full ?? sofar();
  },
  async figures() {
    const { adapters } = await service!.openLora.metrics();
    return {
      memoryHits: adapters.memoryHitsTotal,
      loads: adapters.loadsTotal,
      recentLoadsMs: adapters.recentLoadsMs,
      memoryAdapters: adapters.memoryAdapters,
      memoryBytes: adapters.memoryBytes,
      rssMiB: Math.round(process.memoryUsage.rss() / 2 ** 20),
    };
  },
};

if (import.meta.main) serveChild(methods);
