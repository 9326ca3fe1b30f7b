import assert from "node:assert/strict";
import { test } from "node:test";
import { createEvaluationProgress } from "./evaluation-progress.ts";

test("what the base took, part by part, is what is left of the tuned model's evaluation", () => {
  let now = 100;
  const progress = createEvaluationProgress(
    [
      ["rows", 10],
      ["answers", 2],
    ],
    () => now,
  );
  assert.deepEqual(progress.at(0, 5), { part: "rows, base", done: 5, of: 24, secondsLeft: null });
  now += 10;
  progress.ended(0);
  now += 30;
  progress.ended(1);
  assert.deepEqual(progress.at(0, 0), { part: "rows, tuned model", done: 12, of: 24, secondsLeft: 40 });
  assert.deepEqual(progress.at(0, 5).secondsLeft, 35);
  assert.deepEqual(progress.at(1, 1), { part: "answers, tuned model", done: 23, of: 24, secondsLeft: 15 });
  assert.deepEqual(progress.at(1, 2), { part: "answers, tuned model", done: 24, of: 24, secondsLeft: 0 });
});
