import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { commit, contentOf, index } from "../protocol/fixtures/batch.ts";
import { toHex } from "../protocol/index.ts";
import { contentLines } from "./content.ts";
import { type Disputes, openDisputes } from "./disputes.ts";
import { openSetting, publishRelease, settleAs, signed } from "./fixtures/liar.ts";
import { account, ann, ben, open, openWorld, operator, type World, windowSec } from "./fixtures/world.ts";
import type { Settlement } from "./service.ts";

let world: World;
let settlement: Settlement;
let disputes: Disputes;
const published = new Map<string, string>();

before(async () => {
  world = await openWorld({ minimumBondWei: open });
  settlement = await world.settlement();
  disputes = await openDisputes({
    database: world.database,
    blobs: world.blobs,
    chain: world.client(ben),
    contracts: world.contracts,
    indexOf: async () => index,
    fetchContent: async (attester) => {
      const text = published.get(attester);
      return text === undefined ? undefined : (new Blob([text]).stream() as AsyncIterable<Uint8Array>);
    },
    now: world.now,
  });
});
after(async () => {
  await disputes.close();
  await settlement.close();
  await world.close();
});

test("what is true of a batch that fell is settled again by another operator, and pays whom it owes to the wei", async () => {
  const by = account(501);
  const setting = await openSetting(world, by, await publishRelease(world), {
    bondWei: 3n * open,
    collectedWei: 10n ** 9n,
  });
  // One receipt lies about its fee: with it, the rest of its channel cannot be settled again.
  const content = contentOf(3, 4, { feeLie: 1n }, setting);
  const attester = toHex(by.address);
  const zero = `0x${"00".repeat(32)}` as const;
  await settleAs(world, by, { ...commit(content), number: 0, previousBalances: { root: zero, count: 0 } });
  const ledger = world.contracts.AttributionLedger;
  const header = { chainId: world.chain.chainId, ledger: toHex(ledger.address), attester, number: 0 };
  published.set(attester, [...contentLines(header, await signed(world, by, content))].join(""));
  const [finding] = await disputes.checkAll();
  assert.equal(finding?.lie?.kind, "fee");
  await assert.rejects(disputes.fallen(attester, 1), { code: "unknown-batch" });
  const openings = await disputes.fallen(attester, 0);
  assert.equal(openings.length, 7, "the lie and what follows it in its channel are left out");
  assert.equal((await settlement.adopt(openings)).receipts, 0, "nothing before its channels are restored");
  const { intervals } = commit(content);
  const restore = [by.address, intervals.map((one) => ({ ...one })), 10n] as const;
  await world.client(ann).write({ ...ledger, functionName: "restore", args: restore });

  const adopted = await settlement.adopt(openings);
  const fees = openings.reduce((sum, { receipt }) => sum + receipt.to - receipt.from, 0n);
  assert.deepEqual([adopted.receipts, adopted.wei, adopted.skipped], [7, fees, []]);
  assert.equal((await settlement.adopt(openings)).receipts, 0, "nothing is taken twice");
  const early = await settlement.settleNow();
  assert.deepEqual(
    early.map(({ batch }) => batch),
    [null],
    "the payee first",
  );
  await world.pass(windowSec);
  const results = await settlement.settleNow();
  const [batch] = results.flatMap((result) => (result.batch === null ? [] : [result.batch]));
  assert.deepEqual([batch?.receipts.count, batch?.total], [7, fees]);
  assert.equal(results.at(-1)?.batch, null);
  await world.pass(windowSec);
  const { claims, failures } = await settlement.claimAll();
  assert.deepEqual(failures, []);
  assert.equal(
    claims.reduce((sum, { claimedWei }) => sum + claimedWei, 0n),
    fees,
    "every wei of what was true is paid",
  );
  assert.ok(
    claims.some(({ payee }) => payee === attester),
    "the payee of the channels as their operator too",
  );
  assert.ok(
    !claims.some(({ payee }) => payee === toHex(operator.address)),
    "whoever settles earns no part of the fee",
  );
});
