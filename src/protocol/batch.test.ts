import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Address, Digest, Receipt, SettledReceipt } from "./index.ts";
import {
  buildBatch,
  hashReceipt,
  positionalProof,
  proveBalance,
  proveReceipt,
  splitDigest,
  textDigest,
  verifyBalanceLeaf,
  verifyJournalLeaf,
  verifyReceiptLeaf,
  zeroDigest,
} from "./index.ts";

const at = (n: number): Address => `0x${n.toString(16).padStart(40, "0")}`;

function settled(
  channelId: Digest,
  from: bigint,
  amounts: readonly (readonly [number, bigint])[],
): SettledReceipt {
  const payments = amounts.map(([payee, amount]) => ({ payee: at(payee), amount }));
  const receipt: Receipt = {
    channelId,
    from,
    to: from + payments.reduce((sum, { amount }) => sum + amount, 0n),
    releaseId: zeroDigest,
    requestDigest: zeroDigest,
    responseDigest: zeroDigest,
    promptTokens: 1,
    completionTokens: 1,
    queryDigest: zeroDigest,
    scoresDigest: zeroDigest,
    thresholdRow: 0,
    threshold: 0n,
    splitDigest: splitDigest(payments),
    issuedAt: 1n,
  };
  return { receipt, payments };
}

const [one, two] = [textDigest("one"), textDigest("two")].sort() as [Digest, Digest];

test("journal and balances, spelled out", () => {
  const batch = buildBatch(
    [
      { payee: at(9), cumulative: 100n },
      { payee: at(5), cumulative: 7n },
    ],
    [
      settled(two, 40n, [
        [5, 3n],
        [6, 2n],
      ]),
      settled(one, 10n, [[5, 1n]]),
      settled(one, 0n, [
        [6, 4n],
        [5, 2n],
        [6, 4n],
      ]),
    ],
  );
  assert.deepEqual(batch.channels, [
    { channelId: one, from: 0n, to: 11n },
    { channelId: two, from: 40n, to: 45n },
  ]);
  assert.equal(batch.total, 16n);
  assert.deepEqual(
    batch.journal.map(({ payee, receiptIndex, paymentIndex, amount, runningSum }) => [
      payee,
      receiptIndex,
      paymentIndex,
      amount,
      runningSum,
    ]),
    [
      [at(5), 0, 1, 2n, 2n],
      [at(5), 1, 0, 1n, 3n],
      [at(5), 2, 0, 3n, 6n],
      [at(6), 0, 0, 4n, 4n],
      [at(6), 0, 2, 4n, 8n],
      [at(6), 2, 1, 2n, 10n],
    ],
  );
  assert.deepEqual(batch.balances, [
    { payee: at(5), credit: 6n, cumulative: 13n },
    { payee: at(6), credit: 10n, cumulative: 10n },
    { payee: at(9), credit: 0n, cumulative: 100n },
  ]);
});

test("every leaf proves itself", () => {
  const batch = buildBatch(
    [],
    [settled(one, 0n, [[1, 1n]]), settled(two, 0n, [[2, 2n]]), settled(two, 2n, [[1, 5n]])],
  );
  for (const balance of batch.balances) {
    const proof = proveBalance(batch, balance.payee);
    assert.ok(verifyBalanceLeaf(batch.balanceTree, balance, proof));
    assert.ok(
      !verifyBalanceLeaf(batch.balanceTree, { ...balance, cumulative: balance.cumulative + 1n }, proof),
    );
  }
  for (const { receipt } of batch.receipts) {
    const id = hashReceipt(receipt);
    assert.ok(verifyReceiptLeaf(batch.receiptTree, id, proveReceipt(batch, id)));
  }
  batch.journal.forEach((line, index) => {
    assert.ok(
      verifyJournalLeaf(batch.journalTree, line, { index, proof: positionalProof(batch.journalTree, index) }),
    );
  });
  assert.throws(() => proveBalance(batch, at(3)), { code: "not-in-list" });
  assert.throws(() => proveReceipt(batch, zeroDigest), { code: "not-in-list" });
});

test("gaps, overlaps, empty receipts and wrong sums are refused", () => {
  assert.throws(() => buildBatch([], [settled(one, 0n, [[1, 5n]]), settled(one, 6n, [[1, 5n]])]), {
    code: "order",
  });
  assert.throws(() => buildBatch([], [settled(one, 0n, [[1, 5n]]), settled(one, 4n, [[1, 5n]])]), {
    code: "order",
  });
  assert.throws(() => buildBatch([], [settled(one, 0n, [])]), { code: "order" });
  const honest = settled(one, 0n, [[1, 5n]]);
  assert.throws(() => buildBatch([], [{ ...honest, payments: [{ payee: at(1), amount: 4n }] }]), {
    code: "sum",
  });
});

test("total, journal and growth of balances agree, and the order of input does not matter", () => {
  const payment = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.bigInt({ min: 1n, max: 10n ** 20n }));
  const answers = fc.array(fc.tuple(fc.boolean(), fc.array(payment, { minLength: 1, maxLength: 5 })), {
    maxLength: 25,
  });
  fc.assert(
    fc.property(answers, fc.array(fc.nat(1_000), { minLength: 7, maxLength: 7 }), (list, before) => {
      const next = new Map<Digest, bigint>();
      const receipts = list.map(([first, amounts]) => {
        const channel = first ? one : two;
        const receipt = settled(channel, next.get(channel) ?? 3n, amounts);
        next.set(channel, receipt.receipt.to);
        return receipt;
      });
      const previous = before.map((cumulative, i) => ({ payee: at(i + 1), cumulative: BigInt(cumulative) }));
      const batch = buildBatch(previous, receipts);
      const total = (amounts: readonly bigint[]) => amounts.reduce((sum, amount) => sum + amount, 0n);
      assert.equal(total(batch.journal.map((line) => line.amount)), batch.total);
      assert.equal(
        total(batch.balances.map((b) => b.cumulative)) - total(previous.map((b) => b.cumulative)),
        batch.total,
      );
      const again = buildBatch(previous.toReversed(), receipts.toReversed());
      assert.deepEqual(
        [again.receiptTree.root, again.journalTree.root, again.balanceTree.root],
        [batch.receiptTree.root, batch.journalTree.root, batch.balanceTree.root],
      );
    }),
    { numRuns: 60 },
  );
});
