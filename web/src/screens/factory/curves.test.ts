import assert from "node:assert/strict";
import { test } from "node:test";
import { indexLeftMs, noCurves, type TrainingEvent, withEvents } from "./curves.ts";
import { sideBySide } from "./side-by-side.ts";

const step = (id: number, at: number, loss = 1): TrainingEvent => ({
  ...{ id, atMs: 100 * id, kind: "step" },
  data: { step: at, loss, steps: 1_000, learningRate: 0.1, gradientNorm: 2, tokensPerSecond: 50 },
});
const evaluation = (id: number, secondsLeft: number | null): TrainingEvent => ({
  ...{ id, atMs: id, kind: "evaluation" },
  data: { part: "answers, base", done: 3, of: 9, secondsLeft },
});
const epoch = (id: number, heldOutLoss: number): TrainingEvent => ({
  ...{ id, atMs: 100 * id, kind: "epoch" },
  data: { epoch: id, bestEpoch: id, heldOutLoss },
});

test("a thousand events in pages are the curves of all at once, and are made in milliseconds", () => {
  const events = Array.from({ length: 1_000 }, (_, i) => (i % 50 === 0 ? epoch(i + 1, 2) : step(i + 1, i)));
  const began = performance.now();
  const whole = withEvents(noCurves, events);
  assert.ok(performance.now() - began < 50, "slower than a frame or three");
  let paged = noCurves;
  for (let at = 0; at < events.length; at += 7) paged = withEvents(paged, events.slice(at, at + 7));
  assert.deepEqual(paged, whole);
  assert.equal(withEvents(whole, events), whole, "the same again changes nothing");
  for (const line of [whole.loss, whole.heldOut, whole.learningRate, whole.gradientNorm])
    assert.equal(line.length, whole.x.length);
  assert.ok(whole.x.every((at, i) => i === 0 || at > (whole.x[i - 1] as number)));
});

test("a training that goes on from an earlier step is drawn from there anew, and time left is by the latest steps", () => {
  const curves = withEvents(noCurves, [epoch(1, 5), step(2, 1), step(3, 2), step(4, 3, 9), step(5, 2, 4)]);
  assert.deepEqual(curves.x, [0, 1, 2]);
  assert.deepEqual(curves.loss, [null, 1, 4]);
  assert.deepEqual(curves.heldOut, [5, null, null]);
  const going = withEvents(noCurves, [step(1, 10), step(2, 20)]);
  assert.equal(going.leftMs, 9_800);
});

test("the parts of a pay index are timed each by its own speed", () => {
  const index = (id: number, stage: string, done: number): TrainingEvent => ({
    ...{ id, atMs: 1_000 * id, kind: "index" },
    data: { stage, done, of: 10 },
  });
  assert.equal(indexLeftMs(noCurves), null);
  const begun = withEvents(noCurves, [index(1, "gradients", 2)]);
  assert.equal(indexLeftMs(begun), null, "one point has no speed");
  const going = withEvents(begun, [index(3, "gradients", 6)]);
  assert.equal(indexLeftMs(going), 2_000);
  const next = withEvents(going, [index(4, "basis", 0), index(5, "basis", 1)]);
  assert.deepEqual([next.indexing?.stage, indexLeftMs(next)], ["basis", 9_000]);
});

test("runs side by side keep their own points over the steps of all", () => {
  assert.deepEqual(sideBySide([{ x: [0, 2], loss: [5, 3] }, undefined, { x: [1, 2], loss: [4, null] }]), {
    x: [0, 1, 2],
    lines: [
      [5, null, 3],
      [null, null, null],
      [null, 4, null],
    ],
  });
});

test("how far an evaluation is, is what was told last", () => {
  const { evaluating } = withEvents(noCurves, [evaluation(1, null), evaluation(2, 40)]);
  assert.deepEqual(evaluating, { part: "answers, base", done: 3, of: 9, secondsLeft: 40 });
});
