import assert from "node:assert/strict";
import { test } from "node:test";
import { StandardMerkleTree } from "@openzeppelin/merkle-tree";
import type { VersionLeaf } from "./index.ts";
import { textDigest, verifyVersionLeaf, versionLeafHash, versionProof, versionTree } from "./index.ts";

const leaves = (count: number): VersionLeaf[] =>
  Array.from({ length: count }, (_, index) => ({
    index,
    exampleDigest: textDigest(`example ${index}`),
    contributor: `0x${(index + 1).toString(16).padStart(40, "0")}`,
    licenseDigest: textDigest("MIT"),
    consentDigest: textDigest(`consent ${index}`),
  }));

test("the tree is OpenZeppelin's, root and proofs, for every count up to 33", () => {
  for (let count = 1; count <= 33; count++) {
    const ours = versionTree(leaves(count));
    const theirs = StandardMerkleTree.of(
      leaves(count).map((leaf) => [
        BigInt(leaf.index),
        leaf.exampleDigest,
        leaf.contributor,
        leaf.licenseDigest,
        leaf.consentDigest,
      ]),
      ["uint256", "bytes32", "address", "bytes32", "bytes32"],
    );
    assert.equal(ours.root, theirs.root);
    for (const { index } of leaves(count))
      assert.deepEqual(versionProof(ours, index), theirs.getProof(index));
  }
});

test("a leaf is proven, a changed leaf is not", () => {
  const all = leaves(11);
  const tree = versionTree(all);
  const proof = versionProof(tree, 6);
  assert.ok(verifyVersionLeaf(tree.root, all[6]!, proof));
  assert.ok(!verifyVersionLeaf(tree.root, { ...all[6]!, index: 7 }, proof));
  assert.ok(!verifyVersionLeaf(tree.root, all[5]!, proof));
  assert.notEqual(versionLeafHash(all[5]!), versionLeafHash(all[6]!));
});

test("empty versions and leaves out of place are refused", () => {
  assert.throws(() => versionTree([]), { code: "length" });
  assert.throws(() => versionTree(leaves(3).toReversed()), { code: "order" });
  assert.throws(() => versionProof(versionTree(leaves(3)), 3), { code: "not-in-list" });
});
