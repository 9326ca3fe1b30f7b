import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { loadTokenizer } from "./tokenizer.ts";
import { readVocabulary } from "./vocabulary.ts";

for (const [family, spelling] of [
  ["smol", "byte-level"],
  ["qwen", "byte-level"],
  ["llama", "byte-fallback"],
] as const)
  test(`${family}: a text's tokens, byte by byte, are the text`, () => {
    const folder = join(import.meta.dirname, "fixtures", `tokenizer-${family}`);
    const tokenizer = loadTokenizer(folder);
    const { vocabulary } = tokenizer;
    assert.equal(vocabulary.spelling, spelling);
    const { cases } = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8")) as {
      cases: { ids: number[]; decodedWithoutSpecialTokens: string }[];
    };
    for (const { ids, decodedWithoutSpecialTokens } of cases) {
      const text = Buffer.concat(ids.map((id) => vocabulary.bytes(id))).toString();
      // SentencePiece puts a space before a text, which its decoder takes off again.
      const whole = spelling === "byte-fallback" ? text.replace(/^ /, "") : text;
      assert.equal(whole, decodedWithoutSpecialTokens);
    }
    assert.equal(vocabulary.bytes(tokenizer.eosId).length, 0);
    assert.equal(vocabulary.tokens[tokenizer.eosId], "");
    assert.match(vocabulary.name(tokenizer.eosId), /<.*>/);
    assert.equal(vocabulary.bytes(1_000_000).length, 0);
  });

test("every byte-level token has its bytes, part of a character reads U+FFFD, added text is its own", () => {
  const vocabulary = readVocabulary({
    model: { vocab: { Ġthe: 0, Ã: 1, "©": 2, "<|end|>": 3 } },
    added_tokens: [
      { id: 3, content: "<|end|>", special: true },
      { id: 5, content: "< é>", special: false },
    ],
    decoder: { type: "ByteLevel" },
  });
  assert.deepEqual(vocabulary.tokens, ["Ġthe", "Ã", "©", "", "", "<ĠÃ©>"]);
  assert.deepEqual([...vocabulary.bytes(1), ...vocabulary.bytes(2)], [...Buffer.from("é")]);
  assert.deepEqual([0, 1, 3, 5].map(vocabulary.name), [" the", "\ufffd", "<|end|>", "< é>"]);
});
