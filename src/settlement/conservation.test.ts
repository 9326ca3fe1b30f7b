import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { type Balance, buildBatch, type Digest, hashReceipt } from "../protocol/index.ts";
import { contentOf, findBatches, getBalances } from "./batch.ts";
import { readContent } from "./content.ts";
import {
  activeKey,
  ann,
  answer,
  contributors,
  openWorld,
  operator,
  type World,
  windowSec,
} from "./fixtures/world.ts";
import type { Settlement } from "./service.ts";

let world: World;
let settlement: Settlement;

before(async () => {
  world = await openWorld({ minimumBondWei: 1n });
  settlement = await world.settlement({ limits: { receipts: 7, channels: 3 } });
});
after(async () => {
  await settlement.close();
  await world.close();
});

const sum = (values: readonly bigint[]) => values.reduce((total, value) => total + value, 0n);

/** Everything the room promises about money, from the chain and the blobs, not from its own sums. */
async function assertConserved(channels: readonly Digest[], fees: bigint): Promise<void> {
  const { AttributionLedger, PaymentChannels } = world.contracts;
  const read = world.client(ann).public;
  const [bond] = await read.readContract({
    ...AttributionLedger,
    functionName: "attesterOf",
    args: [operator.address],
  });
  const standing = await findBatches(world.database, "state in ('pending', 'final') order by number");
  const seen = new Set<Digest>();
  const settledTo = new Map<Digest, bigint>();
  let balances: Balance[] = [];
  for (const [number, batch] of standing.entries()) {
    const expected = { ...batch, previousBalances: { count: balances.length } };
    const content = await readContent(contentOf(world, batch), expected);
    assert.equal(batch.number, number);
    const rebuilt = buildBatch(balances, content.receipts);
    const onChain = await read.readContract({
      ...AttributionLedger,
      functionName: "batchOf",
      args: [operator.address, BigInt(number)],
    });
    assert.deepEqual(
      [rebuilt.receiptTree.root, rebuilt.journalTree.root, rebuilt.balanceTree.root],
      [onChain.receiptsRoot, onChain.journalRoot, onChain.balancesRoot],
    );
    for (const { receipt } of content.receipts) {
      const id = hashReceipt(receipt);
      assert.ok(!seen.has(id), "a receipt is in one batch only");
      seen.add(id);
    }
    for (const { channelId, from, to } of rebuilt.channels) {
      assert.equal(from, settledTo.get(channelId) ?? 0n, "intervals follow each other over batches");
      settledTo.set(channelId, to);
    }
    assert.equal(batch.total, sum(rebuilt.channels.map(({ from, to }) => to - from)));
    assert.equal(
      batch.total,
      sum(content.receipts.flatMap(({ payments }) => payments.map(({ amount }) => amount))),
    );
    balances = [...rebuilt.balances];
    assert.deepEqual(await getBalances(world.blobs, batch.balancesDigest), balances);
  }
  let escrow = 0n;
  for (const channelId of channels) {
    const [, collected] = await read.readContract({
      ...PaymentChannels,
      functionName: "collectedOf",
      args: [channelId],
    });
    const settled = await read.readContract({
      ...AttributionLedger,
      functionName: "settledOf",
      args: [channelId],
    });
    assert.equal(settled, settledTo.get(channelId) ?? 0n);
    escrow += collected - settled;
  }
  let unclaimed = 0n;
  const final = standing.filter(({ state }) => state === "final").at(-1);
  const inFinal = final === undefined ? [] : await getBalances(world.blobs, final.balancesDigest);
  for (const { payee, cumulative } of balances) {
    const claimed = await read.readContract({
      ...AttributionLedger,
      functionName: "claimedOf",
      args: [operator.address, payee],
    });
    assert.ok(claimed <= (inFinal.find((one) => one.payee === payee)?.cumulative ?? 0n));
    unclaimed += cumulative - claimed;
  }
  assert.equal(await world.balance(AttributionLedger.address), bond + unclaimed + escrow);
  const shown = await Promise.all(balances.map(({ payee }) => settlement.balance(payee)));
  const waiting = (await settlement.status()).waitingWei;
  assert.equal(sum(shown.map((one) => one.settledWei + one.claimableWei + one.claimedWei)) + waiting, fees);
  const [rows] = await world.database.query<{ fees: bigint; paid: bigint }>(
    `select coalesce(sum(to_wei - from_wei), 0) as fees,
       (select coalesce(sum(amount), 0) from settlement.payments) as paid from settlement.receipts`,
  );
  assert.deepEqual([rows!.fees, rows!.paid], [fees, fees]);
}

test("whatever is asked, settled, waited for and claimed in which order: what comes in is what is paid out", async () => {
  const keys: Awaited<ReturnType<typeof activeKey>>[] = [];
  for (let i = 0; i < 4; i++) keys.push(await activeKey(world, ann, { depositWei: 10n ** 12n * 1_000n }));
  const channels = keys.map(({ channelId }) => channelId);
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        what: fc.constant("answer" as const),
        key: fc.nat(3),
        fee: fc.oneof(fc.bigInt({ min: 1n, max: 9n }), fc.bigInt({ min: 1n, max: 10n ** 12n })),
        scores: fc.array(fc.nat(50), { minLength: 4, maxLength: 4 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ what: fc.constant("settle" as const) }) },
    { weight: 1, arbitrary: fc.record({ what: fc.constant("pass" as const) }) },
    { weight: 2, arbitrary: fc.record({ what: fc.constant("claim" as const), who: fc.nat(3) }) },
  );
  let fees = 0n;
  let made = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 25 }), async (steps) => {
      for (const one of steps) {
        if (one.what === "answer") {
          await answer(world, settlement, keys[one.key]!.secret, one.fee, { scores: one.scores });
          fees += one.fee;
        } else if (one.what === "settle") made += (await settlement.settle()).batch === null ? 0 : 1;
        else if (one.what === "pass") await world.pass(windowSec / 2);
        else await settlement.claim(contributors[one.who]!);
      }
      await assertConserved(channels, fees);
    }),
    { numRuns: 5 },
  );
  await settlement.settleNow();
  await world.pass(windowSec);
  const { failures } = await settlement.claimAll();
  assert.deepEqual(failures, []);
  await assertConserved(channels, fees);
  assert.ok(made > 0);
  const { bondWei, unfinalWei } = await settlement.status();
  const ledger = await world.balance(world.contracts.AttributionLedger.address);
  assert.deepEqual([unfinalWei, ledger], [0n, bondWei]);
  const again = await settlement.claimAll();
  assert.deepEqual([again.claims, again.failures], [[], []]);
});
