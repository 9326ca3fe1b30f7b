import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Digest } from "../protocol/index.ts";
import type { PaymentRequiredError } from "./errors.ts";
import { ann, ben, closeTimeoutSec, open, openWorld, type World } from "./fixtures/world.ts";
import { openChannel } from "./open-channel.ts";
import type { Payer } from "./payer.ts";

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

async function keyed(): Promise<{ payer: Payer; channelId: Digest; secret: string }> {
  const key = await pay.createKey({ label: "" });
  const { channelId } = await openChannel(world.client(ann), world.contracts, {
    payee: pay.operator,
    signer: key.signer,
    depositWei: open,
  });
  await pay.activateKey(key.secret, channelId);
  return {
    payer: await pay.authenticate({ authorization: `Bearer ${key.secret}` }),
    channelId,
    secret: key.secret,
  };
}

async function reserve(payer: Payer, maxWei: bigint): Promise<string> {
  const requestId = `close-${ids++}`;
  await world.database.transaction((tx) => pay.reserve(tx, { requestId, payer, maxWei }));
  return requestId;
}
const charge = (requestId: string, fee: bigint) =>
  world.database.transaction((tx) => pay.charge(tx, requestId, fee));
const byPayer = (functionName: "requestClose" | "close", channelId: Digest) =>
  world.client(ann).write({ ...world.contracts.PaymentChannels, functionName, args: [channelId] });
const collectedOf = async (channelId: Digest) => {
  const { PaymentChannels } = world.contracts;
  const [, collected] = await world
    .client(ben)
    .public.readContract({ ...PaymentChannels, functionName: "collectedOf", args: [channelId] });
  return collected;
};

test("a channel that closes takes no new requests; what was charged, and what still is, is collected by itself", async () => {
  const { payer, channelId, secret } = await keyed();
  await charge(await reserve(payer, 100n), 70n);
  const underWay = await reserve(payer, 50n);
  await byPayer("requestClose", channelId);
  await assert.rejects(reserveAfterSync(payer), withCode("channel_closing"));
  assert.equal((await pay.readKey(secret)).remainingWei, 0n);
  await pay.jobs.drain();
  assert.equal(await collectedOf(channelId), 70n);
  await charge(underWay, 33n);
  await pay.jobs.drain();
  assert.equal(await collectedOf(channelId), 103n);

  await world.pass(closeTimeoutSec);
  const before = await world.balance(ann.address);
  await byPayer("close", channelId);
  assert.ok((await world.balance(ann.address)) > before + open - 103n - open / 100n);
  await assert.rejects(reserveAfterSync(payer), withCode("channel_closed"));
  const channel = (await pay.channel(channelId))!;
  assert.deepEqual([channel.closed, channel.deposit, channel.collected], [true, 103n, 103n]);
  const { failures } = await pay.collect([{ channelId, atLeast: 104n }]);
  assert.deepEqual([failures[0]?.lost, failures[0]?.collectedWei], [true, 103n]);
});

async function reserveAfterSync(payer: Payer) {
  await pay.sync();
  return reserve(payer, 1n);
}

test("a payer who names another signer takes nothing back: what the key was charged is collected in time", async () => {
  const { payer, channelId, secret } = await keyed();
  await charge(await reserve(payer, 1_000n), 1_000n);
  const underWay = await reserve(payer, 500n);
  await world.client(ann).write({
    ...world.contracts.PaymentChannels,
    functionName: "setSigner",
    args: [channelId, ben.address, open],
  });
  await assert.rejects(pay.authenticate({ authorization: `Bearer ${secret}` }), withCode("signer_changed"));
  await assert.rejects(reserveAfterSync(payer), withCode("signer_changed"));
  await pay.jobs.drain();
  assert.equal(await collectedOf(channelId), 1_000n);
  await charge(underWay, 20n);
  await pay.jobs.drain();
  assert.equal(await collectedOf(channelId), 1_020n);
});

test("a request to close that came while the node was away is seen, and collected, on the next start", async () => {
  const { payer, channelId } = await keyed();
  await charge(await reserve(payer, 10n), 10n);
  await pay.close();
  await byPayer("requestClose", channelId);
  pay = await world.payments();
  await pay.sync();
  await assert.rejects(reserve(payer, 1n), withCode("channel_closing"));
  await pay.jobs.drain();
  assert.equal(await collectedOf(channelId), 10n);
});
