/**
 * How fast a LoRA step is against what the machine can do at all, and against PyTorch with peft where Python is at hand.
 *
 *   ./openledger bench train [--json] [--python python3] [--rounds 9] [--quick]
 *
 * SmolLM2-135M's shape (30 layers, hidden 576, 49,152 tokens), random weights, rank 8 on q and v, four sequences of 128 positions, loss
 * on all of them, 2 threads: forward, backward, clipping and AdamW. The roof is measured in turns with the steps: float32 multiply-adds
 * that fetch nothing, from a small C program where `cc` is there, otherwise a large product of matrices (`peakFrom` says which).
 * --python names an interpreter that has torch, transformers and peft. --quick tries it with a tiny model; its figures mean nothing.
 * The exit code is 1 below 0.55 of the roof.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { createRandom, createTrainer, moduleNames, type TrainRecipe } from "../src/engine/index.ts";
import { machine, median, note, quartiles, rounded, scratchFolder } from "./common/measure.ts";
import { adapterRank, qv, randomBase, smolShape, tinyShape } from "./openlora/material.ts";
import { openPeak } from "./train/peak.ts";
import { type StepShape, stepFlops } from "./train/step.ts";

const bar = 0.55;
const threads = 2;
const batch = 4;

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    python: { type: "string" },
    rounds: { type: "string", default: "9" },
  },
});
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1 || rounds > 1_000)
  throw new Error(`--rounds is "${values.rounds}": expected a number from 1 to 1000.`);
const configJson = values.quick ? tinyShape : smolShape;
const positions = values.quick ? 32 : 128;

const on = machine();
await using scratch = scratchFolder("openledger-bench-train-");
const base = randomBase(configJson);
const random = createRandom(5);
const sequences = Array.from({ length: batch }, () => ({
  ids: Array.from({ length: positions + 1 }, () => 1 + random.below(base.config.vocab - 1)),
  targets: Array.from({ length: positions }, (_, t) => t + 1),
}));
const recipe: Omit<TrainRecipe, "modules"> = {
  rank: adapterRank,
  alpha: 2 * adapterRank,
  seed: 1,
  threads,
  learningRate: 1e-4,
  warmupSteps: 1,
  finalRate: 1,
  batch,
  epochs: 10_000,
  clip: 1,
  optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 },
  stopLoss: 0,
};

const peak = await openPeak(scratch.path, threads);
const trainers = [];
for (const modules of [qv, moduleNames]) {
  const shape: StepShape = { modules, rank: adapterRank, batch, positions, lossRows: batch * positions };
  const trainer = await createTrainer(base, { ...recipe, modules }, sequences);
  trainers.push({ trainer, flops: stepFlops(base.config, shape), seconds: [] as number[] });
}
const peer = values.python === undefined ? undefined : await openPeer(values.python);
const peaks: number[] = [];
const peerSeconds: number[] = [];
for (let round = 0; round <= rounds; round++) {
  const warm = round > 0; // the first round compiles and warms up
  const roof = await peak.measure();
  if (warm) peaks.push(roof);
  for (const { trainer, seconds } of trainers) {
    const began = performance.now();
    await trainer.step();
    if (warm) seconds.push((performance.now() - began) / 1_000);
  }
  if (peer !== undefined) {
    const seconds = await peer.step();
    if (warm) peerSeconds.push(seconds);
  }
  note(`round ${round} of ${rounds}: roof ${rounded(roof, 0)} GFLOP/s`);
}
peer?.end();

const peakGflops = median(peaks);
const [two, seven] = trainers.map(({ flops, seconds }) => ({
  tokPerSec: rounded((batch * positions) / median(seconds), 1),
  secondsPerStep: rounded(median(seconds), 3),
  gflops: rounded(flops / median(seconds) / 1e9, 1),
  /** Round by round, so that what slows one slows the other. */
  ratios: seconds.map((s, i) => flops / s / 1e9 / (peaks[i] as number)),
}));
const figuresOf = ({ ratios, ...figures }: NonNullable<typeof two>) => ({
  ...figures,
  ratioPeak: rounded(median(ratios), 3),
  ratioQuartiles: quartiles(ratios, 3),
});
const peerTokPerSec = peerSeconds.length === 0 ? null : (batch * positions) / median(peerSeconds);
const result = {
  modules: "qv",
  ...figuresOf(two as NonNullable<typeof two>),
  peakGflops: rounded(peakGflops, 1),
  peakFrom: peak.from,
  all7: figuresOf(seven as NonNullable<typeof seven>),
  peer:
    peer === undefined || peerTokPerSec === null
      ? null
      : { name: `PyTorch ${peer.version} + peft`, tokPerSec: rounded(peerTokPerSec, 1) },
  ratioPeer:
    peerTokPerSec === null ? null : rounded((two as NonNullable<typeof two>).tokPerSec / peerTokPerSec, 2),
  bar,
  shape: { batch, positions, rank: adapterRank, threads, rounds },
  machine: on,
};
if (values.json) console.log(JSON.stringify(result));
else {
  const line = (
    name: string,
    { tokPerSec, gflops, ratioPeak }: { tokPerSec: number; gflops: number; ratioPeak: number },
  ) =>
    console.log(
      `${name.padEnd(16)} ${String(tokPerSec).padStart(8)} tokens/s ${String(gflops).padStart(7)} GFLOP/s ${ratioPeak} of the roof`,
    );
  line("q and v", result);
  line("all seven", result.all7);
  if (result.peer !== null) console.log(`${result.peer.name.padEnd(16)} ${result.peer.tokPerSec} tokens/s`);
  console.log(`roof ${result.peakGflops} GFLOP/s (${peak.from}); bar ${bar}`);
}
if (!values.quick && result.ratioPeak < bar) process.exitCode = 1;

/** PyTorch in a process of its own, that steps when it is told to. */
async function openPeer(python: string) {
  const script = new URL("./train/peer.py", import.meta.url).pathname;
  const numbers = [adapterRank, batch, positions, threads].map(String);
  const child = spawn(python, [script, JSON.stringify(configJson), qv.join(), ...numbers], {
    stdio: ["pipe", "pipe", "ignore"],
    env: { ...process.env, OMP_NUM_THREADS: String(threads) },
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${python} ended: it needs torch, transformers and peft. Leave --python out.`);
    return value;
  };
  const { torch } = JSON.parse(await next()) as { torch: string };
  return {
    version: torch,
    async step(): Promise<number> {
      child.stdin.write("step\n");
      return Number(await next());
    },
    end: () => child.stdin.end(),
  };
}
