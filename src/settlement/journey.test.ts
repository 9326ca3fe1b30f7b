import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { PrivateKeyAccount } from "viem/accounts";
import { commit, contentOf, index, type Setting } from "../protocol/fixtures/batch.ts";
import { listLiesPlanted, receiptLiesPlanted } from "../protocol/fixtures/lies.ts";
import { type Address, type BatchContent, type CommittedBatch, toHex } from "../protocol/index.ts";
import { contentLines } from "./content.ts";
import { type Disputes, openDisputes } from "./disputes.ts";
import { openSetting, publishRelease, settleAs, signed } from "./fixtures/liar.ts";
import { account, ann, ben, open, openWorld, treasury, type World } from "./fixtures/world.ts";

let world: World;
let release: Awaited<ReturnType<typeof publishRelease>>;
let disputes: Disputes;
/** What each attester publishes, by attester and number. */
const published = new Map<string, () => AsyncIterable<Uint8Array>>();
let accounts = 100;

before(async () => {
  world = await openWorld({ minimumBondWei: open });
  release = await publishRelease(world);
  disputes = await openDisputes({
    database: world.database,
    blobs: world.blobs,
    chain: world.client(ben),
    contracts: world.contracts,
    indexOf: async () => index,
    fetchContent: async (attester, number) => published.get(`${attester} ${number}`)?.(),
    onBlock: (listener) => world.chain.onBlock(listener),
    now: world.now,
  });
});
after(async () => {
  await disputes.close();
  await world.close();
});

const ledger = () => world.contracts.AttributionLedger;
const read = () => world.client(ann).public;
const creditOf = (of: Address) => read().readContract({ ...ledger(), functionName: "creditOf", args: [of] });
const standing = async (of: Address) => {
  const [bond, pending, batches] = await read().readContract({
    ...ledger(),
    functionName: "attesterOf",
    args: [of],
  });
  return { bond, pending, batches };
};

/** A new attester with channels, bond and money. */
async function attester(): Promise<{ by: PrivateKeyAccount; setting: Setting; address: Address }> {
  const by = account(accounts++);
  const setting = await openSetting(world, by, release, { bondWei: 3n * open, collectedWei: 10n ** 9n });
  return { by, setting, address: toHex(by.address) };
}

/** Settles and publishes. */
async function settle(
  by: PrivateKeyAccount,
  content: BatchContent,
  committed = commit(content),
): Promise<void> {
  const address = toHex(by.address);
  const mine = {
    ...committed,
    attester: address,
    number: 0,
    previousBalances: commit({ ...content, previousBalances: [] }).previousBalances,
  };
  await settleAs(world, by, mine);
  const whole = await signed(world, by, content);
  const header = {
    chainId: world.chain.chainId,
    ledger: toHex(ledger().address),
    attester: address,
    number: 0,
  };
  published.set(`${address} 0`, async function* () {
    for (const line of contentLines(header, whole)) yield new TextEncoder().encode(line);
  });
}

/** The watcher finds the one lie, proves it with one transaction, and is paid for it; nobody else loses anything. */
async function isCaught(liar: Address, kind: string): Promise<void> {
  const honest = await attester();
  await settle(honest.by, contentOf(7, -1, {}, honest.setting));
  const [before, mine, theirs] = [
    await standing(liar),
    await creditOf(ben.address),
    await creditOf(treasury),
  ];
  const held = await world.balance(ledger().address);
  const sent = await read().getTransactionCount({ address: ben.address });
  const findings = await disputes.checkAll();
  const found = (of: Address) => findings.find((finding) => finding.attester === of);
  assert.deepEqual([found(liar)?.state, found(liar)?.lie?.kind], ["lying", kind], found(liar)?.detail ?? "");
  assert.deepEqual([found(honest.address)?.state, found(honest.address)?.detail], ["honest", null]);
  assert.equal((await read().getTransactionCount({ address: ben.address })) - sent, 1, "one transaction");

  const now = await standing(liar);
  assert.deepEqual([now.batches, now.pending], [0n, 0n], "the batch is undone");
  const slashed = before.bond - now.bond;
  assert.equal(slashed, open, "the minimum bond, because the batch was worth less");
  const reward = (await creditOf(ben.address)) - mine;
  assert.equal(reward, (slashed * 3_000n) / 10_000n, "the prover's part");
  const toTreasury = (await creditOf(treasury)) - theirs;
  assert.ok(
    toTreasury >= reward && reward + toTreasury <= slashed,
    "the rest is the harmed's and the treasury's",
  );
  assert.equal(await world.balance(ledger().address), held, "nothing leaves the ledger");
  const other = await standing(honest.address);
  assert.deepEqual([other.bond, other.batches], [3n * open, 1n], "who told the truth loses nothing");
  assert.equal((await disputes.watched(100)).find((batch) => batch.attester === liar)?.state, "undone");
  assert.deepEqual(await disputes.checkAll(), [], "nothing is checked or proven twice");
}

describe("an attester whose batch holds one lie is caught from what it published", () => {
  for (const [what, kind, planted] of receiptLiesPlanted)
    test(what, async () => {
      const { by, setting, address } = await attester();
      const n = 4;
      const honest = contentOf(7, n, {}, setting);
      const made = typeof planted === "function" ? planted(honest, n) : planted;
      const time =
        kind === "time" ? { issuedAt: what.includes("after") ? setting.issuedAt + 10_000n : 1n } : {};
      const changes = { ...made, ...(kind === "time" ? { receipt: time } : {}) };
      await settle(by, contentOf(7, n, changes, setting));
      await isCaught(address, kind);
    });

  for (const [what, kind, plant] of listLiesPlanted)
    test(what, async () => {
      const { by, setting, address } = await attester();
      const made = plant(contentOf(7, -1, {}, setting), 4) as
        | BatchContent
        | readonly [BatchContent, CommittedBatch];
      const [content, committed] = "receipts" in made ? [made, commit(made)] : made;
      await settle(by, content, committed);
      await isCaught(address, kind);
    });
});
