import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createRandom } from "../../engine/index.ts";
import { auc } from "./auc.ts";
import {
  leaveOneOutEffects,
  payExcess,
  payoutError,
  paySums,
  paySumsAbove,
  payTop,
  positiveShares,
  type ScoredAnswer,
  type SeededRun,
} from "./payout-error.ts";

const near = (actual: ArrayLike<number>, expected: readonly number[]) => {
  assert.equal(actual.length, expected.length);
  expected.forEach((x, i) => {
    assert.ok(Math.abs((actual[i] as number) - x) < 1e-9, `${Array.from(actual)} against ${expected}`);
  });
};

const answer: ScoredAnswer = {
  examples: [5, -1, 2, 1, -3, 4],
  contributorOf: [0, 0, 1, 1, 2, 2],
  contributors: [4, 3, 1],
  threshold: 2,
};

test("payout rules pay what a hand computes", () => {
  near(paySums(answer), [4 / 8, 3 / 8, 1 / 8]);
  near(paySumsAbove(answer), [4 / 7, 3 / 7, 0]);
  near(payExcess(answer), [2 / 3, 1 / 3, 0]);
  near(payTop(2)(answer), [5 / 9, 0, 4 / 9]);
  near(payTop(6)(answer), [5 / 12, 3 / 12, 4 / 12]); // negative examples count as none
  near(paySumsAbove({ ...answer, threshold: 9 }), [0, 0, 0]);
});

test("shares are parts of one whole or of nothing, whatever the scores", () => {
  const scores = fc.array(fc.double({ min: -1e9, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 9 });
  fc.assert(
    fc.property(scores, fc.nat(10), (examples, threshold) => {
      const contributorOf = examples.map((_, i) => i);
      for (const rule of [paySums, paySumsAbove, payExcess, payTop(3)]) {
        const shares = rule({ examples, contributorOf, contributors: examples, threshold });
        const sum = shares.reduce((total, x) => total + x, 0);
        assert.ok(shares.every((x) => x >= 0) && (sum === 0 || Math.abs(sum - 1) < 1e-9), `${shares}`);
      }
    }),
  );
});

test("the payout's error is the part of the money at the wrong payee", () => {
  const effects = Float64Array.of(3, 1, -5, 0, 2, 0, -1, -1, 0);
  const right = [0, 3, 6].map((at) => positiveShares(effects.subarray(at, at + 3)));
  const exact = payoutError(right, effects);
  near([exact.mean, exact.lo, exact.hi], [0, 0, 0]);
  // ¾ ¼ 0 paid as ¼ ½ ¼: ½ moves. All of it to the wrong one: 1. Nobody helped the third query, and somebody is paid: 1.
  const wrong = [Float64Array.of(0.25, 0.5, 0.25), Float64Array.of(1, 0, 0), Float64Array.of(0, 0, 1)];
  const { mean, lo, hi, perQuery } = payoutError(wrong, effects);
  near(perQuery, [0.5, 1, 1]);
  assert.ok(lo < mean && mean < hi);
  // Money for the pool is money that a contributor lacks.
  near(payoutError([Float64Array.of(0, 0, 0)], effects.subarray(0, 3)).perQuery, [1]);
  assert.throws(() => payoutError([Float64Array.of(1)], effects.subarray(0, 3)), /pays 1 contributors/);
});

test("effects are the rise without a contributor, over the same seed's full model, mean over seeds", () => {
  const contributorOf = [0, 0, 1];
  const run = (seed: number, kept: number[], losses: number[]): SeededRun => ({
    seed,
    kept: Uint8Array.from(kept),
    losses,
  });
  const full = [run(1, [1, 1, 1], [1, 2]), run(2, [1, 1, 1], [1.5, 2])];
  const without = [
    run(1, [0, 0, 1], [2, 2]),
    run(2, [0, 0, 1], [3.5, 2]),
    run(1, [1, 1, 0], [1, 1.5]),
    run(2, [1, 1, 0], [1.5, 3.5]),
  ];
  near(leaveOneOutEffects(full, without, contributorOf, 2), [1.5, 0, 0, 0.5]);
  const refuse = (runs: SeededRun[], why: RegExp) =>
    assert.throws(() => leaveOneOutEffects(full, runs, contributorOf, 2), why);
  refuse(without.slice(0, 2), /No run drops contributor 1/);
  refuse([run(1, [0, 1, 1], [1, 1])], /only a part of contributor 0/);
  refuse([run(1, [0, 0, 0], [1, 1])], /drops 2 contributors/);
  refuse([run(3, [0, 0, 1], [1, 1])], /no model of seed 3/);
});

test("the area under the curve counts pairs, ties for half, and is a known one for normals", () => {
  near([auc([1, 2, 3, 4], [0, 0, 1, 1]).mean], [1]);
  near([auc([1, 2, 3, 4], [1, 0, 0, 1]).mean], [0.5]);
  near([auc([1, 2, 2, 3], [0, 1, 0, 1]).mean], [(0.5 + 1 + 1 + 1) / 4]);
  assert.throws(() => auc([1, 2], [1, 1]), /marked and unmarked/);
  const random = createRandom(4);
  const marked = Array.from({ length: 1000 }, (_, i) => i % 4 === 0);
  const scores = marked.map((mark) => random.normal() + (mark ? 1 : 0));
  const area = auc(scores, marked);
  assert.ok(area.lo < 0.7602 && 0.7602 < area.hi, JSON.stringify(area)); // Φ(1/√2)
  near(
    [
      auc(
        scores.map((x) => Math.exp(x)),
        marked,
      ).mean,
    ],
    [area.mean],
  );
});
