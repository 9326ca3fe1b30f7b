import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { hashReceipt, type ReceiptBundle, signReceipt, textDigest } from "../protocol/index.ts";
import type { SettlementError } from "./errors.ts";
import {
  account,
  contributors,
  openWorld,
  operator,
  receiptFor,
  treasury,
  type World,
} from "./fixtures/world.ts";
import type { Settlement } from "./service.ts";

let world: World;
let settlement: Settlement;
let channels = 0;
const nextChannel = () => textDigest(`channel ${channels++}`);

before(async () => {
  world = await openWorld();
  settlement = await world.settlement();
});
after(async () => {
  await settlement.close();
  await world.close();
});

const accept = (bundle: ReceiptBundle) => world.database.transaction((tx) => settlement.accept(tx, bundle));
const refused = (code: string) => (error: unknown) => (error as SettlementError).code === code;
const count = async () => (await settlement.status()).waitingReceipts;

describe("accepting a receipt", () => {
  test("keeps it once, with its payments, and reads it back to the byte", async () => {
    const bundle = await receiptFor(settlement, { channelId: nextChannel(), from: 0n, to: 1_000_001n });
    const receiptId = hashReceipt(bundle.receipt);
    assert.deepEqual(await accept(bundle), { receiptId, created: true });
    const before = await count();
    const again = await Promise.all([accept(bundle), accept(bundle)]);
    assert.deepEqual(again, [
      { receiptId, created: false },
      { receiptId, created: false },
    ]);
    assert.equal(await count(), before);
    const view = await settlement.receipt(receiptId);
    assert.deepEqual(view.bundle, bundle);
    assert.deepEqual([view.state, view.proof, view.batchNumber], ["scored", null, null]);
    const [sums] = await world.database.query<{ wei: bigint }>(
      "select sum(amount) as wei from settlement.payments p join settlement.receipts r on r.seq = p.receipt_seq where r.id = $1",
      [receiptId],
    );
    assert.equal(sums!.wei, 1_000_001n);
  });

  test("refuses gaps, overlaps and a channel that does not start at its beginning", async () => {
    const channelId = nextChannel();
    await assert.rejects(
      receiptFor(settlement, { channelId, from: 5n, to: 9n }).then(accept),
      refused("gap"),
    );
    await accept(await receiptFor(settlement, { channelId, from: 0n, to: 100n }));
    await assert.rejects(
      receiptFor(settlement, { channelId, from: 101n, to: 102n }).then(accept),
      refused("gap"),
    );
    for (const from of [0n, 99n])
      await assert.rejects(
        receiptFor(settlement, { channelId, from, to: 120n }).then(accept),
        refused("receipt-conflict"),
      );
    const rivals = await Promise.all(
      [150n, 160n].map((to) => receiptFor(settlement, { channelId, from: 100n, to })),
    );
    const results = await Promise.allSettled(rivals.map(accept));
    assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
  });

  test("refuses what the operator did not sign, for this ledger", async () => {
    const channelId = nextChannel();
    const good = await receiptFor(settlement, { channelId, from: 0n, to: 100n });
    const stranger = await signReceipt(settlement.domain, good.receipt, account(99));
    const elsewhere = await signReceipt({ ...settlement.domain, chainId: 1 }, good.receipt, operator);
    for (const signature of [stranger, elsewhere, `0x${"00".repeat(65)}` as const])
      await assert.rejects(accept({ ...good, signature }), refused("unsigned-receipt"));
    const other = await receiptFor(settlement, { channelId, from: 0n, to: 101n });
    await assert.rejects(accept({ ...other, signature: good.signature }), refused("unsigned-receipt"));
    assert.equal((await accept(good)).created, true);
  });

  test("refuses lists that are not what was signed, and payments that are not the fee", async () => {
    const range = { channelId: nextChannel(), from: 0n, to: 1_000n };
    const good = await receiptFor(settlement, range);
    const short = good.payments.map((payment, i) =>
      i === 0 ? { ...payment, amount: payment.amount - 1n } : payment,
    );
    const lies: ReceiptBundle[] = [
      { ...good, payments: short },
      { ...good, payments: good.payments.toReversed() },
      {
        ...good,
        payments: good.payments.map((one, i) => (i === 1 ? { ...one, payee: contributors[3]! } : one)),
      },
      { ...good, scores: [] },
      { ...good, query: "0x0002" },
      await receiptFor(settlement, range, { payments: short }),
      await receiptFor(settlement, range, {
        payments: [
          { payee: treasury, amount: 1_000n },
          { payee: contributors[0]!, amount: 0n },
        ],
      }),
      await receiptFor(settlement, range, { changes: { to: 0n } }),
    ];
    for (const lie of lies) await assert.rejects(accept(lie), refused("bad-receipt"));
    assert.equal((await accept(good)).created, true);
  });

  test("leaves nothing when the transaction around it fails", async () => {
    const bundle = await receiptFor(settlement, { channelId: nextChannel(), from: 0n, to: 10n });
    const broken = world.database.transaction(async (tx) => {
      await settlement.accept(tx, bundle);
      throw new Error("power cut");
    });
    await assert.rejects(broken, /power cut/);
    await assert.rejects(settlement.receipt(hashReceipt(bundle.receipt)), refused("unknown-receipt"));
    assert.equal((await accept(bundle)).created, true);
  });
});

test("receipts are listed newest first, by channel, release, payee and state, page by page", async () => {
  const channelId = nextChannel();
  const ids = [];
  for (let i = 0n; i < 5n; i++) {
    const scores = i % 2n === 0n ? [0, 9, 0, 0] : [9, 0, 0, 0];
    const bundle = await receiptFor(
      settlement,
      { channelId, from: i * 100n, to: i * 100n + 100n },
      { scores },
    );
    ids.unshift((await accept(bundle)).receiptId);
  }
  const pageOf = async (filter: Parameters<Settlement["receipts"]>[0]) =>
    (await settlement.receipts(filter)).map(({ receiptId }) => receiptId);
  assert.deepEqual(await pageOf({ channelId, limit: 10 }), ids);
  const [, second] = await settlement.receipts({ channelId, limit: 2 });
  assert.deepEqual(await pageOf({ channelId, limit: 10, before: second!.seq }), ids.slice(2));
  const paid = await settlement.receipts({ channelId, payee: contributors[1]!, limit: 10 });
  assert.deepEqual(
    paid.map(({ receiptId, paidWei }) => [receiptId, paidWei]),
    [ids[0], ids[2], ids[4]].map((id) => [id, 45n]),
  );
  assert.deepEqual(await pageOf({ channelId, state: "final", limit: 10 }), []);
  assert.deepEqual(await pageOf({ channelId, state: "scored", limit: 10 }), ids);
  assert.deepEqual(await pageOf({ releaseId: textDigest("none"), limit: 10 }), []);
});
