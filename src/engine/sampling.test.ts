import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createRandom, shuffle } from "./random.ts";
import { areFinite, createSamplers, plainSampling as plain, type Sampling } from "./sampling.ts";

/** A distribution's tokens, most likely first, as its definitions say it, slowly. */
function reference(logits: readonly number[], { temperature, topK, topP, minP }: Sampling) {
  const top = Math.max(...logits);
  let kept = logits
    .map((z, id) => ({ id, weight: Math.exp((z - top) / temperature), z }))
    .filter(({ z }) => z > Number.NEGATIVE_INFINITY)
    .sort((a, b) => b.z - a.z || a.id - b.id);
  const mass = () => kept.reduce((sum, { weight }) => sum + weight, 0);
  if (topK > 0) kept = kept.slice(0, topK);
  if (topP < 1) {
    const target = topP * mass();
    let sum = 0;
    kept = kept.filter(({ weight }) => {
      const needed = sum < target;
      sum += weight;
      return needed;
    });
  }
  kept = kept.filter(({ weight }) => weight >= minP);
  const total = mass();
  return new Map(kept.map(({ id, weight }) => [id, weight / total]));
}

/** Walks `uniform` through [0, 1) in steps: which tokens come, and how often, must be the reference's. */
function check(logits: Float32Array, sampling: Sampling, steps = 4_000): void {
  const expected = reference([...logits], sampling);
  let at = 0;
  const random = { ...createRandom(0), uniform: () => (at + 0.5) / steps };
  const sampler = createSamplers(logits.length)(sampling, random, []);
  const got = new Map<number, number>();
  for (; at < steps; at++) {
    const { id } = sampler.choose(logits) as { id: number };
    got.set(id, (got.get(id) ?? 0) + 1);
  }
  for (const [id, p] of expected)
    assert.ok(Math.abs((got.get(id) ?? 0) / steps - p) < 1.01 / steps, `token ${id}: ${got.get(id)}, ${p}`);
  for (const id of got.keys()) assert.ok(expected.has(id), `token ${id} should have been cut`);
}

const sixteenths = (min: number, max: number) => fc.integer({ min, max }).map((n) => n / 16);
/** Few different values, so that many are equal. */
const someLogits = fc.array(sixteenths(-40, 40), { minLength: 1, maxLength: 30 });
const cuts = {
  topK: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 35 })),
  topP: fc.oneof(
    fc.constant(1),
    fc.integer({ min: 1, max: 99 }).map((n) => (n + 0.123) / 100),
  ),
  minP: fc.oneof(
    fc.constant(0),
    fc.integer({ min: 1, max: 99 }).map((n) => (n + 0.123) / 100),
  ),
  temperature: fc.constantFrom(0.3, 1, 1.7),
};

test("top-k, top-p and min-p keep exactly the tokens that their definitions say, each as likely as it should be", () => {
  fc.assert(
    fc.property(someLogits, fc.record(cuts), (logits, cut) =>
      check(Float32Array.from(logits), { ...plain, ...cut }),
    ),
    { numRuns: 60 },
  );
});

test("they do so in a large vocabulary, with many equal logits", () => {
  const random = createRandom(5);
  const logits = Float32Array.from({ length: 6_000 }, () => Math.round(random.normal() * 40) / 10);
  for (const cut of [
    { topK: 700 },
    { topK: 3 },
    { topP: 0.5 },
    { topP: 0.05, topK: 5_000 },
    { minP: 0.3 },
    { topP: 0.9, topK: 2_000, minP: 0.2, temperature: 2 },
  ])
    check(logits, { ...plain, ...cut }, 1_500);
});

test("draws follow the softmax: chi-square over a fixed seed", () => {
  const weights = [0.5, 0.25, 0.125, 0.0625, 0.03125, 0.03125];
  const logits = Float32Array.from(weights, Math.log);
  const draws = 40_000;
  const sampler = createSamplers(6)(plain, createRandom(4), []);
  const counts = weights.map(() => 0);
  for (let i = 0; i < draws; i++) counts[sampler.choose(logits)?.id as number]! += 1;
  const chiSquare = weights.reduce(
    (sum, p, i) => sum + ((counts[i] as number) - p * draws) ** 2 / (p * draws),
    0,
  );
  assert.ok(chiSquare < 20.5, `${chiSquare} with 5 degrees of freedom: less than 1 in 1,000 are above 20.5`);
});

test("temperature 0 and a top-k of 1 take the most likely token, the lower one of two", () => {
  fc.assert(
    fc.property(someLogits, fc.nat(), (logits, seed) => {
      const best = logits.indexOf(Math.max(...logits));
      for (const only of [{ temperature: 0 }, { topK: 1 }, { topP: 1e-9 }, { temperature: 0, topK: 5 }]) {
        const sampler = createSamplers(logits.length)({ ...plain, ...only }, createRandom(seed), []);
        assert.equal(sampler.choose(Float32Array.from(logits))?.id, best);
      }
    }),
  );
});

test("a seed gives the same tokens, whatever else is chosen in between", () => {
  const random = createRandom(3);
  const rows = Array.from({ length: 30 }, () =>
    Float32Array.from({ length: 300 }, () => random.normal() * 3),
  );
  const sampling = { ...plain, topP: 0.9, frequencyPenalty: 0.5, repetitionPenalty: 1.1 };
  const alone = createSamplers(300)(sampling, createRandom(7), [1, 2]);
  const expected = rows.map((logits) => alone.choose(logits)?.id);
  const samplers = createSamplers(300);
  const [one, other] = [samplers(sampling, createRandom(7), [1, 2]), samplers(plain, createRandom(8), [])];
  const got = rows.map((logits) => {
    other.choose(logits);
    return one.choose(logits)?.id;
  });
  assert.deepEqual(got, expected);
});

test("bias and penalties change the logits as their definitions say", () => {
  const value = sixteenths(-32, 32);
  fc.assert(
    fc.property(
      fc.array(fc.array(value, { minLength: 12, maxLength: 12 }), { minLength: 1, maxLength: 12 }),
      fc.array(fc.nat(11), { maxLength: 5 }),
      fc.record({
        frequencyPenalty: value,
        presencePenalty: value,
        repetitionPenalty: fc.constantFrom(0.5, 1, 1.3, 2),
        logitBias: fc.dictionary(fc.nat(11).map(String), sixteenths(-1600, 1600)),
      }),
      (steps, promptIds, changes) => {
        const sampling: Sampling = { ...plain, temperature: 0, ...changes };
        const sampler = createSamplers(12)(sampling, createRandom(0), promptIds);
        const output: number[] = [];
        for (const logits of steps) {
          const expected = logits.map((given, id) => {
            let z = Math.fround(given + (sampling.logitBias[id] ?? 0));
            if (promptIds.includes(id) || output.includes(id))
              z = Math.fround(z > 0 ? z / sampling.repetitionPenalty : z * sampling.repetitionPenalty);
            const count = output.filter((other) => other === id).length;
            return Math.fround(
              z - count * sampling.frequencyPenalty - (count > 0 ? sampling.presencePenalty : 0),
            );
          });
          const input = Float32Array.from(logits);
          const { id } = sampler.choose(input) as { id: number };
          assert.equal(id, expected.indexOf(Math.max(...expected)));
          assert.deepEqual([...input], logits);
          output.push(id);
        }
      },
    ),
  );
});

test("a mask comes before temperature and cuts, and is never left", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(sixteenths(-40, 40), fc.boolean()), { minLength: 1, maxLength: 70 }),
      fc.record(cuts),
      fc.nat(),
      (tokens, cut, seed) => {
        const allowed = new Int32Array(Math.ceil(tokens.length / 32));
        for (const [i, [, may]] of tokens.entries()) if (may) allowed[i >> 5]! |= 1 << (i & 31);
        const masked = tokens.map(([z, may]) => (may ? z : Number.NEGATIVE_INFINITY));
        const sampler = createSamplers(tokens.length)({ ...plain, ...cut }, createRandom(seed), []);
        const expected = reference(masked, { ...plain, ...cut });
        const choice = sampler.choose(
          Float32Array.from(tokens, ([z]) => z),
          allowed,
        );
        if (allowed.some((word) => word !== 0)) assert.ok(expected.has(choice?.id as number));
        else assert.equal(choice, undefined);
      },
    ),
  );
});

test("log-probabilities are the model's own, whatever temperature, bias and mask do", () => {
  fc.assert(
    fc.property(someLogits, fc.integer({ min: 0, max: 20 }), fc.nat(), (logits, logprobs, seed) => {
      const last = logits.length - 1;
      const sampling = { ...plain, temperature: 0.2, topK: 1, logitBias: { [last]: 100 }, logprobs };
      const sampler = createSamplers(logits.length)(sampling, createRandom(seed), []);
      const { id, chances } = sampler.choose(Float32Array.from(logits)) as { id: number; chances: never };
      const { logprob, top } = chances as { logprob: number; top: { id: number; logprob: number }[] };
      const expected = reference(logits, plain);
      assert.equal(id, last);
      assert.ok(Math.abs(logprob - Math.log(expected.get(last) as number)) < 1e-6);
      assert.deepEqual(
        top.map((chance) => chance.id),
        [...expected.keys()].slice(0, logprobs),
      );
      for (const chance of top)
        assert.ok(Math.abs(chance.logprob - Math.log(expected.get(chance.id) as number)) < 1e-6);
    }),
  );
});

test("values that are not numbers are seen, wherever they stand", () => {
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
    for (const at of [0, 1, 2, 3, 4, 6]) {
      const logits = Float32Array.from([1, -2, 3, -3.4e38, 5, 6, 7]);
      assert.ok(areFinite(logits));
      logits[at] = bad;
      assert.ok(!areFinite(logits));
    }
});

test("the same seed draws the same numbers, another stream others; a shuffle is a permutation", () => {
  const draw = (seed: number, stream: number) => {
    const random = createRandom(seed, stream);
    return Array.from({ length: 5 }, () => random.below(1000));
  };
  assert.deepEqual(draw(1, 0), draw(1, 0));
  assert.notDeepEqual(draw(1, 0), draw(1, 1));
  assert.notDeepEqual(draw(1, 0), draw(2, 0));
  assert.deepEqual(shuffle([1, 2, 3, 4, 5], createRandom(9)).sort(), [1, 2, 3, 4, 5]);
});
