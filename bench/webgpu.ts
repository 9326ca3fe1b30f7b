/**
 * The same work on the CPU and on WebGPU, in turns: taking a prompt in, steps of answers one and sixteen at once, and a training step.
 *
 *   ./openledger bench webgpu [--json] [--model DIR] [--rounds N] [--prompt TOKENS]
 *
 * Says how far the two devices' logits are apart, and fails (exit code 1) beyond 10⁻³ of the largest. There is no bar for speed: on a
 * software driver such as Mesa's llvmpipe WebGPU is far slower than the CPU. Fails at once on a machine without WebGPU.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  argmax,
  createDecoder,
  createRandom,
  createTrainer,
  type Device,
  devices,
  initialAdapter,
  loadCheckpoint,
  moduleNames,
  newOptimizerState,
  requireWebGpu,
  runtimeVersion,
} from "../src/engine/index.ts";
import { machine, median, note, quartiles, rounded } from "./common/measure.ts";

const rank = 8;
const threads = 2;
const tolerance = 1e-3;

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    model: { type: "string", default: join(import.meta.dirname, "../models/openledger-tiny") },
    rounds: { type: "string", default: "5" },
    prompt: { type: "string", default: "128" },
  },
});
const rounds = Number(values.rounds);
const promptTokens = Number(values.prompt);
const decodeSteps = 8;
const sequences = { count: 4, tokens: 64 };

await requireWebGpu();
const on = machine();
const base = loadCheckpoint(values.model);
const random = createRandom(1, 5);
const text = (length: number) => Array.from({ length }, () => random.below(base.config.vocab));
const prompts = Array.from({ length: 16 }, () => text(promptTokens));
const rows = Array.from({ length: sequences.count }, () => {
  const ids = text(sequences.tokens);
  return { ids, targets: ids.map((_, i) => i).slice(1) };
});

async function timed<T>(work: () => Promise<T>): Promise<[ms: number, result: T]> {
  const start = performance.now();
  const result = await work();
  return [performance.now() - start, result];
}

/** Everything one device does, ready to be done again and again. */
async function open(device: Device) {
  const lora = { rank, scale: 2, modules: moduleNames };
  const adapter = initialAdapter(base.config, lora, 1);
  for (const { data } of adapter.tensors.values())
    for (let i = 0; i < data.length; i++) data[i] = Math.sin(i) * 0.02;
  const decoder = await createDecoder(base, {
    modules: moduleNames,
    rank,
    maxRows: prompts.length,
    maxLength: promptTokens + decodeSteps + 1,
    threads,
    device,
  });
  const packed = decoder.pack(adapter);
  const trainer = await createTrainer(
    base,
    {
      rank,
      alpha: rank * 2,
      modules: moduleNames,
      seed: 1,
      threads,
      device,
      learningRate: 1e-4,
      warmupSteps: 1,
      finalRate: 1,
      batch: rows.length,
      epochs: rounds + 1,
      clip: 1,
      optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
      stopLoss: 0,
    },
    rows,
    { saved: { step: 0, adapter, optimizer: newOptimizerState() } },
  );
  return {
    /** One round of `count` rows: milliseconds of the prompts and of each step, and the last logits. */
    async answer(count: number, forced?: readonly (readonly number[])[]) {
      const given = prompts.slice(0, count).map((ids) => ({ ids, adapter: packed }));
      let [prefillMs, logits] = await timed(() => decoder.prefill(given));
      const stepMs: number[] = [];
      const chosen: number[][] = [];
      for (let step = 0; step < decodeSteps; step++) {
        const tokens = forced?.[step] ?? logits.map(argmax);
        chosen.push([...tokens]);
        const [ms, next] = await timed(() => decoder.decode(tokens));
        stepMs.push(ms);
        logits = next;
      }
      while (decoder.rows > 0) decoder.remove(decoder.rows - 1);
      return { prefillMs, stepMs, logits, chosen };
    },
    trainStepMs: async () => (await timed(() => trainer.step()))[0],
  };
}

const names = ["prefill1", "decode1", "decode16", "train"] as const;
type Figures = Record<(typeof names)[number], number[]>;
const figures = Object.fromEntries(
  devices.map((device) => [device, Object.fromEntries(names.map((name) => [name, [] as number[]]))]),
) as Record<Device, Figures>;

note("compiling for both devices ...");
const runs = { cpu: await open("cpu"), webgpu: await open("webgpu") };
let apart = 0;
for (let round = 0; round <= rounds; round++) {
  note(round === 0 ? "a round to warm up ..." : `round ${round} of ${rounds} ...`);
  let reference: Awaited<ReturnType<typeof runs.cpu.answer>> | undefined;
  for (const device of devices) {
    const one = await runs[device].answer(1);
    // The second device is told the first one's tokens: a near tie decided the other way would be no error.
    const many = await runs[device].answer(prompts.length, reference?.chosen);
    const train = await runs[device].trainStepMs();
    if (reference === undefined) reference = many;
    else {
      for (const [b, own] of many.logits.entries()) {
        const other = reference.logits[b] as Float32Array;
        const largest = other.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
        own.forEach((x, i) => {
          apart = Math.max(apart, Math.abs(x - (other[i] as number)) / largest);
        });
      }
    }
    if (round === 0) continue;
    figures[device].prefill1.push(one.prefillMs);
    figures[device].decode1.push(...one.stepMs);
    figures[device].decode16.push(...many.stepMs);
    figures[device].train.push(train);
  }
}

const perSecond = (tokens: number, ms: readonly number[]) => rounded((tokens * 1_000) / median(ms), 1);
function ratesOf(device: Device) {
  const { prefill1, decode1, decode16, train } = figures[device];
  return {
    prefillTokPerSec: perSecond(promptTokens, prefill1),
    decodeTokPerSec: perSecond(1, decode1),
    decode16TokPerSec: perSecond(prompts.length, decode16),
    trainTokPerSec: perSecond(sequences.count * sequences.tokens, train),
  };
}
const quartilesOf = (device: Device) =>
  Object.fromEntries(names.map((name) => [name, quartiles(figures[device][name])]));
const result = {
  model: values.model,
  onnxRuntime: runtimeVersion(),
  promptTokens,
  cpu: ratesOf("cpu"),
  webgpu: ratesOf("webgpu"),
  msQuartiles: { cpu: quartilesOf("cpu"), webgpu: quartilesOf("webgpu") },
  /** Largest difference of logits, as a part of the largest logit. */
  logitsApart: apart,
  machine: on,
};
if (values.json) console.log(JSON.stringify(result));
else {
  console.log(
    `${values.model}: ${promptTokens} tokens of prompt, ${threads} CPU threads, adapters of rank ${rank} on every module`,
  );
  console.table({ cpu: result.cpu, webgpu: result.webgpu });
  console.log(`Logits are ${apart.toExponential(1)} of the largest apart, at most ${tolerance} is allowed.`);
}
process.exitCode = apart <= tolerance ? 0 : 1;
