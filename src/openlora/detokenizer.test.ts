import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { createTokenizer, loadTokenizer, type Tokenizer } from "../engine/index.ts";
import { createDetokenizer } from "./detokenizer.ts";
import { tinyConfig, tinyTokenizerFiles } from "./fixtures/tiny-base.ts";

const files = tinyTokenizerFiles();
const fixture = (name: string) => loadTokenizer(join(import.meta.dirname, "..", "engine", "fixtures", name));

/** Byte-level BPE of three families, and SentencePiece-style with byte fallback and a leading space that decoding strips. */
const tokenizers: { name: string; tokenizer: Tokenizer; vocab: number }[] = [
  { name: "tiny", tokenizer: createTokenizer(files.tokenizer, files.config), vocab: tinyConfig.vocab },
  { name: "smol", tokenizer: fixture("tokenizer-smol"), vocab: 300 },
  { name: "qwen", tokenizer: fixture("tokenizer-qwen"), vocab: 300 },
  { name: "llama", tokenizer: fixture("tokenizer-llama"), vocab: 400 },
  { name: "llama3", tokenizer: fixture("tokenizer-llama3"), vocab: 320 },
];

const partsOf = (tokenizer: Tokenizer, ids: readonly number[]) => {
  const detokenizer = createDetokenizer(tokenizer);
  return ids.map((id) => detokenizer.push(id));
};

const text = fc.string({ unit: "grapheme", maxLength: 40 }).map((s) => s.replaceAll("\uFFFD", ""));

for (const { name, tokenizer, vocab } of tokenizers) {
  test(`${name}: a text's tokens give the text back, no part of it with half a character`, () => {
    const samples = fc.oneof(
      text,
      fc.constantFrom("naïve café", "日本語の本", "😀👍🏽 👩‍👩‍👧", "река", "  two  spaces\n\nlines"),
    );
    fc.assert(
      fc.property(samples, (sample) => {
        const ids = tokenizer.encode(sample);
        const parts = partsOf(tokenizer, ids);
        assert.equal(parts.join(""), tokenizer.decode(ids));
        for (const part of parts) {
          assert.ok(part.isWellFormed(), JSON.stringify(part));
          assert.ok(!part.includes("\uFFFD"), JSON.stringify(part));
        }
      }),
      { numRuns: 150 },
    );
  });

  test(`${name}: any tokens give what decoding all of them gives, but an unfinished end`, () => {
    fc.assert(
      fc.property(fc.array(fc.nat(vocab - 1), { minLength: 1, maxLength: 60 }), (ids) => {
        const whole = tokenizer.decode(ids);
        const joined = partsOf(tokenizer, ids).join("");
        assert.equal(joined, whole.endsWith("\uFFFD") ? whole.slice(0, -1) : whole);
      }),
      { numRuns: 300 },
    );
  });

  test(`${name}: so do hundreds of tokens that never end a character, and a text behind them`, () => {
    // The first byte of é, then the last: each alone is broken.
    const [first, last] = tokenizer.encode("xé").slice(-2) as [number, number];
    for (const broken of [first, last])
      for (const count of [510, 511, 512, 513, 1_030]) {
        const ids = [...Array<number>(count).fill(broken), ...tokenizer.encode("日本 the valley")];
        assert.equal(partsOf(tokenizer, ids).join(""), tokenizer.decode(ids), `${count} times ${broken}`);
      }
  });
}

test("a character of several tokens comes out with its last one", () => {
  const [tiny] = tokenizers as [(typeof tokenizers)[number]];
  const ids = tiny.tokenizer.encode("a👩b");
  const parts = partsOf(tiny.tokenizer, ids);
  assert.ok(ids.length >= 5, "the tokenizer must need several tokens here for this to prove anything");
  assert.equal(parts[0], "a");
  assert.equal(parts.at(-2), "👩");
  assert.deepEqual(new Set(parts.slice(1, -2)), new Set([""]));
  assert.equal(parts.at(-1), "b");
});

test("bytes that never make a character do not pile up", () => {
  const [tiny] = tokenizers as [(typeof tokenizers)[number]];
  let longest = 0;
  const detokenizer = createDetokenizer({
    decode(ids) {
      longest = Math.max(longest, ids.length);
      return tiny.tokenizer.decode(ids);
    },
  });
  const lone = tiny.tokenizer.encode("é")[1] as number;
  let characters = 0;
  for (let i = 0; i < 3_000; i++) characters += detokenizer.push(lone).length;
  assert.ok(longest <= 512, `${longest} tokens were decoded at once`);
  assert.ok(characters > 2_900);
});
