/** One decoder in a process of its own: what it weighs and how fast it is. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  createDecoder,
  createRandom,
  type Decoder,
  loadCheckpoint,
  type Precision,
} from "../../src/engine/index.ts";
import { serveChild } from "../common/child.ts";
import { cpuMs } from "../common/measure.ts";
import { type Base, randomBase, smolShape } from "../openlora/material.ts";

export type SetUp = {
  /** A model folder; null: random weights in SmolLM2-135M's shape. */
  folder: string | null;
  precision: Precision;
  threads: number;
  rows: number;
  promptTokens: number;
};

export type Weight = {
  loadSeconds: number;
  /** Resident with the decoder built and everything else collected, less the process before it. */
  residentMiB: number;
  /** The most that was resident while it was built. */
  peakMiB: number;
};

/** Tokens a second, and a second of processor time: the latter does not count other programs' turns. */
export type Rate = { tokPerSec: number; tokPerCpuSec: number };
/** A prompt alone; one row's steps; all rows' steps. */
export type Speed = { prefill: Rate; one: Rate; all: Rate };

export type QuantisedMethods = {
  open(setUp: SetUp): Promise<Weight>;
  round(input: { seed: number; steps: number }): Promise<Speed>;
};

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const residentMiB = () => {
  collect();
  collect();
  return process.memoryUsage.rss() / 2 ** 20;
};

/** In a function of its own, so that nothing keeps the weights once the decoder has its copy. */
async function build({ folder, precision, threads, rows, promptTokens }: SetUp) {
  const base: Base = folder === null ? randomBase(smolShape) : loadCheckpoint(folder);
  const limits = { modules: [], rank: 1, maxRows: rows, maxLength: promptTokens + 64, threads };
  return { decoder: await createDecoder(base, { ...limits, precision }), vocab: base.config.vocab };
}

let opened: { decoder: Decoder; vocab: number; setUp: SetUp } | undefined;

const methods: QuantisedMethods = {
  async open(setUp) {
    const beforeMiB = residentMiB();
    const startedAtMs = performance.now();
    opened = { ...(await build(setUp)), setUp };
    const loadSeconds = (performance.now() - startedAtMs) / 1_000;
    const peakMiB = process.resourceUsage().maxRSS / 2 ** 10;
    return { loadSeconds, residentMiB: residentMiB() - beforeMiB, peakMiB };
  },
  async round({ seed, steps }) {
    if (opened === undefined) throw new Error("Open a decoder first.");
    const { decoder, vocab, setUp } = opened;
    const random = createRandom(seed, 51);
    const prompt = (count: number) => ({
      ids: Array.from({ length: count }, () => random.below(vocab)),
    });
    const rate = async (tokens: number, work: () => Promise<unknown>): Promise<Rate> => {
      const started = { ms: performance.now(), cpuMs: cpuMs() };
      await work();
      return {
        tokPerSec: (tokens * 1_000) / (performance.now() - started.ms),
        tokPerCpuSec: (tokens * 1_000) / (cpuMs() - started.cpuMs),
      };
    };
    const decode = (rows: number) =>
      rate(rows * steps, async () => {
        for (let step = 0; step < steps; step++)
          await decoder.decode(Array.from({ length: rows }, () => random.below(vocab)));
      });
    const empty = () => {
      while (decoder.rows > 0) decoder.remove(decoder.rows - 1);
    };

    const long = prompt(setUp.promptTokens);
    const prefill = await rate(setUp.promptTokens, () => decoder.prefill([long]));
    empty();
    await decoder.prefill([prompt(32)]);
    const one = await decode(1);
    empty();
    await decoder.prefill(Array.from({ length: setUp.rows }, () => prompt(32)));
    const all = await decode(setUp.rows);
    empty();
    return { prefill, one, all };
  },
};

serveChild(methods);
