import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { PrivateKeyAccount } from "viem/accounts";
import { type Digest, type Domain, signVoucher } from "../protocol/index.ts";
import type { PaymentRequiredError } from "./errors.ts";
import { account, ann, ben, open, openWorld, type World } from "./fixtures/world.ts";
import { openChannel } from "./open-channel.ts";
import { formatVoucher, parseVoucher } from "./voucher.ts";

let world: World;
let pay: Awaited<ReturnType<World["payments"]>>;
let ids = 0;

before(async () => {
  world = await openWorld();
  pay = await world.payments();
});
after(async () => {
  await pay.close();
  await world.close();
});

const withCode = (code: string) => (error: unknown) => (error as PaymentRequiredError).code === code;
const session = account(41);

async function channelOf(depositWei: bigint, limitWei = 0n): Promise<Digest> {
  const { channelId } = await openChannel(world.client(ann), world.contracts, {
    payee: pay.operator,
    signer: session.address,
    depositWei,
    limitWei,
  });
  return channelId;
}

async function voucher(
  channelId: Digest,
  cumulative: bigint,
  by: PrivateKeyAccount = ann,
  domain: Domain = pay.domain,
): Promise<string> {
  const signature = await signVoucher(domain, { channelId, cumulative }, by);
  return formatVoucher({ channelId, cumulative, signature });
}

/** A request paid by voucher; without a fee it stays reserved. */
async function request(text: string, maxWei: bigint, feeWei?: bigint) {
  const requestId = `voucher-${ids++}`;
  const payer = await pay.authenticate({ voucher: text });
  await world.database.transaction((tx) => pay.reserve(tx, { requestId, payer, maxWei }));
  if (feeWei === undefined) return undefined;
  return world.database.transaction((tx) => pay.charge(tx, requestId, feeWei));
}

describe("a voucher", () => {
  test("of the payer pays up to what it says, request after request", async () => {
    const channelId = await channelOf(1_000n);
    assert.deepEqual(await request(await voucher(channelId, 100n), 100n, 40n), {
      channelId,
      from: 0n,
      to: 40n,
    });
    assert.deepEqual(await request(await voucher(channelId, 140n), 100n, 100n), {
      channelId,
      from: 40n,
      to: 140n,
    });
    await assert.rejects(request(await voucher(channelId, 150n), 11n), (error) => {
      assert.match((error as Error).message, /the voucher is for 150 wei, needed are 151 wei \(140 charged/);
      return withCode("overspent")(error);
    });
  });

  test("of the session signer counts up to its limit", async () => {
    const channelId = await channelOf(1_000n, 200n);
    assert.ok(await request(await voucher(channelId, 200n, session), 200n, 150n));
    await assert.rejects(
      pay.authenticate({ voucher: await voucher(channelId, 201n, session) }),
      withCode("overspent"),
    );
    await assert.rejects(
      pay.authenticate({ voucher: await voucher(channelId, 1_001n) }),
      withCode("overspent"),
    );
    assert.ok(await request(await voucher(channelId, 1_000n), 850n, 850n));
  });

  test("that is forged in any way is refused before anything is reserved", async () => {
    const channelId = await channelOf(1_000n);
    const good = await voucher(channelId, 100n);
    const { signature } = parseVoucher(good);
    const forged = [
      await voucher(channelId, 100n, ben),
      formatVoucher({ channelId, cumulative: 101n, signature }),
      await voucher(channelId, 100n, ann, { ...pay.domain, chainId: 1 }),
      await voucher(channelId, 100n, ann, {
        ...pay.domain,
        verifyingContract: world.contracts.AttributionLedger.address,
      }),
      formatVoucher({ channelId: await channelOf(1_000n), cumulative: 100n, signature }),
      `${good.slice(0, -2)}1d`,
      formatVoucher({ channelId, cumulative: 100n, signature: `0x${"00".repeat(65)}` }),
    ];
    for (const text of forged) await assert.rejects(request(text, 1n), withCode("forged_voucher"), text);
    const unknown = await voucher(`0x${"77".repeat(32)}`, 5n);
    await assert.rejects(request(unknown, 1n), withCode("unknown_channel"));
    for (const text of [
      "",
      "0x12",
      `${good}:1`,
      good.replace(":100:", ":0100:"),
      good.replace(":100:", ":-1:"),
      "x".repeat(9_999),
    ])
      await assert.rejects(request(text, 1n), withCode("malformed_voucher"));
    assert.deepEqual((await pay.channel(channelId))?.reserved, 0n);
    assert.equal(
      (await world.database.query("select 1 from payments.vouchers where channel_id = $1", [channelId]))
        .length,
      0,
    );
  });

  test("cannot be spent twice by requests at the same time", async () => {
    const channelId = await channelOf(1_000n);
    const text = await voucher(channelId, 100n);
    const results = await Promise.allSettled(Array.from({ length: 30 }, () => request(text, 30n)));
    assert.equal(results.filter(({ status }) => status === "fulfilled").length, 3);
    const increasing = await Promise.all(
      [200n, 130n, 160n].map((cumulative) => voucher(channelId, cumulative)),
    );
    const paid = await Promise.allSettled(increasing.map((one) => request(one, 30n)));
    assert.ok(paid.some(({ status }) => status === "fulfilled"));
    const { charged, reserved } = (await pay.channel(channelId))!;
    assert.ok(charged + reserved <= 200n);
  });

  test("that was collected stands on chain for all to read, and pays nothing any more", async () => {
    const channelId = await channelOf(1_000n);
    const text = await voucher(channelId, 100n);
    await request(text, 100n, 10n);
    const { collected, failures } = await pay.collect([{ channelId, atLeast: 10n }]);
    assert.deepEqual([collected.get(channelId), failures], [100n, []]);
    await assert.rejects(request(text, 1n), (error) => {
      assert.match((error as Error).message, /Sign one for at least 101 wei/);
      return withCode("stale_voucher")(error);
    });
    assert.deepEqual(await request(await voucher(channelId, 101n), 91n, 91n), {
      channelId,
      from: 10n,
      to: 101n,
    });
  });

  test("that is collected between being checked and being spent pays nothing either", async () => {
    const channelId = await channelOf(1_000n);
    const text = await voucher(channelId, 100n);
    await request(text, 10n, 10n);
    const payer = await pay.authenticate({ voucher: text });
    await pay.collect([{ channelId, atLeast: 10n }]);
    const late = world.database.transaction((tx) =>
      pay.reserve(tx, { requestId: "late", payer, maxWei: 1n }),
    );
    await assert.rejects(late, withCode("stale_voucher"));
  });

  test("for exactly what was charged, handed in, is collected instead of a larger one", async () => {
    const channelId = await channelOf(1_000n);
    await request(await voucher(channelId, 500n), 500n, 123n);
    assert.equal((await pay.latestVoucher(channelId))?.cumulative, 500n);
    await pay.handIn(await voucher(channelId, 123n));
    await assert.rejects(pay.handIn(await voucher(channelId, 124n, ben)), withCode("forged_voucher"));
    assert.equal((await pay.latestVoucher(channelId))?.cumulative, 123n);
    assert.equal((await pay.collect([{ channelId, atLeast: 123n }])).collected.get(channelId), 123n);
    assert.equal((await pay.channel(channelId))?.charged, 123n);
  });
});

test("collecting: keys sign exactly what is asked for; one bad channel does not stop the others; again is harmless", async () => {
  const key = await pay.createKey({ label: "" });
  const { channelId } = await openChannel(world.client(ben), world.contracts, {
    payee: pay.operator,
    signer: key.signer,
    depositWei: open,
  });
  await pay.activateKey(key.secret, channelId);
  const payer = await pay.authenticate({ authorization: `Bearer ${key.secret}` });
  await world.database.transaction((tx) => pay.reserve(tx, { requestId: "k", payer, maxWei: 500n }));
  await world.database.transaction((tx) => pay.charge(tx, "k", 500n));
  const direct = await channelOf(1_000n);
  await request(await voucher(direct, 10n), 10n, 10n);
  const ends = [
    { channelId, atLeast: 333n },
    { channelId: direct, atLeast: 11n },
    { channelId: `0x${"99".repeat(32)}` as const, atLeast: 1n },
  ];
  const first = await pay.collect(ends);
  assert.equal(first.collected.get(channelId), 333n);
  assert.deepEqual(
    first.failures.map(({ channelId: id, lost, collectedWei }) => [id, lost, collectedWei]),
    [
      [direct, false, 0n],
      [ends[2]!.channelId, false, 0n],
    ],
  );
  assert.equal(first.transactionHashes.length, 1);
  const again = await pay.collect([ends[0]!]);
  assert.deepEqual([again.collected.get(channelId), again.transactionHashes, again.gasUsed], [333n, [], 0n]);
});

test("collecting in one transaction falls back to each alone when a payer spoils it", async () => {
  const [first, second] = [await channelOf(1_000n), await channelOf(1_000n)];
  const spoilt = await voucher(first, 50n);
  await request(spoilt, 50n, 50n);
  await request(await voucher(second, 60n), 60n, 60n);
  const client = world.client(account(22));
  let raced = false;
  await pay.close();
  pay = await world.payments({
    chain: {
      ...client,
      write: (async (call: Parameters<typeof client.write>[0]) => {
        if (!raced && call.functionName === "collectMany") {
          raced = true;
          const { cumulative, signature } = parseVoucher(spoilt);
          await world.client(ben).write({
            ...world.contracts.PaymentChannels,
            functionName: "collect",
            args: [first, cumulative, signature],
          });
        }
        return client.write(call);
      }) as typeof client.write,
    },
  });
  const { collected, failures } = await pay.collect([
    { channelId: first, atLeast: 50n },
    { channelId: second, atLeast: 60n },
  ]);
  assert.ok(raced);
  assert.deepEqual([collected.get(first), collected.get(second), failures], [50n, 60n, []]);
});
