import assert from "node:assert/strict";
import { test } from "node:test";
import { agreementInWords, type Draft, decisionsOf, filled, toggled } from "./drafts.ts";

const accept: Draft = { decision: "accept", reason: "" };
const reject: Draft = { decision: "reject", reason: "It is wrong." };

test("a judgement is put down, changed, and undone by saying it again", () => {
  const one = toggled(new Map(), 3, accept);
  assert.deepEqual([...one], [[3, accept]]);
  const other = toggled(one, 3, reject);
  assert.deepEqual([...other], [[3, reject]]);
  assert.deepEqual([...toggled(other, 3, reject)], []);
});

test("one judgement for the rest leaves what was judged", () => {
  assert.deepEqual(
    new Map(filled(new Map([[2, reject]]), [1, 2, 3], accept)),
    new Map([
      [1, accept],
      [2, reject],
      [3, accept],
    ]),
  );
});

test("a rejection is sent with its reason, and not without", () => {
  const drafts = new Map<number, Draft>([
    [1, accept],
    [2, { decision: "reject", reason: "  " }],
    [3, { ...reject, reason: " It is wrong. ", proposal: { prompt: "a", completion: "b" } }],
  ]);
  assert.deepEqual(decisionsOf(drafts), [
    { row: 1, decision: "accept", reason: "" },
    { row: 3, decision: "reject", reason: "It is wrong.", proposal: { prompt: "a", completion: "b" } },
  ]);
});

test("agreement is named by its bounds", () => {
  assert.deepEqual(
    [null, 1, 0.7, 0.1].map(agreementInWords).map((words) => words.split(" ")[0]),
    ["nothing", "reliable", "good", "low:"],
  );
});
