import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createLines } from "./progress-lines.ts";

const line = (stage: string, done: number) => `${JSON.stringify({ progress: { stage, done, of: 10 } })}\n`;
const whole = `${line("words", 0)}${line("near-duplicate", 8)}${line("a new stage", 9)}${JSON.stringify({ status: 200, answer: { rows: ["ü\n"] } })}\n`;

test("however an answer comes in pieces, each stage is told once, and its end is read", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(whole.length), { maxLength: 20 }), (cuts) => {
      const lines = createLines<object>();
      const told = [...cuts.sort((a, b) => a - b), whole.length].flatMap((cut) =>
        lines.read(whole.slice(0, cut)),
      );
      assert.deepEqual(told, [
        { label: "looking at each row", done: 0, total: 10 },
        { label: "looking for rows that are nearly the same", done: 8, total: 10 },
        { label: "a new stage", done: 9, total: 10 },
      ]);
      assert.deepEqual(lines.end(whole, 200), { status: 200, answer: { rows: ["ü\n"] } });
    }),
  );
});

test("a refusal in the last line is a refusal; what breaks off is no answer; what is not told in lines is taken as it is", () => {
  const refused = `${line("words", 0)}{"status":422,"answer":{"error":{"code":"x","message":"No."}}}\n`;
  assert.equal(createLines().end(refused, 200).status, 422);
  const broken = createLines().end(whole.slice(0, -20), 200);
  assert.deepEqual(broken, { status: 502, answer: undefined });
  assert.deepEqual(createLines().end('{"rows":[]}', 200), { status: 200, answer: { rows: [] } });
  assert.deepEqual(createLines().end("<html>", 413), { status: 413, answer: undefined });
});
