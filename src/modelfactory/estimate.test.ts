import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type Estimate,
  estimateJob,
  lineThrough,
  paddedTokens,
  type Speeds,
  twoRates,
  type Work,
} from "./estimate.ts";
import { type RecipeInput, recipeSchema } from "./recipe.ts";
import { speedsKey } from "./run-estimate.ts";

const amount = fc.double({ min: 1, max: 1e6, noNaN: true });
const seconds = fc.double({ min: 1e-6, max: 100, noNaN: true });

test("a line goes through both measurements where it can, and is nowhere below nothing", () => {
  fc.assert(
    fc.property(amount, amount, seconds, seconds, (x, y, s, t) => {
      const { fixed, each } = lineThrough({ amount: x, seconds: s }, { amount: y, seconds: t });
      assert.ok(fixed >= 0 && each >= 0);
      const [high, time] = x > y ? [x, s] : [y, t];
      if (x !== y && x > y === s > t)
        assert.ok(Math.abs(fixed + each * high - time) <= 1e-6 * time + 1e-9 || fixed === 0);
    }),
  );
  assert.deepEqual(lineThrough({ amount: 10, seconds: 3 }, { amount: 30, seconds: 7 }), {
    fixed: 1,
    each: 0.2,
  });
  assert.deepEqual(lineThrough({ amount: 100, seconds: 1 }, { amount: 102, seconds: 3 }), {
    fixed: 0,
    each: 4 / 202,
  });
  assert.deepEqual(lineThrough({ amount: 10, seconds: 9 }, { amount: 20, seconds: 4 }), {
    fixed: 0,
    each: 0.2,
  });
});

test("two kinds of work, measured twice, are told apart; neither takes less than nothing, nor more than there was", () => {
  const rate = fc.double({ min: 1e-9, max: 1e-3, noNaN: true });
  fc.assert(
    fc.property(
      amount,
      fc.double({ min: 1.5, max: 50, noNaN: true }),
      amount,
      rate,
      rate,
      (x, more, y, m, n) => {
        const of = (first: number, second: number) => ({ first, second, seconds: first * m + second * n });
        const { first, second } = twoRates(of(x, y), of(x, y * more));
        assert.ok(Math.abs(first * x + second * y - of(x, y).seconds) <= 1e-6 * of(x, y).seconds);
        assert.ok(
          Math.abs(second * y * more + first * x - of(x, y * more).seconds) <= 1e-6 * of(x, y * more).seconds,
        );
      },
    ),
  );
  fc.assert(
    fc.property(amount, amount, amount, amount, seconds, seconds, (a, b, c, d, s, t) => {
      const { first, second } = twoRates(
        { first: a, second: b, seconds: s },
        { first: c, second: d, seconds: t },
      );
      assert.ok(first >= 0 && second >= 0 && Number.isFinite(first) && second * d <= t * (1 + 1e-9));
    }),
  );
});

test("rows of about the same length are one measurement; longer rows are another", () => {
  const base = { weightsDigest: "0x1", tokenizerDigest: "0x2", configDigest: "0x3" } as never;
  const key = (rowTokens: number) => speedsKey(base, recipeSchema.parse({}), rowTokens);
  assert.equal(key(60), key(64));
  assert.notEqual(key(64), key(128));
});

test("a batch computes as many positions as its longest row has, for each of its rows", () => {
  assert.deepEqual(paddedTokens([3, 5, 2, 7], 3), { total: 3 * 5 + 7, most: 15 });
  assert.deepEqual(paddedTokens([], 3), { total: 0, most: 0 });
});

const model = {
  family: "llama" as const,
  ...{
    layers: 2,
    hidden: 32,
    heads: 4,
    kvHeads: 2,
    headDim: 8,
    intermediate: 48,
    vocab: 64,
    biases: [],
    qkNorm: false,
  },
  ...{ rope: { theta: 10_000 }, normEpsilon: 1e-5, maxPositions: 64, tied: true },
};
const line = { fixed: 0.01, each: 1e-5 };
const speeds: Speeds = {
  ...{
    step: line,
    open: 0.1,
    forward: line,
    openForward: 0.1,
    answers: line,
    duplicates: line,
    gradients: line,
    heldOut: line,
  },
  ...{
    curvature: { fixed: 0.5, each: 1e-9, multiplication: 1e-10 },
    basis: { multiplication: 1e-10, projected: 1e-9 },
  },
  ...{ stepBytesPerToken: 1_000, evaluationBytes: 1e6, indexBytes: 2e7 },
};
const work: Work = {
  ...{ examples: 400, heldOut: 100, contributors: 4, evaluated: 100, queries: 64 },
  retrainings: { halves: 6, leaveOut: 3 },
  ...{
    stepsPerEpoch: 20,
    epochTokens: 20_000,
    batchTokens: 1_000,
    judgeTokens: 5_000,
    evaluatedTokens: 5_000,
  },
  ...{
    answerPasses: 60,
    prompts: 24,
    promptTokens: 240,
    exampleTokens: 20_000,
    heldOutTokens: 5_000,
    queryTokens: 3_200,
    readSeconds: 0.1,
  },
};
const estimate = (input: RecipeInput, publish = true): Estimate =>
  estimateJob(model, recipeSchema.parse(input), work, speeds, { publish, residentBytes: 1e8 });

test("twice the epochs take twice the training; no release, no index; patience bounds it from below", () => {
  const [ten, twenty] = [estimate({ epochs: 10 }), estimate({ epochs: 20 })];
  const perEpoch = (twenty.seconds.training - ten.seconds.training) / 10;
  assert.ok(perEpoch > 0.3 && perEpoch < 0.6, String(perEpoch));
  assert.ok(
    Math.abs(ten.trainingSecondsLeast - (ten.seconds.training - 7 * perEpoch)) < 1e-9,
    "patience is 2",
  );
  assert.equal(estimate({ epochs: 10, stopAtOptimum: false }).trainingSecondsLeast, ten.seconds.training);
  assert.ok(twenty.seconds.calibration > 5 * twenty.seconds.training * 0.5);
  const unpublished = estimate({ epochs: 10 }, false);
  assert.deepEqual(
    [unpublished.seconds.index, unpublished.seconds.calibration, unpublished.scratchBytes],
    [0, 0, 0],
  );
  assert.equal(unpublished.seconds.total, unpublished.seconds.training + unpublished.seconds.evaluation);
  assert.equal(ten.steps, 200);
  assert.ok(ten.memoryBytes > 1e8 + speeds.indexBytes, "the index's linear algebra comes on top");
  assert.equal(unpublished.memoryBytes, 1e8 + work.batchTokens * speeds.stepBytesPerToken);
});
