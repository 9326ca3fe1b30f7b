import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { commit, contentOf, index, releaseId } from "../protocol/fixtures/batch.ts";
import { hashReceipt, textDigest, toHex } from "../protocol/index.ts";
import { contentLines } from "./content.ts";
import { openDisputes } from "./disputes.ts";
import { attest, seatValidators, setParameter } from "./fixtures/attest.ts";
import { openSetting, publishRelease, settleAs, signed } from "./fixtures/liar.ts";
import {
  account,
  activeKey,
  ann,
  answer,
  ben,
  open,
  openWorld,
  type World,
  windowSec,
} from "./fixtures/world.ts";

let world: World;
let release: Awaited<ReturnType<typeof publishRelease>>;
const unattested = textDigest("unattested");

before(async () => {
  world = await openWorld({ minimumBondWei: 1n });
  release = await publishRelease(world);
  await seatValidators(world);
  await setParameter(world, "attestationRequired", 1n);
  await world.pass(2 * windowSec);
});
after(() => world.close());

test("who settles an unattested release is found by the watcher and undone; attested, the same batch is honest", async () => {
  const published = new Map<string, () => AsyncIterable<Uint8Array>>();
  const disputes = await openDisputes({
    database: world.database,
    blobs: world.blobs,
    chain: world.client(ben),
    contracts: world.contracts,
    indexOf: async () => index,
    fetchContent: async (attester, number) => published.get(`${attester} ${number}`)?.(),
    onBlock: (listener) => world.chain.onBlock(listener),
    now: world.now,
  });
  const settle = async (n: number) => {
    const by = account(n);
    const setting = await openSetting(world, by, release, { bondWei: 3n * open, collectedWei: 10n ** 9n });
    const content = contentOf(3, -1, {}, setting);
    const attester = toHex(by.address);
    await settleAs(world, by, { ...commit(content), attester, number: 0 });
    const whole = await signed(world, by, content);
    const ledger = toHex(world.contracts.AttributionLedger.address);
    const header = { chainId: world.chain.chainId, ledger, attester, number: 0 };
    published.set(`${attester} 0`, async function* () {
      for (const line of contentLines(header, whole)) yield new TextEncoder().encode(line);
    });
    const finding = (await disputes.checkAll()).find((one) => one.attester === attester);
    return [finding?.state, finding?.lie?.kind, finding?.detail];
  };
  try {
    assert.deepEqual(await settle(151), [
      "lying",
      "attestation",
      "the release of receipt 0 was not attested when the batch was settled.",
    ]);
    await attest(world, releaseId);
    assert.deepEqual(await settle(152), ["honest", undefined, null]);
  } finally {
    await disputes.close();
  }
});

test("receipts of an unattested release wait, with what follows them in their channel, and hold up no other", async () => {
  const settlement = await world.settlement({ limits: { receipts: 2 } });
  try {
    const [held, free] = [
      await activeKey(world, ann, { depositWei: open }),
      await activeKey(world, ann, { depositWei: open }),
    ];
    const receiptOf = async (secret: string, of: typeof releaseId) => {
      const { receipt } = await answer(world, settlement, secret, 100n, { changes: { releaseId: of } });
      return hashReceipt(receipt);
    };
    const first = await receiptOf(held.secret, releaseId);
    for (let i = 0; i < 3; i++) await receiptOf(held.secret, i === 2 ? releaseId : unattested);
    const other = await receiptOf(free.secret, releaseId);
    const stateOf = async (id: typeof first) => (await settlement.receipt(id)).state;

    const { batch, skipped } = await settlement.settle();
    assert.equal(batch?.receipts.count, 2);
    assert.deepEqual([await stateOf(first), await stateOf(other)], ["batched", "batched"]);
    assert.deepEqual(skipped, [
      {
        channelId: held.channelId,
        reason: `validators have not attested release ${unattested}, which this network asks for`,
      },
    ]);
    assert.equal((await settlement.settle()).batch, null);

    await setParameter(world, "attestationRequired", 0n);
    await world.pass(1);
    const made = await settlement.settleNow();
    assert.deepEqual(
      made.flatMap((one) => (one.batch === null ? [] : [one.batch.receipts.count])),
      [2, 1],
    );
  } finally {
    await settlement.close();
  }
});
