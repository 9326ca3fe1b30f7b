import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { PrivateKeyAccount } from "viem/accounts";
import { commit, contentOf, index } from "../protocol/fixtures/batch.ts";
import { domain, signReceipt, toHex } from "../protocol/index.ts";
import { contentLines } from "./content.ts";
import { type Disputes, type DisputesDependencies, openDisputes } from "./disputes.ts";
import { openSetting, publishRelease, settleAs, signed } from "./fixtures/liar.ts";
import {
  account,
  activeKey,
  ann,
  answer,
  ben,
  open,
  openWorld,
  operator,
  type World,
  windowSec,
} from "./fixtures/world.ts";
import type { Settlement } from "./service.ts";

let world: World;
let settlement: Settlement;
let release: Awaited<ReturnType<typeof publishRelease>>;

before(async () => {
  world = await openWorld({ minimumBondWei: open });
  release = await publishRelease(world);
  settlement = await world.settlement();
});
after(async () => {
  await settlement.close();
  await world.close();
});

/** The node of `by`, over a database of the test's world: the operator's, or the watcher's. */
function disputesOf(by: typeof ben, changes: Partial<DisputesDependencies> = {}): Promise<Disputes> {
  return openDisputes({
    database: world.database,
    blobs: world.blobs,
    chain: world.client(by),
    contracts: world.contracts,
    indexOf: async () => index,
    fetchContent: async () => undefined,
    onBlock: (listener) => world.chain.onBlock(listener),
    now: world.now,
    ...changes,
  });
}

const ledger = () => world.contracts.AttributionLedger;
const read = () => world.client(ann).public;
const creditOf = (of: `0x${string}`) =>
  read().readContract({ ...ledger(), functionName: "creditOf", args: [of] });
const fee = () =>
  read().readContract({ ...world.contracts.ProtocolParameters, functionName: "demandFeeWei" });

test("what is demanded of the operator's batches is answered in time, also after a crash, and earns the fee once", async () => {
  const { secret } = await activeKey(world, ann, { depositWei: open });
  for (const wei of [1_000n, 2_000n]) await answer(world, settlement, secret, wei);
  await settlement.settle();
  await answer(world, settlement, secret, 3_000n);
  const number = (await settlement.settle()).batch!.number;
  const watcher = await disputesOf(ben);
  for (const kind of ["receipt", "line", "balance"] as const)
    await watcher.demand(operator.address, number, { kind, index: 0 });
  assert.equal((await watcher.demands(10)).filter(({ state }) => state === "open").length, 3);
  await watcher.close();

  const client = world.client(operator);
  let cuts = 0;
  const cut = (after: boolean): Partial<DisputesDependencies> => ({
    chain: {
      ...client,
      write: (async (call) => {
        if (!call.functionName.startsWith("answer")) return client.write(call);
        if (after) await client.write(call);
        cuts++;
        throw new Error("power cut");
      }) as typeof client.write,
    },
  });
  const earned = await creditOf(operator.address);
  for (const after of [false, true]) {
    const broken = await disputesOf(operator, cut(after));
    assert.equal(await broken.answer(), 0);
    const open = (await broken.demands(10)).filter(({ state }) => state === "open");
    assert.equal(open.length, after ? 0 : 3, "what was mined is known as answered");
    if (!after) assert.match(open[0]!.error!, /power cut/);
    await broken.close();
  }
  assert.equal(cuts, 6);
  const node = await disputesOf(operator);
  assert.equal(await node.answer(), 0, "nothing is answered twice");
  assert.equal((await creditOf(operator.address)) - earned, 3n * (await fee()));
  await world.pass(2 * windowSec);
  await settlement.follow();
  assert.equal(
    (await settlement.batches({ limit: 1 }))[0]!.state,
    "final",
    "an answered demand only puts it off",
  );
  await node.close();
});

test("a row of a release's index is demanded through a receipt that names it, and answered from the index", async () => {
  const { setting, by } = await attester(200);
  const content = contentOf(3, -1, {}, setting);
  const committed = { ...commit(content), attester: toHex(by.address), number: 0 };
  await settleAs(world, by, {
    ...committed,
    previousBalances: commit({ ...content, previousBalances: [] }).previousBalances,
  });
  const watcher = await disputesOf(ben);
  const lines = contentLines(headerOf(by), await signed(world, by, content));
  await watcher.demand(by.address, 0, { kind: "row", index: 2, receipt: 1 }, bytesOf(lines));
  await watcher.close();
  const node = await disputesOf(by);
  assert.equal(await node.answer(), 1);
  await node.close();
});

test("silence undoes the batch, pays the demander, and a demand on it comes back", async () => {
  const { setting, by } = await attester(201);
  const content = contentOf(5, -1, {}, setting);
  await settleAs(world, by, {
    ...commit(content),
    number: 0,
    previousBalances: { root: `0x${"00".repeat(32)}`, count: 0 },
  });
  const watcher = await disputesOf(ben);
  const before = await creditOf(ben.address);
  await watcher.demand(by.address, 0, { kind: "line", index: 3 });
  await watcher.demand(by.address, 0, { kind: "balance", index: 1 });
  assert.equal(await watcher.enforce(), 0, "not before the deadline");
  await world.pass(windowSec / 2);
  assert.equal(await watcher.enforce(), 2);
  const states = (await watcher.demands(20)).filter(({ attester }) => attester === toHex(by.address));
  assert.deepEqual(states.map(({ state }) => state).sort(), ["enforced", "returned"]);
  const reward = (open * 3_000n) / 10_000n;
  assert.equal((await creditOf(ben.address)) - before, reward + 2n * (await fee()));
  assert.equal(await watcher.enforce(), 0, "nothing is enforced twice");
  const held = await world.balance(ben.address);
  assert.equal(await watcher.withdrawCredit(), await (async () => before + reward + 2n * (await fee()))());
  assert.ok((await world.balance(ben.address)) > held);
  assert.equal(await watcher.withdrawCredit(), 0n);
  await watcher.close();
});

test("a second receipt for the same money undoes the batch, and one that was never settled costs its operator", async () => {
  const { setting, by } = await attester(202);
  const content = contentOf(6, -1, {}, setting);
  const committed = { ...commit(content), attester: toHex(by.address), number: 0 };
  await settleAs(world, by, { ...committed, previousBalances: { root: `0x${"00".repeat(32)}`, count: 0 } });
  const settled = content.receipts[2]!;
  const where = domain(world.chain.chainId, ledger().address);
  const other = { ...settled.receipt, responseDigest: settled.receipt.requestDigest };
  const watcher = await disputesOf(ben);
  const whole = await signed(world, by, content);
  const source = () => bytesOf(contentLines(headerOf(by), whole));
  const signature = await signReceipt(where, settled.receipt, by);
  await assert.rejects(watcher.proveEquivocation(by.address, 0, settled.receipt, signature, source()), {
    code: "unknown-receipt",
  });
  await watcher.proveEquivocation(by.address, 0, other, await signReceipt(where, other, by), source());
  assert.equal(
    (await watcher.watched(100)).find(({ attester }) => attester === toHex(by.address))?.state,
    "undone",
  );

  const late = await attester(203);
  const receipt = {
    ...content.receipts[0]!.receipt,
    channelId: late.setting.channels[0]!,
    issuedAt: late.setting.issuedAt,
  };
  const promise = await signReceipt(where, receipt, late.by);
  await assert.rejects(watcher.reportLate(receipt, promise), /NotLate/);
  await world.pass(365 * 86_400);
  const before = await creditOf(ben.address);
  await watcher.reportLate(receipt, promise);
  assert.ok((await creditOf(ben.address)) > before);
  await assert.rejects(watcher.reportLate(receipt, promise), /NotLate/, "once");
  await watcher.close();
});

function headerOf(by: PrivateKeyAccount) {
  const [chainId, ledgerAddress] = [world.chain.chainId, toHex(ledger().address)];
  return { chainId, ledger: ledgerAddress, attester: toHex(by.address), number: 0 };
}

async function* bytesOf(lines: Iterable<string>) {
  for (const line of lines) yield new TextEncoder().encode(line);
}

async function attester(n: number) {
  const by = account(n);
  const setting = await openSetting(world, by, release, { bondWei: 3n * open, collectedWei: 10n ** 9n });
  return { by, setting };
}
