import assert from "node:assert/strict";
import { test } from "node:test";
import { lds } from "../attribution/index.ts";
import { createRandom } from "../engine/index.ts";
import { calibrationLabel, calibrationOf } from "../protocol/index.ts";
import { type CalibrationTable, calibrationQueries, halfSubset, judgeScores } from "./calibration.ts";
import { jobSpecSchema } from "./job.ts";

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
    contributors: truth.map((of) =>
      Array.from({ length: contributors }, (_, c) =>
        of.reduce((sum, score, i) => (i % contributors === c ? sum + score : sum), 0),
      ),
    ),
    thresholds: truth.map(() => 0),
    tokens: truth.map(() => 1),
    losses: losses(1),
    otherSeed: losses(1),
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

test("a manifest's facts say what a release may claim, and its label says so", () => {
  const of = (calibration: object) => calibrationOf({ calibration: calibration as never });
  const facts = judgeScores(table(truth, matrix()));
  assert.equal(of({ ...facts, anythingElse: 1 }).status, "separates");
  assert.match(calibrationLabel(of(facts)), /^calibrated: LDS 0\.\d\d \[.* 20 retrainings, 20 answers$/);
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
