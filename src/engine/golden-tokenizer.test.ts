/** The tokenizer against Hugging Face's own on texts chosen to hurt; `scripts/golden.py` made the fixtures. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type ChatMessage, type ChatTool, loadTokenizer } from "./index.ts";

type Expected = {
  vocabSize: number;
  cases: { text: string; ids: number[]; decodedWithoutSpecialTokens: string }[];
  chats: { messages: ChatMessage[]; addGenerationPrompt: boolean; text: string; ids: number[] }[];
};

const open = (family: string) => {
  const folder = join(import.meta.dirname, "fixtures", `tokenizer-${family}`);
  const json = (file: string): unknown => JSON.parse(readFileSync(join(folder, file), "utf8"));
  return { json, tokenizer: loadTokenizer(folder) };
};

for (const family of ["smol", "qwen", "llama"]) {
  const { json, tokenizer } = open(family);
  const expected = json("expected.json") as Expected;

  test(`${family}: encodes ${expected.cases.length} texts as Hugging Face's tokenizers do`, () => {
    for (const { text, ids } of expected.cases)
      assert.deepEqual(tokenizer.encode(text), ids, JSON.stringify(text));
  });

  test(`${family}: decodes them to the same text`, () => {
    for (const { text, ids, decodedWithoutSpecialTokens } of expected.cases)
      assert.equal(tokenizer.decode(ids), decodedWithoutSpecialTokens, JSON.stringify(text));
  });

  test(`${family}: renders chats as transformers does`, () => {
    for (const { messages, addGenerationPrompt, text, ids } of expected.chats) {
      assert.equal(tokenizer.renderChat(messages, { addGenerationPrompt }), text);
      assert.deepEqual(tokenizer.encode(text), ids);
    }
  });
}

type Nasty = {
  cases: { text: string; ids: number[]; surrounded: number[] }[];
  sequences: { ids: number[]; text: string }[];
};

for (const family of ["smol", "qwen", "llama", "llama3"]) {
  const { json, tokenizer } = open(family);
  const { cases, sequences } = json("nasty.json") as Nasty;

  test(`${family}: encodes ${cases.length} texts of joined emoji, every writing, control characters and NUL`, () => {
    for (const { text, ids, surrounded } of cases) {
      assert.deepEqual(tokenizer.encode(text), ids, JSON.stringify(text));
      assert.deepEqual(tokenizer.encodeWhole(text), [...surrounded, ...ids], JSON.stringify(text));
      assert.equal(tokenizer.addBos, surrounded.length === 1);
    }
  });

  /**
   * The one known difference: of byte tokens in a row that are not UTF-8, the reference replaces every one, and so takes back characters
   * that were whole before the next byte came. Here only what is broken is replaced, as in the byte-level families.
   */
  const comparable = sequences.filter(({ text }) => family !== "llama" || !text.includes("\uFFFD\uFFFD"));

  test(`${family}: decodes ${comparable.length} drawn token sequences, broken characters among them`, () => {
    for (const { ids, text } of comparable) assert.equal(tokenizer.decode(ids), text, ids.join());
  });
}

test("llama3: chats with tools and without, by the template of that name, and every end token", () => {
  const { json, tokenizer } = open("llama3");
  const { eosIds, chats } = json("chats.json") as {
    eosIds: number[];
    chats: { messages: ChatMessage[]; tools: ChatTool[] | null; text: string }[];
  };
  for (const { messages, tools, text } of chats)
    assert.equal(
      tokenizer.renderChat(messages, { addGenerationPrompt: true, tools: tools ?? undefined }),
      text,
    );
  assert.deepEqual(new Set(tokenizer.eosIds), new Set(eosIds));
  assert.equal(tokenizer.eosId, tokenizer.encode("<|eot_id|>")[0]);
});
