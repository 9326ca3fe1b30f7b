import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { evaluationReport, rougeL } from "./evaluation.ts";

test("ROUGE-L is the F1 of the longest common subsequence of words", () => {
  // Lin 2004, section 3.1: three of four words in order, and two.
  assert.equal(rougeL("police kill the gunman", "police killed the gunman"), 0.75);
  assert.equal(rougeL("the gunman kill police", "police killed the gunman"), 0.5);
  assert.equal(rougeL("Police, killed: THE gunman!", "police killed the gunman"), 1);
  assert.equal(rougeL("", "a word"), 0);
  assert.equal(rougeL("a a a b", "a b"), (2 * (2 / 4) * 1) / (2 / 4 + 1));
  assert.deepEqual([rougeL(" 😀", "😀"), rougeL("!", "?")], [1, 0]);
  const text = fc
    .array(fc.constantFrom("a", "b", "c", "d"), { maxLength: 8 })
    .map((words) => words.join(" "));
  // Against every subsequence of the one, tried out.
  const slow = (x: string[], y: string[]): number =>
    x.length === 0 || y.length === 0
      ? 0
      : x[0] === y[0]
        ? 1 + slow(x.slice(1), y.slice(1))
        : Math.max(slow(x.slice(1), y), slow(x, y.slice(1)));
  fc.assert(
    fc.property(text, text, (a, b) => {
      const [x, y] = [a, b].map((t) => t.split(" ").filter((w) => w !== "")) as [string[], string[]];
      if (y.length === 0) return;
      assert.equal(rougeL(a, b), (2 * slow(x, y)) / (x.length + y.length));
      assert.equal(rougeL(a, b), x.length === 0 ? 0 : rougeL(b, a));
    }),
  );
});

test("a report holds base against tuned on the same rows, with intervals that hold the means", () => {
  const adapter = `0x${"ab".repeat(32)}` as const;
  const losses = { base: [2, 3, 4, 5], tuned: [1, 2, 3, 4] };
  const none = { base: [], tuned: [] };
  const report = evaluationReport(adapter, {
    losses,
    exact: { base: [0, 0, 0, 1], tuned: [1, 1, 1, 1] },
    rougeL: none,
    regression: { base: [1, 2], tuned: [1, 2] },
  });
  const { loss, perplexity, exact } = report.heldOut;
  assert.deepEqual([loss.base.mean, loss.tuned.mean], [3_500_000, 2_500_000]);
  assert.deepEqual(loss.difference, { mean: -1_000_000, lo: -1_000_000, hi: -1_000_000 });
  assert.ok(loss.base.lo < loss.base.mean && loss.base.mean < loss.base.hi);
  assert.equal(perplexity.tuned.mean, Math.round(Math.exp(2.5) * 1e6));
  assert.deepEqual([exact.base.mean, exact.tuned.mean], [250_000, 1_000_000]);
  assert.deepEqual(
    [report.answers, report.regression?.loss.difference.mean, report.adapter],
    [null, 0, adapter],
  );
  const wild = { base: [900, 900], tuned: [900, 900] };
  assert.ok(
    Number.isSafeInteger(
      evaluationReport(adapter, { losses: wild, exact: wild, rougeL: none, regression: none }).heldOut
        .perplexity.base.mean,
    ),
  );
});
