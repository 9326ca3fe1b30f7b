import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createRandom } from "../../engine/index.ts";
import { difference, ratio } from "./bootstrap.ts";
import { contributorLds, crossSeedCeiling, lds, type SubsetRun, sumByContributor } from "./lds.ts";
import { orderingOf, ranksInto, spearman, topOf } from "./ranks.ts";

const close = (actual: number, expected: number, within = 1e-12) =>
  assert.ok(Math.abs(actual - expected) <= within, `${actual} against ${expected}`);
const halves = (count: number, examples: number, seed: number) => {
  const random = createRandom(seed);
  return Array.from({ length: count }, () =>
    Uint8Array.from({ length: examples }, () => (random.uniform() < 0.5 ? 1 : 0)),
  );
};

test("Spearman's rho is what a hand computes, ties at their mean rank", () => {
  close(spearman([1, 2, 3, 4], [1, 3, 2, 4]), 0.8); // 1 − 6·2/(4·15)
  close(spearman([1, 2, 3], [9, 5, 1]), -1);
  close(spearman([1, 1, 2], [3, 4, 5]), Math.sqrt(3) / 2); // ranks ½ ½ 2 against 0 1 2
  assert.equal(spearman([1, 1, 1], [1, 2, 3]), 0);
  assert.throws(() => spearman([1, Number.NaN], [1, 2]), /not a number/);
  assert.throws(() => spearman([1], [1, 2]), /one length/);
});

test("ranks of a resampling are ranks of the repeated values", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: -3, max: 3 }), fc.nat(3)), { minLength: 1, maxLength: 12 }),
      (things) => {
        const values = things.map(([value]) => value);
        const counts = things.map(([, count]) => count);
        const repeated = things.flatMap(([value, count]) => Array(count).fill(value));
        const ranks = new Float64Array(values.length);
        ranksInto(orderingOf(values), counts, ranks);
        values.forEach((value, i) => {
          if (counts[i] === 0) return;
          const below = repeated.filter((other) => other < value).length;
          const equal = repeated.filter((other) => other === value).length;
          assert.equal(ranks[i], below + (equal - 1) / 2);
        });
      },
    ),
  );
});

test("the score of two queries and four runs is what a hand computes", () => {
  const runs: SubsetRun[] = [
    { kept: Uint8Array.of(1, 1, 0), losses: [1, 1] },
    { kept: Uint8Array.of(1, 0, 1), losses: [2, 2] },
    { kept: Uint8Array.of(0, 1, 1), losses: [3, 4] },
    { kept: Uint8Array.of(0, 0, 1), losses: [4, 3] },
  ];
  // Sums 3, 2, 1, 0 against −losses in the same order; sums 5, 3, 2, 0 with the last two losses turned round.
  const { mean, lo, hi, perQuery } = lds(Float32Array.of(2, 1, 0, 3, 2, 0), runs);
  close(perQuery[0] as number, 1);
  close(perQuery[1] as number, 0.8);
  close(mean, 0.9);
  assert.ok(lo <= mean && mean <= hi && hi <= 1);
});

test("monotone transforms of scores' sums or losses change nothing, nor does the order of runs", () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const random = createRandom(seed);
      const [n, q] = [9, 4];
      const scores = Float64Array.from({ length: q * n }, () => random.normal());
      const runs = halves(12, n, seed + 1).map((kept) => ({
        kept,
        losses: Array.from({ length: q }, () => random.normal()),
      }));
      const options = { draws: 200 };
      const plain = lds(scores, runs, options);
      const same = lds(
        scores.map((x) => 7 * x),
        runs.map((run) => ({ ...run, losses: run.losses.map((x) => Math.exp(x)) })),
        options,
      );
      assert.deepEqual(same, plain);
      const turned = lds(
        scores.map((x) => -x),
        runs,
        options,
      );
      close(turned.mean, -plain.mean);
      const shuffled = lds(scores, [...runs].reverse(), options);
      plain.perQuery.forEach((x, i) => {
        close(shuffled.perQuery[i] as number, x);
      });
    }),
    { numRuns: 25 },
  );
});

test("scores without meaning foretell nothing, and a difference of methods is taken draw by draw", () => {
  const random = createRandom(6);
  const [n, q, m] = [80, 20, 50];
  const truth = Float32Array.from({ length: q * n }, () => random.normal());
  const runs = halves(m, n, 7).map((kept) => ({
    kept,
    losses: Float32Array.from({ length: q }, (_, i) => {
      let loss = 4 * random.normal();
      for (let j = 0; j < n; j++) if (kept[j] === 1) loss -= truth[i * n + j] as number;
      return loss;
    }),
  }));
  const good = lds(truth, runs);
  const chance = lds(
    truth.map(() => random.normal()),
    runs,
  );
  const worse = lds(
    truth.map((x) => x + 0.5 * random.normal()),
    runs,
  );
  assert.ok(good.lo > 0.6 && chance.lo < 0 && chance.hi > 0, JSON.stringify([good.lo, chance.lo, chance.hi]));
  const apart = difference(good, worse);
  close(apart.mean, good.mean - worse.mean);
  assert.ok(apart.lo > 0, "paired draws separate what overlapping intervals do not");
  assert.ok(good.lo < worse.hi);
  close(ratio(worse, good).mean, worse.mean / good.mean);
  assert.throws(() => difference(good, lds(truth, runs, { seed: 2 })), /can be paired/);
  assert.throws(() => lds(truth, runs, { draws: 100 }), /at least 200 draws/);
  assert.throws(() => lds(truth.subarray(1), runs), /keeps or drops/);
  assert.throws(() => lds(truth, runs.slice(0, 2)), /at least 3 retrainings/);
});

test("contributors are kept whole: their sums score as their examples do", () => {
  const random = createRandom(8);
  const contributorOf = [0, 1, 2, 0, 1, 2, 3, 3];
  const [n, q] = [contributorOf.length, 3];
  const scores = Float64Array.from({ length: q * n }, () => random.normal());
  const runs = halves(10, 4, 9).map((chosen) => ({
    kept: Uint8Array.from(contributorOf, (c) => chosen[c] as number),
    losses: Array.from({ length: q }, () => random.normal()),
  }));
  const sums = sumByContributor(scores, contributorOf, 4);
  assert.equal(sums.length, q * 4);
  close(sums[0] as number, (scores[0] as number) + (scores[3] as number));
  const [byContributor, byExample] = [contributorLds(sums, runs, contributorOf), lds(scores, runs)];
  close(byContributor.mean, byExample.mean, 1e-9);
  const torn = runs.map((run) => ({ ...run, kept: Uint8Array.from(run.kept) }));
  (torn[0] as SubsetRun).kept[0] = 1 - ((torn[0] as SubsetRun).kept[3] as number);
  assert.throws(() => contributorLds(sums, torn, contributorOf), /only a part of contributor 0/);
});

test("the ceiling pairs the runs of two seeds by what they kept", () => {
  const random = createRandom(10);
  const kept = halves(12, 20, 11);
  const one = kept.map((mask) => ({ kept: mask, losses: [random.normal(), random.normal()] }));
  const other = one.map((run) => ({ ...run, losses: run.losses.map((x) => 2 * x + 1) })).reverse();
  close(crossSeedCeiling(one, other).mean, 1);
  assert.equal(crossSeedCeiling(one, other.slice(4)).plan, crossSeedCeiling(one.slice(0, 8), other).plan);
  assert.throws(() => crossSeedCeiling(one, other.slice(0, 2)), /at least 3/);
});

test("intervals cover the truth about as often as they say", () => {
  // Losses are jointly normal with the sums of scores at correlation .8, half of the noise shared by all queries: Spearman's ρ of the
  // population is 6/π · asin(.4). Over 200 repetitions of 40 queries × 60 subsets this covers .925, always missing from below.
  const [n, q, m, repetitions] = [60, 40, 60, 40];
  const truth = (6 / Math.PI) * Math.asin(0.4);
  const random = createRandom(5);
  let covered = 0;
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const scores = Float32Array.from({ length: q * n }, () => random.normal());
    const norms = Array.from({ length: q }, (_, i) => {
      const squares = scores.subarray(i * n, (i + 1) * n).reduce((sum, x) => sum + x * x, 0);
      return Math.sqrt(squares) / 2;
    });
    const runs = halves(m, n, 100 + repetition).map((kept) => {
      const shared = random.normal();
      const losses = Float64Array.from({ length: q }, (_, i) => {
        let sum = 0;
        for (let j = 0; j < n; j++) sum += ((kept[j] as number) - 0.5) * (scores[i * n + j] as number);
        const noise = Math.SQRT1_2 * (shared + random.normal());
        return -0.8 * (sum / (norms[i] as number)) - 0.6 * noise;
      });
      return { kept, losses };
    });
    const { lo, hi } = lds(scores, runs, { draws: 200, seed: repetition });
    if (lo <= truth && truth <= hi) covered++;
  }
  assert.ok(covered >= 34, `${covered} of ${repetitions}`);
});

test("ten methods on forty queries, sixty runs and 520 examples take seconds", () => {
  const random = createRandom(12);
  const [n, q, m] = [520, 40, 60];
  const runs = halves(m, n, 13).map((kept) => ({
    kept,
    losses: Float32Array.from({ length: q }, () => random.normal()),
  }));
  const started = performance.now();
  for (let method = 0; method < 10; method++)
    lds(
      Float32Array.from({ length: q * n }, () => random.normal()),
      runs,
    );
  assert.ok(performance.now() - started < 20_000, `${performance.now() - started} ms`);
});

test("of equal scores the earlier is among the highest first", () => {
  assert.deepEqual(topOf([1, 5, 5, 2], 3), [1, 2, 3]);
});
