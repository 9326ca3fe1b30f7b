import { type Hex, keccak256, toRlp } from "viem";

/** One entry: the key as it is hashed into the path, and the RLP of the value. */
export type TrieEntry = { readonly key: Hex; readonly value: Hex };

/** The root of a trie without entries: keccak256(RLP("")). */
export const emptyTrieRoot: Hex = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421";

type Node = Hex | Node[];

/**
 * The root of Ethereum's secure Merkle Patricia trie (yellow paper, appendix D): paths are the nibbles of
 * keccak256(key). Two sets of entries have the same root only if they are the same set, so a root recomputed from a list
 * of accounts that equals a block's state root proves the list complete.
 *
 * @param entries in any order; keys differ
 */
export function trieRoot(entries: readonly TrieEntry[]): Hex {
  if (entries.length === 0) return emptyTrieRoot;
  const paths = entries
    .map(({ key, value }) => ({ path: keccak256(key).slice(2), value }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  return keccak256(toRlp(build(paths, 0) as Hex[]));
}

/** The node over `entries`, which share their first `depth` nibbles. */
function build(entries: readonly { path: string; value: Hex }[], depth: number): Node {
  const [first] = entries;
  const last = entries.at(-1);
  if (first === undefined || last === undefined) return "0x";
  if (entries.length === 1) return [compact(first.path.slice(depth), true), first.value];
  // Sorted: what the first and the last share, all share.
  let shared = depth;
  while (first.path[shared] === last.path[shared]) shared += 1;
  if (shared > depth)
    return [compact(first.path.slice(depth, shared), false), reference(build(entries, shared))];
  const children = Array.from({ length: 16 }, (_, nibble) => {
    const below = entries.filter(({ path }) => path[depth] === nibble.toString(16));
    return below.length === 0 ? "0x" : reference(build(below, depth + 1));
  });
  return [...children, "0x"];
}

/** A node inside its parent: itself if its RLP is shorter than a hash, else its hash. */
function reference(node: Node): Node {
  const rlp = toRlp(node as Hex[]);
  return rlp.length < 2 + 2 * 32 ? node : keccak256(rlp);
}

/** Nibbles as bytes; the first nibble says whether they are odd in number and whether the node is a leaf. */
function compact(nibbles: string, isLeaf: boolean): Hex {
  const flag = isLeaf ? 2 : 0;
  return nibbles.length % 2 === 0 ? `0x${flag}0${nibbles}` : `0x${flag + 1}${nibbles}`;
}
