import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { hashReceipt, type ReceiptBundle } from "../protocol/index.ts";
import type { SettlementError } from "./errors.ts";
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
let secret: string;

before(async () => {
  world = await openWorld({ minimumBondWei: 1n });
  settlement = await world.settlement();
});
after(async () => {
  await settlement.close();
  await world.close();
});
beforeEach(async () => {
  ({ secret } = await activeKey(world, ann, { depositWei: open }));
});

/** Proves a lie about a settled receipt: the release it names was never published. */
async function prove(bundle: ReceiptBundle, place?: { number: number; index: number }): Promise<void> {
  const view = await settlement.receipt(hashReceipt(bundle.receipt));
  await world.client(ben).write({
    ...world.contracts.FraudProofs,
    functionName: "proveWrongTerms",
    args: [
      operator.address,
      BigInt(place?.number ?? view.batchNumber!),
      place?.index ?? view.proof!.index,
      { receipt: bundle.receipt, proof: [...(view.proof?.siblings ?? [])] },
    ],
  });
}

const stateOf = async (bundle: ReceiptBundle) =>
  (await settlement.receipt(hashReceipt(bundle.receipt))).state;
const onChain = async () => {
  const { AttributionLedger } = world.contracts;
  const [bond, pending, batches, undone] = await world
    .client(ann)
    .public.readContract({ ...AttributionLedger, functionName: "attesterOf", args: [operator.address] });
  return { bond, pending, batches: Number(batches), undone: Number(undone) };
};

describe("a batch that is proven wrong", () => {
  test("and those after it are undone; their receipts wait, their channels are restored, and they settle again once", async () => {
    const before = await onChain();
    const first = await answer(world, settlement, secret, 1_000n);
    await settlement.settle();
    const second = await answer(world, settlement, secret, 2_000n);
    await settlement.settle();
    const third = await answer(world, settlement, secret, 4_000n);
    assert.deepEqual(
      [await stateOf(first), await stateOf(second), await stateOf(third)],
      ["batched", "batched", "scored"],
    );

    await prove(first);
    assert.deepEqual([await stateOf(first), await stateOf(second)], ["scored", "scored"]);
    assert.equal((await settlement.balance(contributors[0]!)).settledWei, 0n);
    const undone = await settlement.batches({ limit: 2 });
    assert.deepEqual(
      undone.map(({ state }) => state),
      ["undone", "undone"],
    );
    assert.equal((await onChain()).undone, 2);

    const made = (await settlement.settleNow()).flatMap(({ batch }) => (batch === null ? [] : [batch]));
    assert.deepEqual(
      made.map(({ number, receipts, total }) => [number, receipts.count, total]),
      [
        [before.batches, 2, 3_000n],
        [before.batches + 1, 1, 4_000n],
      ],
      "what fell is settled again first, and no further at once",
    );
    assert.deepEqual(
      [await onChain().then((a) => a.undone), await stateOf(first), await stateOf(third)],
      [0, "batched", "batched"],
    );
    const channel = (await world.pay.channel(first.receipt.channelId))!;
    assert.deepEqual([channel.collected, channel.charged], [7_000n, 7_000n]);

    await prove(third);
    assert.equal((await settlement.settle()).batch?.total, 4_000n, "it fell once: it is settled again");
    await prove(third);
    const again = await settlement.settle();
    assert.equal(again.batch?.receipts.count, undefined, "it fell twice: nobody settles it");
    assert.equal((await settlement.status()).disputedReceipts, 1);
    assert.equal(await stateOf(third), "scored");
    const fresh = await activeKey(world, ann, { depositWei: open });
    await answer(world, settlement, fresh.secret, 5n);
    assert.equal((await settlement.settle()).batch?.total, 5n, "other channels go on");
    await world.pass(30 * 86_400);
    await settlement.claimAll();
    const ledger = world.contracts.AttributionLedger;
    const { channelId } = third.receipt;
    const credit = () =>
      world.client(ben).public.readContract({ ...ledger, functionName: "creditOf", args: [ann.address] });
    const credited = await credit();
    await world.client(ben).write({ ...ledger, functionName: "refund", args: [channelId] });
    assert.equal((await credit()) - credited, 4_000n, "its payer is refunded");
    await settlement.settle();
    assert.deepEqual([await stateOf(third), (await settlement.status()).disputedReceipts], ["lost", 0]);
  });

  test("is restored by anyone, and a stored batch that was not sent before is built anew", async () => {
    const first = await answer(world, settlement, secret, 500n);
    await settlement.settle();
    const batch = (await settlement.batches({ limit: 1 }))[0]!;
    const second = await answer(world, settlement, secret, 600n);
    await settlement.close();
    const client = world.client(operator);
    const broken = await world.settlement({
      chain: {
        ...client,
        write: ((call) => {
          if (call.functionName === "settle") throw new Error("power cut");
          return client.write(call);
        }) as typeof client.write,
      },
    });
    await assert.rejects(broken.settle(), /power cut/);
    assert.equal((await broken.batches({ limit: 1 }))[0]?.state, "prepared");
    await broken.close();
    settlement = await world.settlement();
    await prove(first);
    await world.client(ben).write({
      ...world.contracts.AttributionLedger,
      functionName: "restore",
      args: [operator.address, batch.intervals.map((interval) => ({ ...interval })), 100n],
    });
    const results = await settlement.settleNow();
    const made = results.flatMap((result) => (result.batch === null ? [] : [result.batch]));
    assert.deepEqual(
      made.map(({ number, total, receipts }) => [number, total, receipts.count]),
      [
        [batch.number, 500n, 1],
        [batch.number + 1, 600n, 1],
      ],
    );
    const states = (await settlement.batches({ limit: 4 })).map(({ state }) => state);
    assert.deepEqual(states, ["pending", "pending", "dropped", "undone"]);
    assert.deepEqual([await stateOf(first), await stateOf(second)], ["batched", "batched"]);
    await world.pass(windowSec);
    const { failures } = await settlement.claimAll();
    assert.deepEqual(failures, []);
  });

  test("undone while the power was cut between sending it and writing so, is settled again", async () => {
    const first = await answer(world, settlement, secret, 300n);
    const before = await onChain();
    await settlement.close();
    const { database } = world;
    const broken = await world.settlement({
      database: {
        ...database,
        query: (sql, params) => {
          if (sql.includes("set state = 'pending'")) throw new Error("power cut");
          return database.query(sql, params);
        },
      },
    });
    await assert.rejects(broken.settle(), /power cut/);
    await broken.close();
    settlement = await world.settlement();
    await prove(first, { number: before.batches, index: 0 });
    const { batch } = await settlement.settle();
    assert.deepEqual([batch?.number, batch?.state, batch?.total], [before.batches, "pending", 300n]);
    assert.equal((await onChain()).undone, 0);
    await world.pass(windowSec);
    assert.equal(await stateOf(first), "final");
  });
});

test("a database older than the chain settles nothing and says so", async () => {
  await answer(world, settlement, secret, 10n);
  await settlement.settle();
  const [last] = await settlement.batches({ limit: 1 });
  await world.database.query("update settlement.batches set state = 'dropped' where id = $1", [
    last!.batchId,
  ]);
  await assert.rejects(settlement.settle(), (error) => {
    assert.match(
      (error as Error).message,
      /it is older than the chain, or another node settles with the same account/,
    );
    return (error as SettlementError).code === "database-behind";
  });
});
