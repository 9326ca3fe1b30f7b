import type { Balance, JournalLine } from "./batch.ts";
import type { Address } from "./bytes.ts";
import { compareHex, sameHex } from "./bytes.ts";
import type { Lie, TilingProblem } from "./lies.ts";
import type { PublishedBatch } from "./published.ts";
import { around, boundaryOf, openBalance, openLine, openReceipt } from "./published.ts";

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
      around: around(receipts.length, i, (at) => openReceipt(batch, at)),
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
  const open = (i: number) => openLine(batch, i);
  const present = new Set(
    journal.map(({ payee, receiptIndex, paymentIndex }) => keyOf(payee, receiptIndex, paymentIndex)),
  );
  for (const [i, line] of journal.entries()) {
    const before = journal[i - 1];
    if (before !== undefined && compareLines(before, line) >= 0)
      yield { kind: "journal-order", around: around(journal.length, i, open) };
    const carried = before !== undefined && sameHex(before.payee, line.payee) ? before.runningSum : 0n;
    // As the chain adds: a sum that wraps around needs an amount that no receipt pays.
    if (line.runningSum !== BigInt.asUintN(256, carried + line.amount))
      yield { kind: "journal-sum", around: around(journal.length, i, open) };
    const payment = receipts[line.receiptIndex]?.payments[line.paymentIndex];
    if (payment === undefined || !sameHex(payment.payee, line.payee) || payment.amount !== line.amount)
      yield {
        kind: "journal-line",
        line: open(i),
        receipt: line.receiptIndex < receipts.length ? openReceipt(batch, line.receiptIndex) : null,
      };
  }
  for (const [receiptIndex, { payments }] of receipts.entries())
    for (const [paymentIndex, { payee }] of payments.entries()) {
      if (present.has(keyOf(payee, receiptIndex, paymentIndex))) continue;
      const missing = { payee, receiptIndex, paymentIndex };
      const boundary = boundaryOf(journal, (line) => compareLines(line, missing));
      if (boundary !== undefined)
        yield {
          kind: "journal-payment",
          receipt: openReceipt(batch, receiptIndex),
          paymentIndex,
          around: around(journal.length, boundary, open),
        };
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
      yield { kind: "balance-order", around: around(balances.length, i, open) };

    const last = lastLines.get(payee);
    if (balance.credit !== (last === undefined ? 0n : journal[last]!.runningSum)) {
      const boundary = endOf(journal, last, balance.payee);
      if (boundary !== undefined)
        yield {
          kind: "balance-credit",
          balance: open(i),
          lines: around(journal.length, boundary, (at) => openLine(batch, at)),
        };
    }

    const earlier = before.get(payee);
    const carried = earlier === undefined ? 0n : previousBalances[earlier]!.cumulative;
    if (balance.cumulative !== carried + balance.credit) {
      const boundary = endOf(previousBalances, earlier, balance.payee);
      if (boundary !== undefined)
        yield {
          kind: "balance-cumulative",
          balance: open(i),
          previous: around(previousBalances.length, boundary, openPrevious),
        };
    }
  }

  for (const [payee, at] of [...lastLines, ...before] as [Address, number][]) {
    if (known.has(payee)) continue;
    known.add(payee);
    const boundary = boundaryOf(balances, byPayee(payee));
    if (boundary === undefined) continue;
    const because = lastLines.has(payee) ? { line: openLine(batch, at) } : { previous: openPrevious(at) };
    yield { kind: "balance-missing", payee, because, around: around(balances.length, boundary, open) };
  }
}

/**
 * Where a payee's elements end: behind its last one, or where it would stand.
 *
 * @param last - position of its last element
 * @returns undefined where the list is out of order there
 */
function endOf(
  list: readonly Pick<Balance | JournalLine, "payee">[],
  last: number | undefined,
  payee: Address,
): number | undefined {
  if (last === undefined) return boundaryOf(list, byPayee(payee));
  const next = list[last + 1];
  return next === undefined || compareHex(payee, next.payee) < 0 ? last + 1 : undefined;
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
