import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { hashReceipt, toBytes, verifyPositional } from "../protocol/index.ts";
import {
  activeKey,
  ann,
  answer,
  ben,
  contributors,
  open,
  openWorld,
  operator,
  type World,
  windowSec,
} from "./fixtures/world.ts";
import type { Settlement } from "./service.ts";

let world: World;
let settlement: Settlement;

before(async () => {
  world = await openWorld();
  settlement = await world.settlement();
});
after(async () => {
  await settlement.close();
  await world.close();
});

test("the circle of money: key, channel, reserve, charge, receipt, batch, window, claim", async () => {
  const { secret, channelId } = await activeKey(world, ann, { depositWei: 10n * open });
  const other = await activeKey(world, ben, { depositWei: 5n * open, limitWei: open });
  const fees = [1_000_003n, 7n, 999_999_999_999n];
  const bundles = [];
  for (const fee of fees) bundles.push(await answer(world, settlement, secret, fee, { maxWei: 2n * fee }));
  bundles.push(await answer(world, settlement, other.secret, open / 3n));
  const total = fees.reduce((sum, fee) => sum + fee, open / 3n);

  const payee = contributors[0]!;
  const owed = bundles
    .flatMap(({ payments }) => payments)
    .filter((payment) => payment.payee === payee)
    .reduce((sum, { amount }) => sum + amount, 0n);
  assert.deepEqual(await settlement.balance(payee), {
    payee,
    pendingWei: owed,
    settledWei: 0n,
    claimableWei: 0n,
    claimedWei: 0n,
  });

  const { batch, gasPerReceipt } = await settlement.settle();
  assert.deepEqual(
    [batch?.number, batch?.state, batch?.total, batch?.receipts.count],
    [0, "pending", total, 4],
  );
  assert.ok(gasPerReceipt! > 0);
  // What is pending and the minimum above it, and half as much again.
  const bond = ((total + open) * 3n) / 2n;
  assert.equal(await world.balance(world.contracts.AttributionLedger.address), total + bond);
  assert.equal((await settlement.balance(payee)).settledWei, owed);
  assert.equal((await settlement.settle()).batch, null);

  const receiptId = hashReceipt(bundles[1]!.receipt);
  const view = await settlement.receipt(receiptId);
  assert.equal(view.state, "batched");
  assert.ok(verifyPositional(view.proof!, view.proof!.index, toBytes(receiptId), view.proof!.siblings));
  assert.deepEqual(view.bundle, bundles[1]);
  assert.deepEqual(await settlement.claim(payee), { payee, claimedWei: 0n, transactionHash: null });

  await world.pass(windowSec);
  assert.equal((await settlement.receipt(receiptId)).state, "final");
  assert.equal(await settlement.claimable(payee), owed);
  const claimed = await settlement.claim(payee);
  assert.equal(claimed.claimedWei, owed);
  assert.equal(await world.balance(payee), owed);
  assert.equal((await settlement.claim(payee)).claimedWei, 0n);
  const before = await world.balance(operator.address);
  const { claims, failures } = await settlement.claimAll();
  assert.deepEqual(failures, []);
  assert.equal(
    claims.reduce((sum, { claimedWei }) => sum + claimedWei, owed),
    total,
  );
  assert.ok((await world.balance(operator.address)) > before - open);
  assert.equal(await world.balance(world.contracts.AttributionLedger.address), bond);
  const channel = await world.pay.channel(channelId);
  assert.deepEqual(
    [channel?.charged, channel?.collected, channel?.reserved],
    [total - open / 3n, total - open / 3n, 0n],
  );
});
