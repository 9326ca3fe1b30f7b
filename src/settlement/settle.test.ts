import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { formatVoucher, openChannel } from "../payments/index.ts";
import { type Digest, hashReceipt, signVoucher } from "../protocol/index.ts";
import type { SettlementError } from "./errors.ts";
import {
  account,
  activeKey,
  ann,
  answer,
  ben,
  closeTimeoutSec,
  contributors,
  open,
  openWorld,
  operator,
  receiptFor,
  type World,
  windowSec,
} from "./fixtures/world.ts";
import type { Settlement } from "./service.ts";
import { settleLimits } from "./settle.ts";

let world: World;
let settlement: Settlement;

before(async () => {
  world = await openWorld({ minimumBondWei: 1n });
  settlement = await world.settlement();
});
after(async () => {
  await settlement.close();
  await world.close();
});

const attesterOf = async () => {
  const { AttributionLedger } = world.contracts;
  const [bond, pending] = await world
    .client(ann)
    .public.readContract({ ...AttributionLedger, functionName: "attesterOf", args: [operator.address] });
  return { bond, pending };
};

describe("limits", () => {
  test("a batch takes the oldest receipts within each limit, and the rest follow in order", async () => {
    const keys = [];
    for (let i = 0; i < 3; i++) keys.push(await activeKey(world, ann, { depositWei: open }));
    const ids: Digest[] = [];
    for (let i = 0; i < 9; i++)
      ids.push(hashReceipt((await answer(world, settlement, keys[i % 3]!.secret, 100n + BigInt(i))).receipt));
    await settlement.close();
    for (const [limits, expected] of [
      [{ receipts: 2 }, [0, 1]],
      [{ channels: 1 }, [2, 5, 8]],
      [{ journalLines: 8 }, [3]],
      [{}, [4, 6, 7]],
    ] as const) {
      settlement = await world.settlement({ limits });
      const { batch } = await settlement.settle();
      const rows = await world.database.query<{ id: Digest }>(
        "select id from settlement.receipts where batch_id = $1 order by seq",
        [batch!.batchId],
      );
      assert.deepEqual(
        rows.map(({ id }) => ids.indexOf(id)),
        [...expected],
        JSON.stringify(limits),
      );
      await settlement.close();
    }
    settlement = await world.settlement();
    assert.equal((await settlement.settle()).batch, null);
  });

  test("the most channels a batch may have fit in a block, by what each adds", async () => {
    const gasOf = async (channels: number) => {
      for (let i = 0; i < channels; i++) {
        const { secret } = await activeKey(world, ann, { depositWei: open });
        await answer(world, settlement, secret, 100n);
      }
      const { gas, batch, gasPerReceipt } = await settlement.settle();
      assert.equal(batch?.receipts.count, channels);
      assert.equal(gasPerReceipt, Math.round(Number(gas.collect + gas.bond + gas.settle) / channels));
      return Number(gas.settle);
    };
    const [few, many] = [await gasOf(2), await gasOf(12)];
    const perChannel = (many - few) / 10;
    assert.ok(few + perChannel * (settleLimits.channels - 2) < 7_000_000, `${perChannel} gas a channel`);
  });

  test("two calls at once make one batch", async () => {
    const { secret } = await activeKey(world, ann, { depositWei: open });
    await answer(world, settlement, secret, 10n);
    const results = await Promise.all([settlement.settle(), settlement.settle(), settlement.settle()]);
    assert.equal(results.filter(({ batch }) => batch !== null).length, 1);
  });
});

test("a receipt from the chain's future waits until its time has come, and stops no other channel", async () => {
  const [early, other] = [
    await activeKey(world, ann, { depositWei: open }),
    await activeKey(world, ann, { depositWei: open }),
  ];
  const future = BigInt(Math.floor(world.now() / 1_000)) + 100n;
  await answer(world, settlement, early.secret, 10n, { changes: { issuedAt: future } });
  await answer(world, settlement, early.secret, 10n);
  await answer(world, settlement, other.secret, 7n);
  const { batch, skipped } = await settlement.settle();
  assert.equal(batch?.total, 7n);
  assert.deepEqual(
    skipped.map(({ channelId }) => channelId),
    [early.channelId],
  );
  await world.pass(100);
  assert.equal((await settlement.settle()).batch?.total, 20n);
});

describe("the bond", () => {
  test("covers everything that is not final, with a margin", async () => {
    const { secret } = await activeKey(world, ann, { depositWei: open });
    for (const fee of [10n ** 15n, 10n ** 15n, 10n ** 16n]) {
      await answer(world, settlement, secret, fee);
      await settlement.settle();
      const { bond, pending } = await attesterOf();
      assert.ok(bond >= pending);
    }
    const { bond } = await attesterOf();
    await world.pass(windowSec);
    await answer(world, settlement, secret, 10n ** 16n);
    await settlement.settle();
    assert.equal((await attesterOf()).bond, bond, "what is final needs no bond any more");
  });

  test("that the operator cannot afford stops the batch with the sum that is missing; it goes on once it can", async () => {
    const poor = account(61);
    const own = await openWorld({ minimumBondWei: open });
    await own.pay.close();
    const chain = own.client(poor);
    const sendGas = (wei: bigint) => own.client(ben).send({ to: poor.address, value: wei });
    await sendGas(open / 2n);
    const pay = await own.payments({ chain });
    const service = await own.settlement({ chain, collect: pay.collect });
    const { channelId } = await openChannel(own.client(ann), own.contracts, {
      payee: poor.address,
      depositWei: 1_000n,
    });
    const voucher = { channelId, cumulative: 1_000n };
    const signature = await signVoucher(pay.domain, voucher, ann);
    const payer = await pay.authenticate({ voucher: formatVoucher({ ...voucher, signature }) });
    await own.database.transaction((tx) => pay.reserve(tx, { requestId: "r", payer, maxWei: 1_000n }));
    await own.database.transaction(async (tx) => {
      const bundle = await receiptFor(service, await pay.charge(tx, "r", 1_000n), { signer: poor });
      await service.accept(tx, bundle);
    });
    await assert.rejects(service.settle(), (error) => {
      assert.match(
        (error as Error).message,
        /The operator's bond must be 1000000000000001000 wei .* Send it \d+ wei/,
      );
      return (error as SettlementError).code === "bond-unaffordable";
    });
    assert.equal((await service.batches({ limit: 1 }))[0]?.state, "prepared");
    await sendGas(open);
    assert.equal((await service.settle()).batch?.state, "pending");
    await service.close();
    await pay.close();
    await own.close();
  });
});

describe("a channel that cannot be collected", () => {
  test("because it was closed first loses its receipts beyond what was collected, and stops nobody else", async () => {
    const lost = await activeKey(world, ann, { depositWei: open });
    const other = await activeKey(world, ann, { depositWei: open });
    const first = await answer(world, settlement, lost.secret, 100n);
    await world.pay.collect([{ channelId: lost.channelId, atLeast: 100n }]);
    const contract = world.contracts.PaymentChannels;
    const second = await answer(world, settlement, lost.secret, 50n);
    await world.pay.close();
    await world.client(ann).write({ ...contract, functionName: "requestClose", args: [lost.channelId] });
    await world.pass(closeTimeoutSec);
    await world.client(ann).write({ ...contract, functionName: "close", args: [lost.channelId] });
    const pay = await world.payments();
    await settlement.close();
    settlement = await world.settlement({ collect: pay.collect });
    const reserved = await pay.authenticate({ authorization: `Bearer ${other.secret}` });
    await world.database.transaction((tx) =>
      pay.reserve(tx, { requestId: "other", payer: reserved, maxWei: 30n }),
    );
    await world.database.transaction(async (tx) => {
      await settlement.accept(tx, await receiptFor(settlement, await pay.charge(tx, "other", 30n)));
    });
    const { batch, skipped } = await settlement.settle();
    assert.equal(batch?.total, 130n);
    assert.match(skipped[0]?.reason ?? "", /the channel was closed when 100 of 150 wei were collected/);
    assert.equal((await settlement.receipt(hashReceipt(first.receipt))).state, "batched");
    assert.equal((await settlement.receipt(hashReceipt(second.receipt))).state, "lost");
    assert.equal((await settlement.settle()).batch, null);
    await pay.close();
  });
});

describe("the background", () => {
  test("settles when enough waits or something waited long enough, retries what failed, and stops when closed", async () => {
    const own = await openWorld({ minimumBondWei: 1n });
    const said: string[] = [];
    let failing = true;
    const service = await own.settlement({
      collect: (ends) => (failing ? Promise.reject(new Error("no chain today.")) : own.pay.collect(ends)),
      log: (_, message) => said.push(message),
    });
    const { secret } = await activeKey(own, ann, { depositWei: open });
    const loop = service.start({ intervalMs: 20, minReceipts: 2, maxWaitMs: 60_000 });
    await answer(own, service, secret, 10n);
    await new Promise((resolve) => setTimeout(resolve, 120));
    assert.equal((await service.status()).batches, 0);
    await answer(own, service, secret, 10n);
    await until(async () => loop.lastError() !== null);
    assert.match(loop.lastError()!.message, /no chain today/);
    failing = false;
    await until(async () => (await service.status()).batches === 1);
    await answer(own, service, secret, 10n);
    await own.pass(61);
    await until(async () => (await service.status()).batches === 2);
    assert.equal(said.filter((message) => message.includes("no chain today")).length, 1);
    await own.pass(windowSec);
    await until(async () => (await service.balance(contributors[0]!)).claimableWei > 0n);
    await service.close();
    assert.equal(loop.lastError(), null);
    await answerAfterClose(own, secret);
    await own.close();
  });

  async function answerAfterClose(own: World, secret: string) {
    const idle = await own.settlement();
    await answer(own, idle, secret, 10n);
    await answer(own, idle, secret, 10n);
    await new Promise((resolve) => setTimeout(resolve, 80));
    assert.equal((await idle.status()).batches, 2);
    await idle.close();
  }

  async function until(condition: () => Promise<boolean>): Promise<void> {
    for (let i = 0; i < 400; i++) {
      if (await condition()) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.fail("it did not happen within 8 s");
  }
});
