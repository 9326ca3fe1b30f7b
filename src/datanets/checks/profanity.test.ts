import assert from "node:assert/strict";
import { test } from "node:test";
import { checkRow } from "./each-row.ts";
import { profanityCheck } from "./profanity.ts";

const found = async (text: string) => {
  const row = checkRow({ line: 1, digest: `0x${"0".repeat(64)}`, example: { prompt: "", completion: text } });
  return (await profanityCheck().run([row]))[0]?.details?.count ?? 0;
};

test("a long text full of exceptions takes seconds at most, and none of them is taken for what it is an exception to", async () => {
  const beganMs = performance.now();
  assert.equal(await found("kung fu ".repeat(30_000)), 0);
  assert.ok(performance.now() - beganMs < 8_000, "all matches against all exceptions would take minutes");
});

test("what stands where a long text is parted is found once", async () => {
  for (const before of [4_000, 4_090, 4_092, 4_094, 4_095, 4_096, 4_097, 8_190])
    assert.equal(await found(`${"x ".repeat(before).slice(0, before - 1)} fuck ${"x ".repeat(5_000)}`), 1);
});
