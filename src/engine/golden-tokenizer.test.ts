/** The tokenizer against Hugging Face's own on texts chosen to hurt; `scripts/golden.py` made the fixtures. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type ChatMessage, loadTokenizer } from "./index.ts";

type Expected = {
  vocabSize: number;
  cases: { text: string; ids: number[]; decodedWithoutSpecialTokens: string }[];
  chats: { messages: ChatMessage[]; addGenerationPrompt: boolean; text: string; ids: number[] }[];
};

/**
 * The one known difference: where bytes stand in for a character that the vocabulary lacks, `@huggingface/tokenizers` 0.2.0 reads a
 * byte order mark (U+FEFF) at the head of a run as an instruction to the decoder and drops it.
 */
const reachable = (family: string, text: string) =>
  family === "llama" ? text.replaceAll("\ufeff", "") : text;

for (const family of ["smol", "qwen", "llama"]) {
  const folder = join(import.meta.dirname, "fixtures", `tokenizer-${family}`);
  const expected = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8")) as Expected;
  const tokenizer = loadTokenizer(folder);

  test(`${family}: encodes ${expected.cases.length} texts as Hugging Face's tokenizers do`, () => {
    for (const { text, ids } of expected.cases)
      assert.deepEqual(tokenizer.encode(text), ids, JSON.stringify(text));
  });

  test(`${family}: decodes them to the same text`, () => {
    for (const { text, ids, decodedWithoutSpecialTokens } of expected.cases)
      assert.equal(
        tokenizer.decode(ids),
        reachable(family, decodedWithoutSpecialTokens),
        JSON.stringify(text),
      );
  });

  test(`${family}: renders chats as transformers does`, () => {
    for (const { messages, addGenerationPrompt, text, ids } of expected.chats) {
      assert.equal(tokenizer.renderChat(messages, { addGenerationPrompt }), text);
      assert.deepEqual(tokenizer.encode(text), ids);
    }
  });
}
