import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { concat, keccak256 } from "viem";
import type { Digest } from "./index.ts";
import {
  depthOf,
  positionalLeaf,
  positionalProof,
  positionalTree,
  toHex,
  verifyAdjacent,
  verifyPositional,
  words,
  zeroDigest,
} from "./index.ts";

const list = (count: number) => Array.from({ length: count }, (_, i) => words(i * i + 1));

/** The definition once more, as plainly as it can be said. */
function slowRoot(payloads: readonly Uint8Array[]): Digest {
  if (payloads.length === 0) return zeroDigest;
  const nodes = payloads.map(positionalLeaf);
  while (nodes.length & (nodes.length - 1)) nodes.push(zeroDigest);
  const fold = (level: Digest[]): Digest =>
    level.length === 1
      ? level[0]!
      : fold(
          Array.from({ length: level.length / 2 }, (_, i) =>
            keccak256(concat([level[2 * i]!, level[2 * i + 1]!])),
          ),
        );
  return fold(nodes);
}

test("roots follow the definition for every shape up to 40 leaves", () => {
  for (let count = 0; count <= 40; count++)
    assert.equal(positionalTree(list(count)).root, slowRoot(list(count)));
});

test("the depth is ⌈log₂ count⌉", () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5, 8, 9, 1_000, 2 ** 31, 2 ** 31 + 1].map(depthOf),
    [0, 0, 1, 2, 2, 3, 3, 4, 10, 31, 32],
  );
});

test("every leaf is proven at its own position and nowhere else", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 70 }), fc.nat(), fc.nat(), (count, a, b) => {
      const payloads = list(count);
      const tree = positionalTree(payloads);
      const index = a % count;
      const proof = positionalProof(tree, index);
      assert.ok(verifyPositional(tree, index, payloads[index]!, proof));
      const elsewhere = b % (2 * count);
      if (elsewhere !== index) assert.ok(!verifyPositional(tree, elsewhere, payloads[index]!, proof));
      if (count > 1) assert.ok(!verifyPositional(tree, index, payloads[(index + 1) % count]!, proof));
    }),
  );
});

test("padding, other lengths and inner nodes are no leaves", () => {
  const payloads = list(5);
  const tree = positionalTree(payloads);
  const proof = positionalProof(tree, 4);
  assert.ok(verifyPositional(tree, 4, payloads[4]!, proof));
  assert.ok(!verifyPositional(tree, 4, payloads[4]!, proof.slice(1)));
  assert.ok(!verifyPositional(tree, 4, payloads[4]!, [...proof, zeroDigest]));
  assert.ok(!verifyPositional({ root: zeroDigest, count: 0 }, 0, new Uint8Array(), []));
  for (const index of [5, 7, 8, -1, 0.5, Number.NaN]) {
    assert.ok(!verifyPositional(tree, index, payloads[4]!, proof));
    assert.throws(() => positionalProof(tree, index), { code: "not-in-list" });
  }
  const inner = tree.levels[1]!.subarray(0, 32);
  assert.ok(!verifyPositional({ root: tree.root, count: 4 }, 0, inner, positionalProof(tree, 0).slice(1)));
  assert.equal(toHex(tree.levels[0]!.subarray(5 * 32, 6 * 32)), zeroDigest);
});

test("two neighbours prove that nothing lies between", () => {
  const payloads = list(6);
  const tree = positionalTree(payloads);
  const open = (index: number) => ({ payload: payloads[index]!, proof: positionalProof(tree, index) });
  assert.ok(verifyAdjacent(tree, 2, open(2), open(3)));
  assert.ok(!verifyAdjacent(tree, 2, open(2), open(4)));
  assert.ok(!verifyAdjacent(tree, 5, open(5), open(5)));
});
