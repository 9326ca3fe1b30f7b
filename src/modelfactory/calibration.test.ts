import assert from "node:assert/strict";
import { test } from "node:test";
import { lds } from "../attribution/index.ts";
import { createRandom } from "../engine/index.ts";
import { calibrationLabel, calibrationOf } from "../protocol/index.ts";
import {
  type CalibrationTable,
  calibrationQueries,
  contributorGroups,
  halfSubset,
  judgeScores,
  planRetrainings,
  shareError,
} from "./calibration.ts";
import { jobSpecSchema } from "./job.ts";
import { recipeSchema } from "./recipe.ts";

const [examples, queries, retrainings, contributors] = [40, 20, 10, 5];
const sets = Array.from({ length: retrainings }, (_, m) => halfSubset(examples, 3, m));
const random = createRandom(9);
const matrix = () => Array.from({ length: queries }, () => Array.from({ length: examples }, random.normal));
const truth = matrix();
const sums = (scores: number[][]) =>
  scores.map((of) => sets.map((set) => [...set].reduce((sum, i) => sum + (of[i] as number), 0)));

/** Retrainings where an example changes a loss by minus its true effect, and chance by some more. */
function table(predicted: number[][], words: number[][]): CalibrationTable {
  const losses = (noise: number) =>
    sets.map((_, m) => sums(truth).map((of) => 9 - (of[m] as number) + noise * random.normal()));
  return {
    seed: 3,
    examples,
    contributorOf: Array.from({ length: examples }, (_, i) => i % contributors),
    predicted: sums(predicted),
    words: sums(words),
    rows: truth.map((of) =>
      Array.from({ length: contributors }, (_, c) =>
        of.reduce((sum, score, i) => (i % contributors === c ? sum + score : sum), 0),
      ),
    ),
    contributorOfRow: Array.from({ length: contributors }, (_, c) => c),
    thresholds: truth.map(() => 0),
    tokens: truth.map(() => 1),
    released: truth.map(() => 9),
    losses: losses(1),
    otherSeed: losses(1),
    groups: Array.from({ length: contributors }, (_, c) => [c]),
    leftOut: Array.from({ length: contributors }, (_, c) =>
      truth.map((of) => 9 + of.reduce((sum, score, i) => (i % contributors === c ? sum + score : sum), 0)),
    ),
  };
}

test("halves are halves, the same again, and not the same as each other", () => {
  for (const [m, set] of sets.entries()) {
    assert.equal(set.size, examples / 2);
    assert.deepEqual(halfSubset(examples, 3, m), set);
    for (const other of sets.slice(m + 1)) assert.notDeepEqual([...set].sort(), [...other].sort());
  }
  assert.notDeepEqual(halfSubset(examples, 4, 0), sets[0]);
  assert.equal(halfSubset(3, 1, 0).size, 2);
});

test("scores that foretell retraining separate from words; scores no better than words do not", () => {
  const good = table(truth, matrix());
  const calibrated = judgeScores(good);
  assert.ok(calibrated.separates && calibrated.lds.lo > 0.5 && calibrated.difference.lo > 0);
  assert.ok(calibrated.ceiling !== null && calibrated.ceiling.mean > 0.5);
  for (const [predicted, words] of [
    [matrix(), matrix()],
    [truth, truth],
    [matrix(), truth],
  ] as const)
    assert.equal(judgeScores(table(predicted, words)).separates, false);
  assert.equal(judgeScores({ ...good, otherSeed: [] }).ceiling, null);
});

test("the score of sums is the score of the examples they are sums of", () => {
  const given = table(truth, matrix());
  const runs = given.losses.map((losses, m) => ({
    kept: Uint8Array.from({ length: examples }, (_, i) => (sets[m]?.has(i) ? 1 : 0)),
    losses,
  }));
  const { mean, lo, hi } = lds(Float64Array.from(truth.flat()), runs);
  const expected = [mean, lo, hi].map((x) => Math.round(x * 1e6));
  const { lds: actual } = judgeScores(given);
  assert.deepEqual([actual.mean, actual.lo, actual.hi], expected);
});

test("scores that are the effects err by the cut alone; the error of others covers 95 % of shares not seen", () => {
  const exact = table(truth, truth);
  // Nine equal contributors, of whom one has ten times the effect: what the cut takes off is a fifth of that.
  const apart = Array.from({ length: contributors }, (_, c) => (c === 0 ? 10 : 3));
  const [first, rest] = [10 / (10 + 3 * (contributors - 1)), 8 / (8 + contributors - 1)];
  assert.equal(
    shareError({
      ...exact,
      rows: exact.rows.map(() => apart),
      leftOut: apart.map((effect) => exact.rows.map(() => 9 + effect)),
    }),
    Math.ceil(Math.abs(first - rest) * 1e6),
  );
  assert.equal(shareError({ ...exact, groups: [], leftOut: [] }), null);
  assert.equal(shareError({ ...exact, rows: exact.rows.slice(0, 3) }), null, "too few to tell");

  const many = 600;
  const positive = Array.from({ length: many }, () =>
    Array.from({ length: contributors }, () => Math.abs(random.normal())),
  );
  const scored = positive.map((effects) => effects.map((x) => x * Math.exp(0.4 * random.normal())));
  const part = (from: number, to: number) => ({
    rows: scored.slice(from, to),
    contributorOfRow: exact.contributorOfRow,
    thresholds: Array<number>(to - from).fill(0),
    tokens: Array<number>(to - from).fill(2),
    released: Array<number>(to - from).fill(1),
    groups: exact.groups,
    leftOut: exact.groups.map(([c]) =>
      positive.slice(from, to).map((x) => 1 + (x[c as number] as number) / 2),
    ),
  });
  const error = (shareError(part(0, 300)) as number) / 1e6;
  const parts = (of: readonly number[]) => of.map((x) => x / of.reduce((sum, y) => sum + y, 0));
  const paid = (of: readonly number[]) => parts(of.map((x) => Math.max(0, x - Math.max(...of) / 5)));
  const missed = positive.slice(300).flatMap((of, i) => {
    const shares = paid(scored[300 + i] as number[]);
    const listed = parts(of.map((x, c) => (shares[c] === 0 ? 0 : x)));
    return shares.flatMap((share, c) => (share === 0 ? [] : Math.abs(share - (listed[c] as number))));
  });
  const covered = missed.filter((x) => x <= error).length / missed.length;
  assert.ok(covered > 0.93 && covered < 0.97, `${covered}`);
});

test("contributors are dealt into groups that are left out once; the plan lists halves, other seeds, groups", () => {
  const contributorOf = Array.from({ length: 21 }, (_, i) => i % 7);
  const groups = contributorGroups(contributorOf, 3, 5);
  assert.deepEqual(groups.flat().sort(), [0, 1, 2, 3, 4, 5, 6]);
  assert.deepEqual(groups.map((group) => group.length).sort(), [2, 2, 3]);
  assert.deepEqual(contributorGroups(contributorOf, 3, 5), groups);
  assert.deepEqual(contributorGroups([4, 4, 4], 3, 5), []);
  assert.equal(contributorGroups(contributorOf, 64, 5).length, 7);
  const recipe = recipeSchema.parse({ seed: 5, calibration: { retrainings: 4, ceiling: true } });
  const plans = planRetrainings(recipe, contributorOf, groups);
  assert.deepEqual(
    plans.map(({ of, trainingSeed }) => `${of} ${trainingSeed}`),
    [...Array(4).fill("half 5"), ...Array(4).fill("other-seed 6"), ...Array(3).fill("leave-out 5")],
  );
  for (const [g, group] of groups.entries()) {
    const kept = plans[8 + g]?.kept as ReadonlySet<number>;
    assert.ok(contributorOf.every((c, i) => kept.has(i) !== group.includes(c)));
  }
});

test("a manifest's facts say what a release may claim, and its label says so", () => {
  const of = (calibration: object) => calibrationOf({ calibration: calibration as never });
  const facts = judgeScores(table(truth, matrix()));
  assert.equal(of({ ...facts, anythingElse: 1 }).status, "separates");
  assert.match(calibrationLabel(of(facts)), /^calibrated: LDS 0\.\d\d \[.* 25 retrainings, 20 answers$/);
  assert.match(calibrationLabel(of({ ...facts, separates: false })), /^NO BETTER THAN SHARED WORDS/);
  const lie = { ...facts, separates: true, difference: { ...facts.difference, lo: -1 } };
  assert.equal(of(lie).status, "not-separated", "the interval decides, not the word");
  for (const nothing of [{}, { lds: null }, { ...facts, lds: "0.9" }])
    assert.match(calibrationLabel(of(nothing)), /^NOT CALIBRATED/);
});

test("answers are asked from the evaluation, else from held-out answers, else from held-out rows", () => {
  const spec = (evaluation: object[]) =>
    jobSpecSchema.parse({
      model: "m",
      datanets: [{ datanetId: "1", version: 1 }],
      evaluation,
      recipe: { calibration: { queries: 7 } },
    });
  const text = (i: number) => ({ prompt: `p${i}`, completion: "c" });
  const chat = (i: number) => ({ messages: [{ role: "assistant" as const, content: `a${i}` }] });
  const of = (n: number, make: (i: number) => object) =>
    Array.from({ length: n }, (_, i) => make(i)) as never[];
  const isAnswer = (example: object) => "messages" in example;
  assert.equal(calibrationQueries(spec(of(9, text)), of(50, chat)).filter(isAnswer).length, 0);
  assert.equal(calibrationQueries(spec([]), [...of(30, text), ...of(20, chat)]).filter(isAnswer).length, 7);
  assert.equal(calibrationQueries(spec([]), of(5, text)).length, 5);
});
