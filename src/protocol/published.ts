import type { Balance, ChannelInterval, JournalLine, LeafProof } from "./batch.ts";
import { balancePayload, journalPayload } from "./batch.ts";
import type { Address, Digest, Hex } from "./bytes.ts";
import { sameHex, toBytes, zeroDigest } from "./bytes.ts";
import { bytesDigest } from "./digest.ts";
import type { Payment } from "./payout.ts";
import { splitDigest } from "./payout.ts";
import type { Commitment, PositionalTree } from "./positional.ts";
import { positionalProof, positionalTree } from "./positional.ts";
import type { Receipt } from "./receipt.ts";
import { hashReceipt } from "./receipt.ts";

/** A receipt with what its digests stand for, as bytes: a lie may be that they are not well formed. */
export type OpenedReceipt = {
  readonly receipt: Receipt;
  /** The listed scores as they were hashed, 12 bytes an entry. */
  readonly scores: Hex;
  /** q, k big-endian int16; no bytes without attribution. */
  readonly query: Hex;
  readonly payments: readonly Payment[];
};

/** Everything a batch's roots stand for, as its attester published it. */
export type BatchContent = {
  readonly receipts: readonly OpenedReceipt[];
  readonly journal: readonly JournalLine[];
  readonly balances: readonly Balance[];
  /** Of the batch before, which this one is built on; empty for the first. */
  readonly previousBalances: readonly Balance[];
};

/** What the chain holds of a batch. */
export type CommittedBatch = {
  readonly attester: Address;
  readonly number: number;
  readonly receipts: Commitment;
  readonly journal: Commitment;
  readonly balances: Commitment;
  /** Of the batch before; `noBalances` for the first. */
  readonly previousBalances: Commitment;
  /** Strictly ascending by channelId. */
  readonly intervals: readonly ChannelInterval[];
  /** Time of the block that settled it, seconds. */
  readonly settledAt: bigint;
};

/** What an attester's first batch is built on. */
export const noBalances: Commitment = { root: zeroDigest, count: 0 };

/** A list, or one receipt's lists, that is not what was committed: nobody can prove anything about it until it is demanded. */
export type Withheld =
  | { readonly list: "receipts" | "journal" | "balances" | "previousBalances" }
  | { readonly list: "receipt"; readonly index: number; readonly digest: "scores" | "query" | "payments" };

/** A batch whose content is what it committed to, with the trees to take proofs from. */
export type PublishedBatch = BatchContent & {
  readonly committed: CommittedBatch;
  readonly trees: Record<"receipts" | "journal" | "balances" | "previousBalances", PositionalTree>;
};

/**
 * Compares what was published with what was committed.
 *
 * @returns the batch; with `withheld` where the content is not what its roots and digests stand for
 */
export function openBatch(
  committed: CommittedBatch,
  content: BatchContent,
): { readonly batch: PublishedBatch; readonly withheld: readonly Withheld[] } {
  const trees = {
    receipts: positionalTree(content.receipts.map(({ receipt }) => toBytes(hashReceipt(receipt)))),
    journal: positionalTree(content.journal.map(journalPayload)),
    balances: positionalTree(content.balances.map(balancePayload)),
    previousBalances: positionalTree(content.previousBalances.map(balancePayload)),
  };
  const withheld: Withheld[] = [];
  for (const list of ["receipts", "journal", "balances", "previousBalances"] as const)
    if (trees[list].count !== committed[list].count || !sameHex(trees[list].root, committed[list].root))
      withheld.push({ list });
  content.receipts.forEach(({ receipt, scores, query, payments }, index) => {
    const lists = [
      ["scores", bytesDigest(scores), receipt.scoresDigest],
      ["query", bytesDigest(query), receipt.queryDigest],
      ["payments", splitDigest(payments), receipt.splitDigest],
    ] as const;
    for (const [digest, given, expected] of lists)
      if (!sameHex(given, expected)) withheld.push({ list: "receipt", index, digest });
  });
  return { batch: { ...content, committed, trees }, withheld };
}

/** A receipt of a batch, opened, with its place. */
export type ReceiptOpening = OpenedReceipt & LeafProof;
/** A journal line with its place. */
export type LineOpening = LeafProof & { readonly line: JournalLine };
/** A balance with its place. */
export type BalanceOpening = LeafProof & { readonly balance: Balance };
/**
 * Two neighbours of a list, between which nothing lies: the elements before and at position `boundary`; null at the list's
 * ends, where a side does not exist.
 */
export type Around<Opening> = {
  readonly boundary: number;
  readonly left: Opening | null;
  readonly right: Opening | null;
};

export function openReceipt(batch: PublishedBatch, index: number): ReceiptOpening {
  return { ...batch.receipts[index]!, index, proof: proofOf(batch.trees.receipts, index) };
}

export function openLine(batch: PublishedBatch, index: number): LineOpening {
  return { line: batch.journal[index]!, index, proof: proofOf(batch.trees.journal, index) };
}

export function openBalance(
  batch: PublishedBatch,
  index: number,
  list: "balances" | "previousBalances" = "balances",
): BalanceOpening {
  return { balance: batch[list][index]!, index, proof: proofOf(batch.trees[list], index) };
}

function proofOf(tree: PositionalTree, index: number): readonly Digest[] {
  return positionalProof(tree, index);
}

/** What stands on both sides of a boundary of a list of `count`. */
export function around<Opening>(
  count: number,
  boundary: number,
  open: (index: number) => Opening,
): Around<Opening> {
  return {
    boundary,
    left: boundary === 0 ? null : open(boundary - 1),
    right: boundary === count ? null : open(boundary),
  };
}

/**
 * The boundary at which something would have to lie, in a list that was meant to be sorted.
 *
 * @param compare - negative where an element comes before what is looked for, positive where it comes after
 * @returns undefined if no two neighbours leave room for it: it is in the list, or the list is out of order there
 */
export function boundaryOf<T>(list: readonly T[], compare: (element: T) => number): number | undefined {
  for (let boundary = 0; boundary <= list.length; boundary++) {
    const comesAfterLeft = boundary === 0 || compare(list[boundary - 1]!) < 0;
    const comesBeforeRight = boundary === list.length || compare(list[boundary]!) > 0;
    if (comesAfterLeft && comesBeforeRight) return boundary;
  }
  return undefined;
}
