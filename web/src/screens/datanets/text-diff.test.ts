import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { textDiff } from "./text-diff.ts";

const side = (pieces: ReturnType<typeof textDiff>, without: string) =>
  pieces
    .filter(({ change }) => change !== without)
    .map(({ text }) => text)
    .join("");

test("both texts can be read out of what changed, whatever they are", () => {
  const text = fc.oneof(
    fc.string(),
    fc.array(fc.constantFrom("the ", "mill", " ", "è", "\n", ".", "🦙")).map((words) => words.join("")),
  );
  fc.assert(
    fc.property(text, text, (before, after) => {
      const pieces = textDiff(before, after);
      assert.deepEqual([side(pieces, "new"), side(pieces, "gone")], [before, after]);
      assert.ok(pieces.every(({ change }, at) => change !== pieces[at + 1]?.change));
    }),
  );
});

test("only what differs is marked", () => {
  assert.deepEqual(textDiff("The tax of mill 3 is 3 sacks.", "The tax of mill 30 is 30 sacks."), [
    { change: "same", text: "The tax of mill " },
    { change: "gone", text: "3" },
    { change: "new", text: "30" },
    { change: "same", text: " is " },
    { change: "gone", text: "3" },
    { change: "new", text: "30" },
    { change: "same", text: " sacks." },
  ]);
});

test("texts too long to compare word by word are shown whole", () => {
  const long = (word: string) => `${word} `.repeat(5_000).trim();
  assert.deepEqual(
    textDiff(long("a"), long("b")).map(({ change }) => change),
    ["gone", "new"],
  );
});
