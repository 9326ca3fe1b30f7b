import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Digest } from "../protocol/index.ts";
import { diffVersions } from "./diff.ts";

type Content = Parameters<typeof diffVersions>[0];

/** Rows by the numbers of their example and consent. */
function content(train: readonly [number, number][], heldout: readonly [number, number][] = []): Content {
  const hex = (n: number): Digest => `0x${n.toString(16).padStart(64, "0")}`;
  const row = ([example, consent]: readonly [number, number]) => ({
    ...{ exampleDigest: hex(example), consentDigest: hex(consent), contributor: hex(consent).slice(0, 42) },
    example: { prompt: `${example}`, completion: "x" },
  });
  return { rows: train.map(row), heldout: heldout.map(row) } as unknown as Content;
}

test("a row is the same where its example, its consent and its split are", () => {
  const before = content(
    [
      [1, 1],
      [2, 1],
      [3, 1],
    ],
    [[4, 1]],
  );
  const after = content(
    [
      [2, 1],
      [1, 2],
      [4, 1],
    ],
    [[3, 1]],
  );
  const { added, removed, kept, rows } = diffVersions(before, after);
  assert.deepEqual([added, removed, kept], [3, 3, 1]);
  assert.deepEqual(
    rows.map(({ change, split, example }) => [change, split, "prompt" in example && example.prompt]),
    [
      ["removed", "train", "1"],
      ["removed", "train", "3"],
      ["removed", "heldout", "4"],
      ["added", "train", "1"],
      ["added", "train", "4"],
      ["added", "heldout", "3"],
    ],
  );
});

test("what is kept and removed is what was there, what is kept and added is what is there; turned round it is the other way", () => {
  const pairs = fc.uniqueArray(fc.tuple(fc.nat(9), fc.nat(3)), { selector: ([a, b]) => a * 10 + b });
  fc.assert(
    fc.property(pairs, pairs, (a, b) => {
      const [from, to] = [content(a), content(b)];
      const forth = diffVersions(from, to);
      const back = diffVersions(to, from);
      assert.equal(forth.kept + forth.removed, a.length);
      assert.equal(forth.kept + forth.added, b.length);
      assert.deepEqual([back.added, back.removed], [forth.removed, forth.added]);
    }),
  );
});
