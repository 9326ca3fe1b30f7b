import type { Address, Digest } from "./bytes.ts";
import { compareHex, toBytes, toHex, words } from "./bytes.ts";
import { ProtocolError } from "./error.ts";
import type { Payment } from "./payout.ts";
import type { Commitment, PositionalTree } from "./positional.ts";
import { positionalProof, positionalTree, verifyPositional } from "./positional.ts";
import type { Receipt } from "./receipt.ts";
import { hashReceipt } from "./receipt.ts";

/** What a payee has been credited in all batches of one attester so far, wei. */
export type Balance = {
  readonly payee: Address;
  /** What this batch adds; 0 for a payee that it does not pay. */
  readonly credit: bigint;
  /** The previous batch's `cumulative`, 0 for a new payee, plus `credit`. */
  readonly cumulative: bigint;
};

/** One payment of one receipt, with the payee's sum in this batch up to and including it. */
export type JournalLine = {
  readonly payee: Address;
  /** Position of the receipt in its batch. */
  readonly receiptIndex: number;
  /** Position of the payment in its receipt. */
  readonly paymentIndex: number;
  readonly amount: bigint;
  readonly runningSum: bigint;
};

/** What a batch takes from one channel: the receipts tile `[from, to)`. */
export type ChannelInterval = { readonly channelId: Digest; readonly from: bigint; readonly to: bigint };

/** A receipt and the payments its `splitDigest` stands for. */
export type SettledReceipt = { readonly receipt: Receipt; readonly payments: readonly Payment[] };

/** Everything a batch commits to, with the trees to take proofs from. */
export type Batch = {
  /** Sorted by (channelId, from). Leaf payload: the receipt's id. */
  readonly receipts: readonly SettledReceipt[];
  readonly receiptTree: PositionalTree;
  /** Strictly ascending by (payee, receiptIndex, paymentIndex). */
  readonly journal: readonly JournalLine[];
  readonly journalTree: PositionalTree;
  /** Strictly ascending by payee; everyone ever credited by this attester. */
  readonly balances: readonly Balance[];
  readonly balanceTree: PositionalTree;
  /** Sorted by channelId. `from` must equal the pointer on chain. */
  readonly channels: readonly ChannelInterval[];
  /** Σ (to − from) = Σ payments = growth of Σ balances, wei. */
  readonly total: bigint;
};

/** @returns the journal leaf's payload, `abi.encode(payee, receiptIndex, paymentIndex, amount, runningSum)`. */
export function journalPayload(line: JournalLine): Uint8Array {
  return words(line.payee, line.receiptIndex, line.paymentIndex, line.amount, line.runningSum);
}

/** @returns the balance leaf's payload, `abi.encode(payee, credit, cumulative)`. */
export function balancePayload(balance: Balance): Uint8Array {
  return words(balance.payee, balance.credit, balance.cumulative);
}

/**
 * Builds the next batch of an attester (docs/protocol.md, section 7). A pure function of its input: anyone who holds the
 * receipts builds the same roots.
 *
 * @param previousBalances - of the attester's previous batch, in any order; empty for the first
 * @param receipts - in any order; per channel they must tile one interval without gap or overlap
 * @throws ProtocolError `order` for a gap, overlap or empty interval, `sum` for payments that are not the fee
 */
export function buildBatch(
  previousBalances: readonly Pick<Balance, "payee" | "cumulative">[],
  receipts: readonly SettledReceipt[],
): Batch {
  const sorted = receipts.toSorted(
    (a, b) =>
      compareHex(a.receipt.channelId, b.receipt.channelId) ||
      (a.receipt.from < b.receipt.from ? -1 : a.receipt.from > b.receipt.from ? 1 : 0),
  );
  const channels = tile(sorted);
  const ids = sorted.map(({ receipt }) => hashReceipt(receipt));
  const journal = journalOf(sorted);
  const balances = balancesOf(previousBalances, journal);
  return {
    receipts: sorted,
    receiptTree: positionalTree(ids.map(toBytes)),
    journal,
    journalTree: positionalTree(journal.map(journalPayload)),
    balances,
    balanceTree: positionalTree(balances.map(balancePayload)),
    channels,
    total: channels.reduce((sum, { from, to }) => sum + to - from, 0n),
  };
}

/** One interval per channel; refuses receipts that leave a gap, overlap or spend nothing. */
function tile(sorted: readonly SettledReceipt[]): ChannelInterval[] {
  const channels: { channelId: Digest; from: bigint; to: bigint }[] = [];
  for (const { receipt, payments } of sorted) {
    const { from, to } = receipt;
    const channelId = toHex(receipt.channelId);
    if (to <= from)
      throw new ProtocolError(
        "order",
        `A receipt of ${channelId} must spend something; got [${from}, ${to}).`,
      );
    const paid = payments.reduce((sum, { amount }) => sum + amount, 0n);
    if (paid !== to - from)
      throw new ProtocolError(
        "sum",
        `The receipt [${from}, ${to}) of ${channelId} costs ${to - from} wei; its payments sum to ${paid}.`,
      );
    const last = channels.at(-1);
    if (last?.channelId !== channelId) channels.push({ channelId, from, to });
    else if (last.to === from) last.to = to;
    else
      throw new ProtocolError(
        "order",
        `The next receipt of ${channelId} must start at ${last.to}; got [${from}, ${to}).`,
      );
  }
  return channels;
}

function journalOf(sorted: readonly SettledReceipt[]): JournalLine[] {
  const lines = sorted.flatMap(({ payments }, receiptIndex) =>
    payments.map(({ payee, amount }, paymentIndex) => ({
      payee: toHex(payee),
      receiptIndex,
      paymentIndex,
      amount,
      runningSum: 0n,
    })),
  );
  // Array sort is stable: lines of one payee stay in the order of receipts, and of payments within a receipt.
  lines.sort((a, b) => compareHex(a.payee, b.payee));
  lines.forEach((line, i) => {
    const before = lines[i - 1];
    line.runningSum = line.amount + (before?.payee === line.payee ? before.runningSum : 0n);
  });
  return lines;
}

function balancesOf(
  previous: readonly Pick<Balance, "payee" | "cumulative">[],
  journal: readonly JournalLine[],
): Balance[] {
  const balances = new Map<Address, Balance>();
  for (const { payee, cumulative } of previous) {
    if (balances.has(toHex(payee)))
      throw new ProtocolError("order", `${payee} has two balances; a payee has one.`);
    balances.set(toHex(payee), { payee: toHex(payee), credit: 0n, cumulative });
  }
  for (const { payee, amount } of journal) {
    const { credit, cumulative } = balances.get(payee) ?? { credit: 0n, cumulative: 0n };
    balances.set(payee, { payee, credit: credit + amount, cumulative: cumulative + amount });
  }
  return [...balances.values()].sort((a, b) => compareHex(a.payee, b.payee));
}

/** A leaf of a batch and its way to the root: what `claim` and `proveWrongScore` take. */
export type LeafProof = { readonly index: number; readonly proof: readonly Digest[] };

/**
 * @returns the payee's balance leaf and its proof
 * @throws ProtocolError `not-in-list` if the attester never credited the payee
 */
export function proveBalance(batch: Batch, payee: Address): LeafProof & { readonly balance: Balance } {
  const index = batch.balances.findIndex((balance) => balance.payee === toHex(payee));
  if (index === -1) throw new ProtocolError("not-in-list", `No balance of ${payee} in this batch.`);
  return { index, proof: positionalProof(batch.balanceTree, index), balance: batch.balances[index]! };
}

/** @returns the receipt's position and its proof */
export function proveReceipt(batch: Batch, receiptId: Digest): LeafProof {
  const index = batch.receipts.findIndex(({ receipt }) => hashReceipt(receipt) === toHex(receiptId));
  if (index === -1) throw new ProtocolError("not-in-list", `No receipt ${receiptId} in this batch.`);
  return { index, proof: positionalProof(batch.receiptTree, index) };
}

/** Whether the balance is leaf `index` of the committed balances. */
export function verifyBalanceLeaf(
  balances: Commitment,
  balance: Balance,
  { index, proof }: LeafProof,
): boolean {
  return verifyPositional(balances, index, balancePayload(balance), proof);
}

/** Whether the receipt is leaf `index` of the committed receipts. */
export function verifyReceiptLeaf(
  receipts: Commitment,
  receiptId: Digest,
  { index, proof }: LeafProof,
): boolean {
  return verifyPositional(receipts, index, toBytes(receiptId), proof);
}

/** Whether the line is leaf `index` of the committed journal. */
export function verifyJournalLeaf(
  journal: Commitment,
  line: JournalLine,
  { index, proof }: LeafProof,
): boolean {
  return verifyPositional(journal, index, journalPayload(line), proof);
}
