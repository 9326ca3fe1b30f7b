import assert from "node:assert/strict";
import { test } from "node:test";
import { oneLine, pairs, plain, short, table } from "./table.ts";

test("columns are aligned, numbers to the right, without blanks at the end of a line", () => {
  const rows = [
    { name: "Valley", rows: 700 },
    { name: "A", rows: 9 },
  ];
  const text = table(rows, [
    ["Name", ({ name }) => name],
    ["Rows", ({ rows }) => rows, "number"],
    ["Note", ({ name }) => (name === "A" ? "" : "old")],
  ]);
  assert.equal(text, "Name    Rows  Note\nValley   700  old\nA          9");
});

test("a stranger's text cannot command the terminal, reorder it or add lines", () => {
  assert.equal(plain("a\u001b[2Jb\u009bc\u202ed\r"), "a�[2Jb�c�d�");
  assert.equal(plain("one\n\ttwo"), "one\n\ttwo");
  assert.equal(
    table([{ name: "x\nfake  row\u001b[1A" }], [["Name", ({ name }) => name]]),
    "Name\nx fake row�[1A",
  );
  assert.equal(pairs([["name", "\u001b]0;title\u0007"]]), "name  �]0;title�");
});

test("long text is cut by letters, long hex in its middle", () => {
  assert.equal(oneLine("💎💎💎💎", 3), "💎💎…");
  assert.equal(short(`0x${"ab".repeat(32)}`), "0xababab…ababab");
  assert.equal(short("0xabc"), "0xabc");
});

test("pairs stand in two columns", () => {
  assert.equal(
    pairs([
      ["a", 1n],
      ["long", "two"],
    ]),
    "a     1\nlong  two",
  );
});

test("what is too long is cut behind a word, and a word without an end within itself", () => {
  assert.equal(oneLine("The miller of the lower valley", 22), "The miller of the …");
  assert.equal(oneLine("Donaudampfschifffahrtsgesellschaft", 12), "Donaudampfs…");
  assert.equal(oneLine("to Donaudampfschifffahrtsgesellschaft", 12), "to Donaudam…");
  assert.equal(oneLine("as long as this", 15), "as long as this");
});
