import type { Digest } from "./bytes.ts";
import { toBytes, toHex, zeroDigest } from "./bytes.ts";
import { ProtocolError } from "./error.ts";
import { keccak } from "./keccak.ts";

/**
 * A Merkle tree over a list whose order and completeness matter: the position of a leaf is its path.
 *
 *     leaf_i  = keccak256(keccak256(payload_i))      hashed twice, so that no leaf is also a node
 *     node    = keccak256(left ‖ right)              not sorted
 *     padding = 32 zero bytes, up to the next power of two
 *
 * The commitment is the pair (root, count): the root alone would let padding pass for a leaf.
 */
export type PositionalTree = {
  readonly root: Digest;
  /** n, the number of leaves without padding. */
  readonly count: number;
  /** levels[0] holds the 2^depth leaves, padding included, 32 bytes each; the last level is the root. */
  readonly levels: readonly Uint8Array[];
};

/** What a verifier holds: nothing more is needed to check a proof. */
export type Commitment = { readonly root: Digest; readonly count: number };

/** The most leaves a list may have: counts and positions are uint32 on chain. */
export const maxLeaves = 2 ** 32 - 1;

/** @returns ⌈log₂ count⌉, the length of every proof; 0 for lists of no or one leaf. */
export function depthOf(count: number): number {
  return count <= 1 ? 0 : 32 - Math.clz32(count - 1);
}

/** @returns `keccak256(keccak256(payload))`. */
export function positionalLeaf(payload: Uint8Array): Digest {
  return toHex(keccak(keccak(payload)));
}

/**
 * Builds the tree over payloads in the order given.
 *
 * @param payloads - one byte string per leaf, its meaning defined by the list
 * @returns the commitment and every level, to take proofs from
 */
export function positionalTree(payloads: readonly Uint8Array[]): PositionalTree {
  const count = payloads.length;
  if (count > maxLeaves)
    throw new ProtocolError("length", `A list holds at most ${maxLeaves} leaves; got ${count}.`);
  if (count === 0) return { root: zeroDigest, count, levels: [] };

  let level = new Uint8Array(32 * 2 ** depthOf(count));
  payloads.forEach((payload, i) => {
    level.set(keccak(keccak(payload)), 32 * i);
  });
  const levels = [level];
  while (level.length > 32) {
    const above = new Uint8Array(level.length / 2);
    for (let at = 0; at < above.length; at += 32) above.set(keccak(level.subarray(2 * at, 2 * at + 64)), at);
    levels.push(above);
    level = above;
  }
  return { root: toHex(level), count, levels };
}

/**
 * @param index - position of the leaf, from 0
 * @returns the `depth` siblings from the leaf up
 * @throws ProtocolError `not-in-list` if the list has no such position
 */
export function positionalProof(tree: PositionalTree, index: number): Digest[] {
  assertPosition(tree.count, index);
  return tree.levels.slice(0, -1).map((level, height) => {
    const sibling = ((index >>> height) ^ 1) >>> 0;
    return toHex(level.subarray(32 * sibling, 32 * sibling + 32));
  });
}

/**
 * Whether `payload` is leaf `index` of the committed list. Bit b of `index` says whether the node at height b is a right
 * child. Positions at or beyond the count and proofs of another length than the depth are refused.
 */
export function verifyPositional(
  commitment: Commitment,
  index: number,
  payload: Uint8Array,
  proof: readonly Digest[],
): boolean {
  const { root, count } = commitment;
  if (!Number.isInteger(index) || index < 0 || index >= count || proof.length !== depthOf(count))
    return false;
  let node = keccak(keccak(payload));
  const pair = new Uint8Array(64);
  proof.forEach((sibling, height) => {
    const right = (index >>> height) & 1;
    pair.set(node, 32 * right);
    pair.set(toBytes(sibling), 32 * (1 - right));
    node = keccak(pair);
  });
  return toHex(node) === root.toLowerCase();
}

/** One opened leaf: what it holds and why it is there. */
export type Opening = { readonly payload: Uint8Array; readonly proof: readonly Digest[] };

/**
 * Whether the two payloads are neighbours at `index` and `index + 1`: nothing lies between them, so a sorted list that
 * should hold something in between provably omits it.
 */
export function verifyAdjacent(
  commitment: Commitment,
  index: number,
  first: Opening,
  second: Opening,
): boolean {
  return (
    verifyPositional(commitment, index, first.payload, first.proof) &&
    verifyPositional(commitment, index + 1, second.payload, second.proof)
  );
}

function assertPosition(count: number, index: number): void {
  if (!Number.isInteger(index) || index < 0 || index >= count)
    throw new ProtocolError("not-in-list", `The list has positions 0 to ${count - 1}; got ${index}.`);
}
