import assert from "node:assert/strict";
import { test } from "node:test";
import { bandKeys, createBands } from "./bands.ts";
import { createMinHash, jaccard, shinglesOf, wordsOf } from "./shingles.ts";

test("words leave out case and the marks of sentences, and keep numbers and symbols", () => {
  assert.deepEqual(wordsOf("The ca\u00adt, “sat”: 3.5 + x_1!"), [
    "the",
    "cat",
    "sat",
    "3.5",
    "+",
    "x",
    "_",
    "1",
  ]);
  assert.deepEqual(wordsOf("猫が好き"), ["猫", "が", "好", "き"]);
  assert.equal(shinglesOf("").length, 0);
  assert.equal(shinglesOf("one two").length, 1);
  assert.equal(shinglesOf("a b c d a b c").length, 5 - 1); // "a b c" twice
  assert.equal(shinglesOf("a b c d a b c", 2).length, 6 - 2); // "a b" and "b c" twice
  assert.equal(jaccard(shinglesOf("a b c d"), shinglesOf("b c d e")), 1 / 3);
});

test("MinHashes agree as often as the sets overlap", () => {
  const set = (from: number) =>
    Uint32Array.from({ length: 300 }, (_, i) => shinglesOf(`s${from + i}`)[0] as number).sort();
  const signature = createMinHash(2048);
  for (const shift of [0, 33, 100, 200]) {
    const [a, b] = [set(0), set(shift)];
    const [x, y] = [signature(a), signature(b)];
    const agreeing = x.filter((h, i) => h === y[i]).length / 2048;
    const expected = jaccard(a, b);
    assert.ok(Math.abs(agreeing - expected) < 0.05, `${agreeing} against ${expected}`);
  }
});

test("bands find what shares a key, each once, and nothing else that is far", () => {
  const bands = createBands(3, 4);
  const of = (...hashes: number[]) => bandKeys(Uint32Array.from(hashes), 4, 1);
  bands.add(0, of(1, 2, 3, 4));
  bands.add(1, of(1, 2, 30, 40));
  bands.add(2, of(10, 20, 31, 41));
  const found: number[] = [];
  bands.candidates(of(1, 2, 3, 40), (thing) => found.push(thing));
  assert.deepEqual(found.sort(), [0, 1]);
});
