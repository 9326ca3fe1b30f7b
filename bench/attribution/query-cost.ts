/** What an answer's query costs next to reading the answer once: its gradient, and projecting that on a release's directions. */
import { createProjection, widenAdapter } from "../../src/attribution/index.ts";
import {
  adapterFeeds,
  createGradients,
  createRandom,
  createSession,
  makeBatch,
  run,
  type Sequence,
  sequenceOf,
  trainingGraph,
  weightFeeds,
} from "../../src/engine/index.ts";
import { createMaterial } from "../attribution-scale/material.ts";
import { cpuMs, median, rounded } from "../common/measure.ts";

export type QueryCost = {
  promptTokens: number;
  answerTokens: number;
  forwardMs: number;
  gradientMs: number;
  /** Gradient over forward pass: the median of the rounds' ratios. */
  forwards: number;
};

/**
 * The shipped base under an adapter of rank 8 on all modules, its gradient read along 16 directions; one thread; both passes of one answer in turns, the first round dropped;
 * processor time, so that other programs' turns on the core do not count. Random tokens: what they say does not change how long they take.
 */
export async function queryCost(rounds = 15) {
  const prompt = 32;
  const lengths = [1, 48, 220];
  const { base, lora, adapter } = createMaterial({ examples: 0, contributors: 1, heldOut: 0, seed: 1 });
  const random = createRandom(5, 64);
  const tokens = (count: number) => Array.from({ length: count }, () => random.below(base.config.vocab));
  const positions = prompt + Math.max(...lengths);
  const wide = widenAdapter(base.config, adapter);
  const gradients = await createGradients(base, wide.config, { parts: ["B"], positions, threads: 1 });
  const forward = await createSession(
    trainingGraph({
      config: base.config,
      lora: lora.modules,
      loraScale: lora.scale,
      positions,
      gradients: "none",
    }),
    { threads: 1 },
  );
  const feeds = { ...weightFeeds(base.config, base.weights), ...adapterFeeds(adapter) };
  const timed = async (work: () => unknown) => {
    const started = cpuMs();
    await work();
    return cpuMs() - started;
  };
  const answers: QueryCost[] = [];
  for (const answerTokens of lengths) {
    const sequence: Sequence = sequenceOf(tokens(prompt), tokens(answerTokens), positions);
    const read = () => {
      const { feeds: own } = makeBatch(base.config, [sequence], { forwardOnly: true });
      return run(forward, { ...own, ...feeds });
    };
    const turns: { forward: number; gradient: number }[] = [];
    for (let round = 0; round <= rounds; round++)
      turns.push({
        forward: await timed(read),
        gradient: await timed(() => gradients.rows(wide, [sequence])),
      });
    turns.shift();
    answers.push({
      promptTokens: prompt,
      answerTokens,
      forwardMs: rounded(median(turns.map((turn) => turn.forward))),
      gradientMs: rounded(median(turns.map((turn) => turn.gradient))),
      forwards: rounded(median(turns.map((turn) => turn.gradient / turn.forward))),
    });
  }
  return {
    forwards: Math.max(...answers.map(({ forwards }) => forwards)),
    answers,
    projection: [await projection(256), await projection(1024)],
  };

  /** Memory is read, nothing of the model: what it costs depends on k and p alone. */
  async function projection(k: number) {
    const p = gradients.width;
    const gradient = Float32Array.from({ length: p }, () => random.normal());
    const project = createProjection({
      k,
      metric: new Float32Array(p).fill(1),
      scales: new Float32Array(k).fill(1),
      values: Int8Array.from({ length: k * p }, (_, i) => ((i * 7919) % 255) - 127),
    });
    project(gradient);
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) times.push(await timed(() => project(gradient)));
    return { k, width: p, ms: rounded(median(times)) };
  }
}
