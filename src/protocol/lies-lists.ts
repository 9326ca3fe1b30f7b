import type { Balance, JournalLine } from "./batch.ts";
import type { Address } from "./bytes.ts";
import { compareHex, sameHex } from "./bytes.ts";
import type { Lie, TilingProblem } from "./lies.ts";
import type { PublishedBatch } from "./published.ts";
import { gapOf, openBalance, openLine, openReceipt } from "./published.ts";

/** The lies that the batch's lists tell by themselves: tiling, journal and balances. No fact of the chain is needed but its intervals. */
export function* listLies(batch: PublishedBatch): Generator<Lie> {
  yield* tilingLies(batch);
  yield* journalLies(batch);
  yield* balanceLies(batch);
}

/** Walks receipts and intervals side by side: each receipt starts where the one before it ended, each channel where the chain says. */
function* tilingLies(batch: PublishedBatch): Generator<Lie> {
  const { receipts, committed } = batch;
  const { intervals } = committed;
  const of = new Map(intervals.map((interval, at) => [interval.channelId.toLowerCase(), at]));
  for (let i = 0; i <= receipts.length; i++) {
    const [before, next] = [receipts[i - 1]?.receipt, receipts[i]?.receipt];
    const problem = tilingProblem();
    if (problem === undefined) continue;
    yield {
      kind: "tiling",
      problem,
      first: before === undefined ? null : openReceipt(batch, i - 1),
      second: next === undefined ? null : openReceipt(batch, i),
      intervals,
    };

    function tilingProblem(): TilingProblem | undefined {
      const at = next === undefined ? intervals.length : of.get(next.channelId.toLowerCase());
      if (at === undefined) return "channel";
      if (next !== undefined && next.to <= next.from) return "empty";
      if (before === undefined) {
        if (at !== 0) return "channel";
        return next === undefined || next.from === intervals[0]!.from ? undefined : "start";
      }
      const last = of.get(before.channelId.toLowerCase());
      // A receipt of no channel was said at its own place.
      if (last === undefined) return undefined;
      if (last === at) return next!.from < before.to ? "order" : next!.from > before.to ? "gap" : undefined;
      if (at < last) return "order";
      if (before.to !== intervals[last]!.to) return "end";
      if (at !== last + 1) return "channel";
      return next === undefined || next.from === intervals[at]!.from ? undefined : "start";
    }
  }
}

function* journalLies(batch: PublishedBatch): Generator<Lie> {
  const { journal, receipts } = batch;
  const present = new Set(
    journal.map(({ payee, receiptIndex, paymentIndex }) => keyOf(payee, receiptIndex, paymentIndex)),
  );
  for (const [i, line] of journal.entries()) {
    const before = journal[i - 1];
    if (before !== undefined && compareLines(before, line) >= 0)
      yield { kind: "journal-order", before: openLine(batch, i - 1), line: openLine(batch, i) };
    const carried = before !== undefined && sameHex(before.payee, line.payee) ? before.runningSum : 0n;
    if (line.runningSum !== carried + line.amount)
      yield {
        kind: "journal-sum",
        before: before === undefined ? null : openLine(batch, i - 1),
        line: openLine(batch, i),
      };
    const payment = receipts[line.receiptIndex]?.payments[line.paymentIndex];
    if (payment === undefined || !sameHex(payment.payee, line.payee) || payment.amount !== line.amount)
      yield {
        kind: "journal-line",
        line: openLine(batch, i),
        receipt: line.receiptIndex < receipts.length ? openReceipt(batch, line.receiptIndex) : null,
      };
  }
  for (const [receiptIndex, { payments }] of receipts.entries())
    for (const [paymentIndex, { payee }] of payments.entries()) {
      if (present.has(keyOf(payee, receiptIndex, paymentIndex))) continue;
      const missing = { payee, receiptIndex, paymentIndex };
      const gap = gapOf(
        journal,
        (line) => compareLines(line, missing),
        (i) => openLine(batch, i),
      );
      if (gap !== undefined)
        yield { kind: "journal-payment", receipt: openReceipt(batch, receiptIndex), paymentIndex, gap };
    }
}

function* balanceLies(batch: PublishedBatch): Generator<Lie> {
  const { balances, journal, previousBalances } = batch;
  const open = (i: number) => openBalance(batch, i);
  const openPrevious = (i: number) => openBalance(batch, i, "previousBalances");
  const known = new Set(balances.map(({ payee }) => payee.toLowerCase()));
  const lastLines = new Map(journal.map((line, i) => [line.payee.toLowerCase(), i]));
  const before = new Map(previousBalances.map((balance, i) => [balance.payee.toLowerCase(), i]));

  for (const [i, balance] of balances.entries()) {
    const payee = balance.payee.toLowerCase();
    if (i > 0 && compareHex(balances[i - 1]!.payee, balance.payee) >= 0)
      yield { kind: "balance-order", before: open(i - 1), balance: open(i) };

    const last = lastLines.get(payee);
    if (balance.credit !== (last === undefined ? 0n : journal[last]!.runningSum)) {
      const lines =
        last === undefined
          ? gapOf(journal, byPayee(balance.payee), (at) => openLine(batch, at))
          : {
              before: openLine(batch, last),
              after: last + 1 < journal.length ? openLine(batch, last + 1) : null,
            };
      if (lines !== undefined) yield { kind: "balance-credit", balance: open(i), lines };
    }

    const earlier = before.get(payee);
    const carried = earlier === undefined ? 0n : previousBalances[earlier]!.cumulative;
    if (balance.cumulative !== carried + balance.credit) {
      const previous =
        earlier === undefined
          ? gapOf(previousBalances, byPayee(balance.payee), openPrevious)
          : openPrevious(earlier);
      if (previous !== undefined) yield { kind: "balance-cumulative", balance: open(i), previous };
    }
  }

  const missing = (payee: Address) => gapOf(balances, byPayee(payee), open);
  for (const [payee, at] of lastLines) {
    if (known.has(payee)) continue;
    const gap = missing(payee as Address);
    if (gap !== undefined) yield { kind: "balance-missing", because: { line: openLine(batch, at) }, gap };
  }
  for (const [payee, at] of before) {
    if (known.has(payee) || lastLines.has(payee)) continue;
    const gap = missing(payee as Address);
    if (gap !== undefined) yield { kind: "balance-missing", because: { previous: openPrevious(at) }, gap };
  }
}

const byPayee =
  (payee: Address) =>
  (element: Pick<Balance | JournalLine, "payee">): number =>
    compareHex(element.payee, payee);

type LineKey = Pick<JournalLine, "payee" | "receiptIndex" | "paymentIndex">;

/** Negative where `a` comes first. */
function compareLines(a: LineKey, b: LineKey): number {
  return compareHex(a.payee, b.payee) || a.receiptIndex - b.receiptIndex || a.paymentIndex - b.paymentIndex;
}

function keyOf(payee: Address, receiptIndex: number, paymentIndex: number): string {
  return `${payee.toLowerCase()} ${receiptIndex} ${paymentIndex}`;
}
