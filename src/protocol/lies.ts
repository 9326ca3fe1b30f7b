import type { FeeSplit } from "./apportion.ts";
import type { ChannelInterval } from "./batch.ts";
import type { Address, Digest, Hex } from "./bytes.ts";
import { listLies } from "./lies-lists.ts";
import { receiptLies } from "./lies-receipt.ts";
import type { DatanetPayee, HeadPayees, Payment } from "./payout.ts";
import type { Around, BalanceOpening, LineOpening, PublishedBatch, ReceiptOpening } from "./published.ts";
import type { IndexRow } from "./row.ts";

/** A row of a release's pay index with its proof: what a chain computes a score from. */
export type RowOpening = {
  readonly row: number;
  readonly payee: Address;
  readonly bytes: Hex;
  /** Of the bytes. */
  readonly digest: Digest;
  readonly proof: readonly Digest[];
};

/** What the chain says of a release. */
export type ReleaseFacts = {
  /** Seconds. */
  readonly publishedAt: bigint;
  readonly promptWeiPerToken: bigint;
  readonly completionWeiPerToken: bigint;
  /** Of the pay index: all rows, the contributors among them, dimensions and threshold factor. */
  readonly root: Digest;
  readonly rows: number;
  readonly contributors: number;
  readonly k: number;
  readonly thresholdMillionths: number;
};

/** Whom the chain says a receipt pays, at the time it was issued. */
export type TermsFacts = {
  readonly split: FeeSplit;
  readonly payees: HeadPayees;
  /** One per Datanet version of the release, in its order. */
  readonly datanets: readonly DatanetPayee[];
};

/** What one receipt is judged by. */
export type ReceiptFacts = {
  /** Null for a release that was never published. */
  readonly release: ReleaseFacts | null;
  /** Null with `release`. */
  readonly terms: TermsFacts | null;
  /** The whole pay index, where it is at hand: without it scores, threshold and omissions stay unchecked. */
  readonly index: { readonly rows: readonly IndexRow[]; open(row: number): RowOpening } | null;
  /** Whether the batch could hold receipts of the release when it was settled: attested, or the network did not ask for that. */
  readonly settleable: boolean;
};

/** Where the intervals that the chain recorded and the receipts do not tile. */
export type TilingProblem = "empty" | "order" | "gap" | "start" | "end" | "channel";

/**
 * A lie of a batch with everything that proves it. What counts as one is said in docs/protocol.md, section 8, and judged by
 * the chain in the same words.
 */
export type Lie =
  /** The receipt names a release that was never published. */
  | { readonly kind: "release"; readonly receipt: ReceiptOpening }
  /** The answer does not cost what the release asks for its tokens, wei. */
  | { readonly kind: "fee"; readonly receipt: ReceiptOpening; readonly expected: bigint }
  /** Issued before its release was published, or after its batch was settled. */
  | { readonly kind: "time"; readonly receipt: ReceiptOpening }
  /** The release was not attested when the batch was settled, where the network asks for that. */
  | { readonly kind: "attestation"; readonly receipt: ReceiptOpening }
  /** Entry `position` of the list is wrong; `row` is null where no row is needed to see it. */
  | {
      readonly kind: "score";
      readonly receipt: ReceiptOpening;
      readonly position: number;
      readonly row: RowOpening | null;
    }
  /** The threshold is not what `nullRow` gives, or lower than that. */
  | {
      readonly kind: "threshold";
      readonly receipt: ReceiptOpening;
      readonly nullRow: number;
      readonly row: RowOpening | null;
    }
  /** A contributor above the threshold is not listed. */
  | {
      readonly kind: "omission";
      readonly receipt: ReceiptOpening;
      readonly contributor: number;
      readonly row: RowOpening;
    }
  /** The payments are not what section 5 gives; `position` is the first that is not. */
  | {
      readonly kind: "split";
      readonly receipt: ReceiptOpening;
      readonly position: number;
      readonly expected: Payment | null;
      /** The right parts of each division, in which zeros are not left out. */
      readonly parts: SplitParts;
      /** Opens the row of the contributor that payment should go to, where it should go to one. */
      readonly row: RowOpening | null;
    }
  /** Receipts that are neighbours, or the ends of the list, do not tile the channels' intervals. */
  | {
      readonly kind: "tiling";
      readonly problem: TilingProblem;
      readonly around: Around<ReceiptOpening>;
      readonly intervals: readonly ChannelInterval[];
    }
  /** Two neighbouring lines do not ascend. */
  | { readonly kind: "journal-order"; readonly around: Around<LineOpening> }
  /** The right line's running sum does not follow from the left one, or from nothing. */
  | { readonly kind: "journal-sum"; readonly around: Around<LineOpening> }
  /** The line is not the payment it names; `receipt` is null where the batch has no such receipt. */
  | { readonly kind: "journal-line"; readonly line: LineOpening; readonly receipt: ReceiptOpening | null }
  /** A payment of a receipt has no line. */
  | {
      readonly kind: "journal-payment";
      readonly receipt: ReceiptOpening;
      readonly paymentIndex: number;
      readonly around: Around<LineOpening>;
    }
  /** Two neighbouring balances do not ascend. */
  | { readonly kind: "balance-order"; readonly around: Around<BalanceOpening> }
  /** The credit is not what the payee's last line sums to, 0 without one; `lines` is where the payee's lines end, or would be. */
  | {
      readonly kind: "balance-credit";
      readonly balance: BalanceOpening;
      readonly lines: Around<LineOpening>;
    }
  /** The cumulative amount is not the previous one, 0 without one, plus the credit; `previous` is where the payee stands, or would. */
  | {
      readonly kind: "balance-cumulative";
      readonly balance: BalanceOpening;
      readonly previous: Around<BalanceOpening>;
    }
  /** Someone whom the journal credits, or who had a balance before, has none. */
  | {
      readonly kind: "balance-missing";
      readonly payee: Address;
      readonly because: { readonly line: LineOpening } | { readonly previous: BalanceOpening };
      readonly around: Around<BalanceOpening>;
    };

/** The right parts of the divisions of one fee, wei. */
export type SplitParts = {
  /** Operator, treasury, developer, stakers, data. */
  readonly heads: readonly bigint[];
  /** One for each Datanet version. */
  readonly owners: readonly bigint[];
  /** One for each listed score or, if none is listed, for each Datanet version. */
  readonly influence: readonly bigint[];
};

export type LieKind = Lie["kind"];

/**
 * Every lie of a published batch, in the order of its lists. A pure function of what anyone can read: an honest batch has
 * none, and one that has any can be undone with the evidence returned. At most one lie a kind and receipt, line or balance.
 *
 * Lazy, so that whoever needs one lie does not pay for all, and can pause between receipts.
 *
 * @param batch - as `openBatch` gives it with nothing withheld
 * @param factsOf - what the chain says about a receipt
 */
export function* findLies(
  batch: PublishedBatch,
  factsOf: (receipt: PublishedBatch["receipts"][number]["receipt"]) => ReceiptFacts,
): Generator<Lie> {
  yield* listLies(batch);
  for (let index = 0; index < batch.receipts.length; index++)
    yield* receiptLies(batch, index, factsOf(batch.receipts[index]!.receipt));
}
