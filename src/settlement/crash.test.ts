import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Digest } from "../protocol/index.ts";
import {
  activeKey,
  ann,
  answer,
  contributors,
  open,
  openWorld,
  operator,
  type World,
} from "./fixtures/world.ts";
import type { SettlementDependencies } from "./service.ts";

let world: World;
let total = 0n;

before(async () => {
  // Without margin, so that every batch must raise the bond.
  world = await openWorld({ minimumBondWei: 1n });
});
after(() => world.close());

/** Two channels with three answers. */
async function answers(): Promise<Digest[]> {
  const settlement = await world.settlement();
  const keys = [
    await activeKey(world, ann, { depositWei: open }),
    await activeKey(world, ann, { depositWei: open }),
  ];
  for (const [at, fee] of [1_000n, 77n, 2_000_003n].entries()) {
    await answer(world, settlement, keys[at % 2]!.secret, fee);
    total += fee;
  }
  await settlement.close();
  return keys.map(({ channelId }) => channelId);
}

/** Every step of a settlement that leaves something behind. */
const steps = [
  "collectMany",
  "balances blob",
  "content blob",
  "prepared",
  "depositBond",
  "settle",
  "recorded",
] as const;
type Step = (typeof steps)[number];

/** Real parts, one of which throws once, right before or right after it has done its work. */
function cutAt(
  step: Step,
  when: "before" | "after",
): { changes: Partial<SettlementDependencies>; cuts: () => number } {
  let cuts = 0;
  const cut = async <T>(hit: boolean, action: () => Promise<T>): Promise<T> => {
    if (!hit || cuts > 0) return action();
    if (when === "after") await action();
    cuts++;
    throw new Error("power cut");
  };
  const client = world.client(operator);
  const { database, blobs } = world;
  const changes: Partial<SettlementDependencies> = {
    chain: {
      ...client,
      write: ((call) => cut(call.functionName === step, () => client.write(call))) as typeof client.write,
    },
    collect: (ends) => cut(step === "collectMany", () => world.pay.collect(ends)),
    blobs: {
      ...blobs,
      put: (bytes) => {
        const isContent = new TextDecoder().decode(bytes).includes('"openledger/batch/2"');
        return cut(step === (isContent ? "content blob" : "balances blob"), () => blobs.put(bytes));
      },
    },
    database: {
      ...database,
      transaction: (body) =>
        database.transaction(async (tx) => {
          let prepares = false;
          const result = await body({
            ...tx,
            query: (sql, params) => {
              prepares ||= sql.includes("insert into settlement.batches");
              return tx.query(sql, params);
            },
          });
          if (prepares && step === "prepared" && when === "before" && cuts++ === 0)
            throw new Error("power cut");
          return result;
        }),
      query: (sql, params) =>
        cut(
          (step === "recorded" && sql.includes("set state = 'pending'")) ||
            (step === "prepared" &&
              when === "after" &&
              sql.includes("from settlement.batches where id = $1")),
          () => database.query(sql, params),
        ),
    },
  };
  return { changes, cuts: () => cuts };
}

const onChain = async () => {
  const { AttributionLedger } = world.contracts;
  const read = world.client(ann).public;
  const [bond, pending, batches] = await read.readContract({
    ...AttributionLedger,
    functionName: "attesterOf",
    args: [operator.address],
  });
  const balance = await world.balance(AttributionLedger.address);
  return { bond, pending, batches, balance };
};

describe("settling, with the power cut at one step, then started again", () => {
  for (const when of ["before", "after"] as const) {
    for (const step of steps) {
      test(`${when} ${step}: one batch on chain, every receipt in it once`, async () => {
        const channels = await answers();
        const before = await onChain();
        const { changes, cuts } = cutAt(step, when);
        const broken = await world.settlement({ ...changes, bondMarginBps: 0 });
        await assert.rejects(broken.settle(), /power cut/);
        assert.equal(cuts(), 1);
        await broken.close();

        const settlement = await world.settlement({ bondMarginBps: 0 });
        const results = await settlement.settleNow();
        const made = results.flatMap(({ batch }) => (batch === null ? [] : [batch]));
        const wasRecorded = step === "recorded" && when === "after";
        assert.equal(made.length, wasRecorded ? 0 : 1);
        const now = await onChain();
        assert.equal(now.batches, before.batches + 1n);
        assert.deepEqual(
          [now.pending, now.bond],
          [total, total + 1n],
          "the minimum of 1 wei stays above what is pending",
        );
        assert.equal(now.balance, now.bond + total, "bond and unclaimed, nothing else");
        for (const channelId of channels) {
          const channel = (await world.pay.channel(channelId))!;
          assert.equal(channel.collected, channel.charged);
        }
        const [rows] = await world.database.query<{ settled: bigint; loose: number }>(
          `select sum(r.to_wei - r.from_wei) filter (where b.state = 'pending') as settled,
             count(*) filter (where r.batch_id is null) as loose
           from settlement.receipts r left join settlement.batches b on b.id = r.batch_id`,
        );
        assert.deepEqual(rows, { settled: total, loose: 0 });
        const [last, previous] = await settlement.batches({ limit: 2 });
        assert.deepEqual(
          [last!.number, last!.state, last!.receipts.count],
          [Number(before.batches), "pending", 3],
        );
        assert.ok(last!.transactionHash !== null && last!.finalAtSec !== null && last!.gasUsed! > 0);
        assert.equal(last!.previousBalancesRoot, previous?.balances.root ?? `0x${"00".repeat(32)}`);
        await settlement.close();
      });
    }
  }
});

test("a claim cut off before or after it was sent is paid once", async () => {
  const settlement = await world.settlement();
  await settlement.settleNow();
  await world.pass(10_000);
  const payee = contributors[0]!;
  const owed = await settlement.claimable(payee);
  assert.ok(owed > 0n);
  await settlement.close();
  for (const when of ["before", "after"] as const) {
    const client = world.client(operator);
    const broken = await world.settlement({
      chain: {
        ...client,
        write: (async (call) => {
          if (when === "after") await client.write(call);
          throw new Error("power cut");
        }) as typeof client.write,
      },
    });
    await assert.rejects(broken.claim(payee), /power cut/);
    await broken.close();
    assert.equal(await world.balance(payee), when === "before" ? 0n : owed);
  }
  const again = await world.settlement();
  assert.equal((await again.claim(payee)).claimedWei, 0n);
  assert.equal(await world.balance(payee), owed);
  const [claim] = await again.claims(payee);
  assert.equal(claim?.amountWei, owed);
  assert.deepEqual((await again.balance(payee)).claimableWei, 0n);
  await again.close();
});
