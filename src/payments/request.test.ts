import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import type { Digest } from "../protocol/index.ts";
import type { PaymentError, PaymentRequiredError } from "./errors.ts";
import { ann, openWorld, type World } from "./fixtures/world.ts";
import { openChannel } from "./open-channel.ts";
import type { Payer } from "./payer.ts";

let world: World;
let pay: Awaited<ReturnType<World["payments"]>>;
let ids = 0;
const nextId = () => `request-${ids++}`;

before(async () => {
  world = await openWorld();
  pay = await world.payments();
});
after(async () => {
  await pay.close();
  await world.close();
});

const withCode = (code: string) => (error: unknown) =>
  (error as PaymentError | PaymentRequiredError).code === code;

async function keyWith(
  depositWei: bigint,
  limitWei = depositWei,
): Promise<{ payer: Payer; channelId: Digest; keyId: string }> {
  const key = await pay.createKey({ label: "" });
  const { channelId } = await openChannel(world.client(ann), world.contracts, {
    payee: pay.operator,
    signer: key.signer,
    depositWei,
    limitWei,
  });
  await pay.activateKey(key.secret, channelId);
  return {
    payer: await pay.authenticate({ authorization: `Bearer ${key.secret}` }),
    channelId,
    keyId: key.keyId,
  };
}

const reserve = (payer: Payer, maxWei: bigint, requestId = nextId()) =>
  world.database.transaction((tx) => pay.reserve(tx, { requestId, payer, maxWei }));
const charge = (requestId: string, feeWei: bigint) =>
  world.database.transaction((tx) =>
    pay.charge(tx, requestId, feeWei, { promptTokens: 2, completionTokens: 3 }),
  );
const release = (requestId: string) => world.database.transaction((tx) => pay.release(tx, requestId));
const amounts = async (channelId: Digest) => {
  const { charged, reserved } = (await pay.channel(channelId))!;
  return { charged, reserved };
};

describe("reserve, charge, release", () => {
  test("charges intervals that follow each other, and frees what was not used", async () => {
    const { payer, channelId } = await keyWith(1_000n);
    const [first, second] = [await reserve(payer, 300n), await reserve(payer, 300n)];
    assert.deepEqual(await amounts(channelId), { charged: 0n, reserved: 600n });
    assert.deepEqual(await charge(second.requestId, 120n), { channelId, from: 0n, to: 120n });
    assert.deepEqual(await charge(first.requestId, 300n), { channelId, from: 120n, to: 420n });
    assert.deepEqual(await amounts(channelId), { charged: 420n, reserved: 0n });
    assert.equal((await reserve(payer, 580n)).maxWei, 580n);
  });

  test("may each be called again with the same result, and with no other", async () => {
    const { payer, channelId } = await keyWith(1_000n);
    const requestId = nextId();
    const reserved = await reserve(payer, 100n, requestId);
    assert.deepEqual(await reserve(payer, 100n, requestId), reserved);
    assert.deepEqual(await amounts(channelId), { charged: 0n, reserved: 100n });
    await assert.rejects(reserve(payer, 101n, requestId), withCode("request-conflict"));
    const charged = await charge(requestId, 60n);
    assert.deepEqual(await charge(requestId, 60n), charged);
    await assert.rejects(charge(requestId, 61n), withCode("request-conflict"));
    assert.equal(await release(requestId), "charged");
    assert.deepEqual(await amounts(channelId), { charged: 60n, reserved: 0n });
    assert.deepEqual((await reserve(payer, 100n, requestId)).charge, charged);

    const other = await reserve(payer, 200n);
    assert.deepEqual(
      [await release(other.requestId), await release(other.requestId)],
      ["released", "released"],
    );
    assert.deepEqual(await amounts(channelId), { charged: 60n, reserved: 0n });
    await assert.rejects(charge(other.requestId, 1n), withCode("request-conflict"));
    assert.equal(await release("never-reserved"), "unknown");
    await assert.rejects(charge("never-reserved", 1n), withCode("unknown-request"));
  });

  test("refuse amounts and ids that cannot be", async () => {
    const { payer } = await keyWith(1_000n);
    for (const maxWei of [0n, -1n, 2n ** 96n])
      await assert.rejects(reserve(payer, maxWei), withCode("bad-amount"));
    for (const id of ["", "a b", "x".repeat(201), "é"])
      await assert.rejects(reserve(payer, 1n, id), withCode("bad-amount"));
    const { requestId } = await reserve(payer, 10n);
    for (const fee of [0n, -1n, 11n]) await assert.rejects(charge(requestId, fee), withCode("bad-amount"));
  });

  test("stop at the signer's limit and at the deposit, and say what was needed", async () => {
    const limited = await keyWith(1_000n, 100n);
    await reserve(limited.payer, 60n);
    await assert.rejects(reserve(limited.payer, 41n), (error) => {
      assert.match(
        (error as Error).message,
        /its signer's limit is 100 wei, needed are 101 wei \(0 charged, 60 for requests/,
      );
      const { details } = error as PaymentRequiredError;
      assert.deepEqual([details.expectedWei, details.actualWei], [101n, 100n]);
      return withCode("overspent")(error);
    });
    await reserve(limited.payer, 40n);
    const deposited = await keyWith(100n, 10n ** 9n);
    await assert.rejects(reserve(deposited.payer, 101n), /its deposit is 100 wei/);
    await world.client(ann).write({
      ...world.contracts.PaymentChannels,
      functionName: "topUp",
      args: [deposited.channelId],
      value: 1n,
    });
    await pay.sync();
    await reserve(deposited.payer, 101n);
  });

  test("at the same time never spend more than there is", async () => {
    const { payer, channelId } = await keyWith(1_000n);
    const results = await Promise.allSettled(Array.from({ length: 60 }, () => reserve(payer, 37n)));
    const reserved = results.filter(({ status }) => status === "fulfilled").length;
    assert.equal(reserved, 27);
    assert.deepEqual(await amounts(channelId), { charged: 0n, reserved: 27n * 37n });
    for (const result of results)
      if (result.status === "rejected") assert.ok(withCode("overspent")(result.reason));
    const same = nextId();
    await Promise.all(results.flatMap((r) => (r.status === "fulfilled" ? [release(r.value.requestId)] : [])));
    const once = await Promise.all(Array.from({ length: 10 }, () => reserve(payer, 900n, same)));
    assert.equal(new Set(once.map(({ reservedAtMs }) => reservedAtMs)).size, 1);
    const charges = await Promise.all(Array.from({ length: 10 }, () => charge(same, 850n)));
    assert.deepEqual(new Set(charges.map(({ from, to }) => `${from}-${to}`)), new Set(["0-850"]));
    assert.deepEqual(await amounts(channelId), { charged: 850n, reserved: 0n });
  });

  test("leave the channel as it was when the transaction around them fails", async () => {
    const { payer, channelId } = await keyWith(1_000n);
    const { requestId } = await reserve(payer, 100n);
    const broken = world.database.transaction(async (tx) => {
      await pay.charge(tx, requestId, 50n);
      await pay.reserve(tx, { requestId: nextId(), payer, maxWei: 10n });
      throw new Error("power cut");
    });
    await assert.rejects(broken, /power cut/);
    assert.deepEqual(await amounts(channelId), { charged: 0n, reserved: 100n });
    assert.deepEqual(await charge(requestId, 50n), { channelId, from: 0n, to: 50n });
  });

  test("keep charged + reserved within the limit and charges without gap, whatever comes in which order", async () => {
    const step = fc.record({
      what: fc.constantFrom("reserve", "charge", "release", "again"),
      which: fc.nat(9),
      wei: fc.bigInt({ min: 1n, max: 400n }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const { payer, channelId, keyId } = await keyWith(1_000n, 900n);
        const made: { requestId: string; maxWei: bigint }[] = [];
        const charges: { from: bigint; to: bigint }[] = [];
        for (const { what, which, wei } of steps) {
          const target = made[which % Math.max(1, made.length)];
          if (what === "reserve" || target === undefined) {
            const requestId = nextId();
            await reserve(payer, wei, requestId).then(
              () => made.push({ requestId, maxWei: wei }),
              (error) => assert.ok(withCode("overspent")(error)),
            );
          } else if (what === "charge") {
            const fee = 1n + (wei % target.maxWei);
            const before = (await pay.reservation(target.requestId))!;
            await charge(target.requestId, fee).then(
              (charged) => before.charge === null && charges.push(charged),
              (error) => assert.ok(before.state !== "reserved" && withCode("request-conflict")(error)),
            );
          } else if (what === "release") await release(target.requestId);
          else await reserve(payer, target.maxWei, target.requestId);
          const { charged, reserved } = await amounts(channelId);
          assert.ok(charged + reserved <= 900n);
          assert.equal(charged, charges.at(-1)?.to ?? 0n);
        }
        charges.forEach(({ from }, i) => {
          assert.equal(from, charges[i - 1]?.to ?? 0n);
        });
        const used = await pay.usage({ keyId, sinceMs: 0 });
        assert.deepEqual([used.requests, used.chargedWei], [charges.length, charges.at(-1)?.to ?? 0n]);
      }),
      { numRuns: 6 },
    );
  });
});

test("one meter sums requests, wei and tokens since a time, by key and by channel", async () => {
  const { payer, channelId, keyId } = await keyWith(1_000n);
  for (const fee of [10n, 20n]) await charge((await reserve(payer, 100n)).requestId, fee);
  await release((await reserve(payer, 100n)).requestId);
  const later = world.now() + 1_000;
  await world.pass(10);
  await charge((await reserve(payer, 100n)).requestId, 5n);
  const open = await reserve(payer, 1n);
  const all = { requests: 3, chargedWei: 35n, promptTokens: 6, completionTokens: 9 };
  assert.deepEqual(await pay.usage({ keyId, sinceMs: 0 }), all);
  assert.deepEqual(await pay.usage({ channelId, sinceMs: 0 }), all);
  assert.deepEqual(await pay.usage({ channelId, sinceMs: later }), {
    requests: 1,
    chargedWei: 5n,
    promptTokens: 2,
    completionTokens: 3,
  });
  const left = await pay.openReservations({ beforeMs: world.now() + 1, limit: 1_000 });
  assert.ok(left.some(({ requestId }) => requestId === open.requestId));
  assert.deepEqual(await pay.usage({ keyId: "nobody", sinceMs: 0 }), {
    requests: 0,
    chargedWei: 0n,
    promptTokens: 0,
    completionTokens: 0,
  });
});
