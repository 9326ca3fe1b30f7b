import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createRandom, shuffle } from "./random.ts";
import { sampleToken } from "./sampling.ts";

test("temperature 0 takes the most likely token; a small top-p does too", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 1, maxLength: 40 }),
      fc.nat(),
      (values, seed) => {
        const logits = Float32Array.from(values, (v) => v / 50);
        const best = logits.indexOf(Math.max(...logits));
        assert.equal(sampleToken(logits, { temperature: 0, topP: 1 }, createRandom(seed)), best);
        assert.equal(
          logits[sampleToken(logits, { temperature: 1, topP: 1e-9 }, createRandom(seed))],
          logits[best],
        );
      },
    ),
  );
});

test("draws follow the softmax, and top-p cuts its tail", () => {
  const logits = Float32Array.from([Math.log(0.5), Math.log(0.3), Math.log(0.15), Math.log(0.05)]);
  const random = createRandom(4);
  const counts = [0, 0, 0, 0];
  const cut = [0, 0, 0, 0];
  for (let i = 0; i < 20_000; i++) {
    counts[sampleToken(logits, { temperature: 1, topP: 1 }, random)]! += 1;
    cut[sampleToken(logits, { temperature: 1, topP: 0.75 }, random)]! += 1;
  }
  for (const [i, p] of [0.5, 0.3, 0.15, 0.05].entries())
    assert.ok(Math.abs((counts[i] as number) / 20_000 - p) < 0.015, `${counts}`);
  assert.equal((cut[2] as number) + (cut[3] as number), 0);
  assert.ok(Math.abs((cut[0] as number) / 20_000 - 0.625) < 0.015);
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
