import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { privateKeyToAccount } from "viem/accounts";
import {
  type Address,
  buildBatch,
  bytesDigest,
  type Digest,
  domain,
  type Receipt,
  signReceipt,
  splitDigest,
  textDigest,
  toHex,
  zeroDigest,
} from "../protocol/index.ts";
import { contentLines } from "../settlement/index.ts";
import { type Json, openRunning } from "./fixtures/running.ts";

const open = 10n ** 18n;
const running = await openRunning({ settlementWindowSeconds: 8 }, true);
const { run, refused, call, file, node } = running;
const { contracts, chain } = node.network;
after(() => running.close());

const addressOf = async (name: string): Promise<Address> =>
  (await run("wallet", "address", "--as", name)).address;
const writerOf = async (name: string) => {
  const { privateKey } = await run("wallet", "export", "--show-private-key", "--as", name);
  return node.network.writer(privateKeyToAccount(privateKey));
};

let liar: Address;
let channelId: Digest;
let content = "";

/** An answer of a release that was never published, charged to a channel that pays the liar. */
before(async () => {
  for (const name of ["liar", "payer", "auditor"]) await run("wallet", "faucet", "20", "--as", name);
  liar = await addressOf("liar");
  channelId = (await run("channel", "open", liar, "5", "--as", "payer")).channelId;
  const { cumulativeWei, signature } = await run("channel", "spend", channelId, "2", "--as", "payer");
  const writer = await writerOf("liar");
  await writer.write({
    ...contracts.PaymentChannels,
    functionName: "collect",
    args: [channelId, BigInt(cumulativeWei), signature],
  });
  await writer.write({ ...contracts.AttributionLedger, functionName: "depositBond", value: 10n * open });
});

async function settleLie(): Promise<void> {
  const writer = await writerOf("liar");
  const { timestamp } = await writer.public.getBlock();
  const payments = [{ payee: liar, amount: open }];
  const nothing = bytesDigest("0x");
  const receipt: Receipt = {
    channelId,
    from: 0n,
    to: open,
    releaseId: textDigest("a release that never was"),
    requestDigest: zeroDigest,
    responseDigest: zeroDigest,
    promptTokens: 1,
    completionTokens: 1,
    queryDigest: nothing,
    scoresDigest: nothing,
    thresholdRow: 0,
    threshold: 0n,
    splitDigest: splitDigest(payments),
    issuedAt: timestamp,
  };
  const batch = buildBatch([], [{ receipt, payments }]);
  const commitment = ({ root, count }: { root: Digest; count: number }) => ({ root, count });
  await writer.write({
    ...contracts.AttributionLedger,
    functionName: "settle",
    args: [
      {
        number: 0,
        previousBalancesRoot: zeroDigest,
        receipts: commitment(batch.receiptTree),
        journal: commitment(batch.journalTree),
        balances: commitment(batch.balanceTree),
        total: batch.total,
      },
      [{ channelId, to: open }],
    ],
  });
  const ledger = toHex(contracts.AttributionLedger.address);
  const { chainId } = chain;
  const signature = await signReceipt(domain(chainId, ledger), receipt, writer.account as never);
  const lines = contentLines(
    { chainId, ledger, attester: liar, number: 0 },
    {
      receipts: [{ receipt, payments, query: "0x", scores: "0x", signature }],
      journal: batch.journal,
      balances: batch.balances,
      previousBalances: [],
    },
  );
  content = file("content.jsonl", [...lines].join(""));
}

const batches = async (): Promise<Json[]> => (await run("dispute", "list")).batches;

test("a lie is found in what was published, proven, and undone with its reason", async () => {
  await settleLie();
  assert.deepEqual(
    (await batches()).map(({ attester, number, state }) => [attester, number, state]),
    [[liar, 0, "open to challenge"]],
  );
  assert.equal((await refused(["dispute", "check", liar, "0"], 1)).code, "no-content");
  const forged = file(
    "forged.jsonl",
    readFileSync(content, "utf8").replace(`"1000000000000000000"`, `"1000000000000000001"`),
  );
  const withheld = await call(["dispute", "check", liar, "0", "--content", forged]);
  assert.equal(withheld.code, 1);
  assert.match(withheld.out, /^Withheld: /);

  const found = await call(["dispute", "check", liar, "0", "--content", content, "--json"]);
  assert.equal(found.code, 1, "a batch that is not true ends with 1");
  const { honest, lies } = JSON.parse(found.out);
  assert.deepEqual([honest, lies[0].kind], [false, "release"]);
  const none = ["dispute", "prove", liar, "0", "--content", content, "--lie", "99", "--as", "auditor"];
  assert.equal((await refused(none, 1)).code, "no-lie");

  const proof = await run("dispute", "prove", liar, "0", "--content", content, "--as", "auditor");
  assert.equal(proof.proven.kind, "release");
  const [undone] = await batches();
  assert.deepEqual(
    [undone.state, undone.undoneFor, undone.slashedWei],
    ["undone", "a receipt of no release, at another price or of another time", open.toString()],
  );
  // 30 % of what was slashed.
  const { amountWei } = await run("dispute", "withdraw", "--as", "auditor");
  assert.equal(amountWei, ((3n * open) / 10n).toString());
  assert.equal((await refused(["dispute", "withdraw", "--as", "auditor"], 1)).code, "nothing-to-withdraw");
  assert.equal(
    (await refused(["dispute", "check", liar, "0", "--content", content], 1)).code,
    "unknown-batch",
  );
});

test("what fell is restored by anyone, and what was never settled goes back to its payer in time", async () => {
  assert.deepEqual((await run("dispute", "restore", liar, "--as", "auditor")).restored, [
    { number: 0, channels: 1 },
  ]);
  assert.equal(
    (await refused(["dispute", "restore", liar, "--as", "auditor"], 1)).code,
    "nothing-to-restore",
  );
  const refund = await run("channel", "refund", channelId, "--as", "payer");
  assert.deepEqual([refund.owedWei, refund.refundedWei], [(2n * open).toString(), "0"]);
  assert.ok(refund.refundAtSec > Date.now() / 1_000 + 29 * 86_400);
});

test("a demand that nobody answers undoes the batch; its price and a reward come back", async () => {
  await settleLie();
  const demand = ["dispute", "demand", liar, "0", "receipt", "0", "--as", "auditor"];
  const unbonded = await refused(demand, 1);
  assert.equal(unbonded.code, "bond-too-small");
  assert.equal(
    (await refused([...demand.slice(0, 5), "7", "--bond", "--as", "auditor"], 1)).code,
    "no-such-item",
  );
  const noBatch = ["dispute", "demand", liar, "99", "receipt", "0", "--bond", "--as", "auditor"];
  assert.equal((await refused(noBatch, 1)).code, "no-such-batch");
  assert.equal((await run("dispute", "credits", "--as", "auditor")).bondWei, "0", "no bond for nothing");
  const made = await run(...demand, "--bond");
  assert.deepEqual([made.demand, made.kind, made.status], [1, "receipt", "open"]);
  assert.equal((await refused(demand, 1)).code, "already-demanded");
  assert.equal((await refused(["dispute", "enforce", "1", "--as", "payer"], 1)).code, "too-early");
  assert.equal((await batches()).at(0).openDemands, 1);
  await pause(made.deadlineSec * 1_000 - Date.now() + 1_100);
  assert.equal((await run("dispute", "enforce", "1", "--as", "payer")).status, "enforced");
  assert.equal((await batches()).at(0).undoneFor, "a demand that was not answered in time");
  const { creditWei, bondWei, openDemands } = await run("dispute", "credits", "--as", "auditor");
  assert.ok(BigInt(creditWei) >= (3n * open) / 10n + BigInt(made.priceWei));
  assert.equal(openDemands, 0);
  await run("dispute", "unbond", (BigInt(bondWei) / open).toString(), "--as", "auditor");
  assert.equal((await run("dispute", "demands")).demands[0].status, "enforced");
});

test("people read it, and what is not there is said", async () => {
  assert.equal((await refused(["dispute", "enforce", "9", "--as", "payer"], 1)).code, "unknown-demand");
  for (const wrong of [
    ["dispute", "demand", liar, "0", "soul", "0"],
    ["dispute", "late", file("empty.json", "{}")],
    ["dispute", "resettle", liar],
  ])
    assert.equal((await call(wrong)).code, 2, wrong.join(" "));
  assert.equal((await refused(["dispute", "resettle", liar, "7"], 1)).code, "unknown-batch");
  for (const shown of [
    ["dispute", "list"],
    ["dispute", "demands"],
    ["dispute", "credits", "--as", "auditor"],
    ["dispute", "--help"],
  ]) {
    const { code, out } = await call(shown);
    assert.equal(code, 0);
    assert.doesNotMatch(out, /undefined|NaN|\[object/, shown.join(" "));
  }
});
