import assert from "node:assert/strict";
import { test } from "node:test";
import { createPrefixCache } from "./prefix-cache.ts";

const blockTokens = 4;
const bytes = (blocks: number) => blocks * blockTokens * 4;
const ids = (length: number) => Array.from({ length }, (_, i) => i);

/** A cache that holds so many blocks, of which each holds its own positions; and how many were copied into it. */
function watched(blocks: number) {
  const cache = createPrefixCache({ bytes: bytes(blocks), blockTokens });
  let reads = 0;
  const keep = (model: string, prompt: readonly number[]) =>
    cache.keep(model, prompt, (from, to) => {
      reads++;
      return Float32Array.from({ length: to - from }, (_, i) => from + i);
    });
  return { ...cache, keep, reads: () => reads };
}
const starts = (blocks: readonly Float32Array[]) => blocks.map(([first]) => first);

test("of a prompt longer than the cache its beginning is kept, and no more is copied than fits", () => {
  const cache = watched(3);
  cache.keep("a", ids(400));
  assert.ok(cache.reads() <= 4, `${cache.reads()} blocks were copied`);
  assert.deepEqual(starts(cache.find("a", ids(400))), [0, 4, 8]);
  cache.keep("a", ids(400));
  assert.ok(cache.reads() <= 5, `${cache.reads()} blocks were copied`);
  assert.equal(cache.metrics().prefixBytes, bytes(3));
});

test("nothing is copied where nothing is kept", () => {
  const cache = watched(0);
  cache.keep("a", ids(40));
  assert.equal(cache.reads(), 0);
});

test("a beginning is found under its own model and tokens only, and a token is left to compute", () => {
  const cache = watched(10);
  cache.keep("a", ids(8));
  assert.deepEqual(starts(cache.find("a", ids(8))), [0]);
  assert.deepEqual(starts(cache.find("a", ids(9))), [0, 4]);
  assert.deepEqual(starts(cache.find("a", [0, 1, 2, 3, 4, 5, 6, 8, 8])), [0]);
  assert.deepEqual(cache.find("b", ids(9)), []);
  assert.deepEqual(cache.find("a", [1, ...ids(8)]), []);
});

test("the least recently used blocks leave, the end of a beginning first", () => {
  const cache = watched(4);
  cache.keep("a", ids(8));
  cache.keep("b", ids(8));
  cache.find("a", ids(9));
  cache.keep("c", ids(4));
  assert.equal(cache.metrics().prefixBytes, bytes(4));
  assert.deepEqual(starts(cache.find("b", ids(9))), [0]);
  assert.deepEqual(starts(cache.find("a", ids(9))), [0, 4]);
});
