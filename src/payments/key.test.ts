import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { PaymentError, PaymentRequiredError } from "./errors.ts";
import { ann, ben, open, openWorld, operator, type World } from "./fixtures/world.ts";
import { openChannel } from "./open-channel.ts";

let world: World;
let pay: Awaited<ReturnType<World["payments"]>>;

before(async () => {
  world = await openWorld();
  pay = await world.payments();
});
after(async () => {
  await pay.close();
  await world.close();
});

const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });
const withCode = (code: string) => (error: unknown) =>
  (error as PaymentError | PaymentRequiredError).code === code;
const openFor = (signer: `0x${string}`, depositWei = open, limitWei = depositWei) =>
  openChannel(world.client(ann), world.contracts, { payee: pay.operator, signer, depositWei, limitWei });

describe("an API key", () => {
  test("is bound to its channel once, and says what is left", async () => {
    const key = await pay.createKey({ label: "laptop" });
    assert.equal(key.payee, operator.address.toLowerCase());
    await assert.rejects(pay.authenticate(bearer(key.secret)), withCode("inactive_key"));
    const { channelId } = await openFor(key.signer, 3n * open, 2n * open);
    const status = await pay.activateKey(key.secret, channelId);
    assert.deepEqual([status.channelId, status.remainingWei, status.label], [channelId, 2n * open, "laptop"]);
    assert.deepEqual(await pay.activateKey(key.secret, channelId), status);
    assert.deepEqual(await pay.authenticate(bearer(key.secret)), {
      kind: "key",
      channelId,
      keyId: key.keyId,
      signer: key.signer,
    });
    const second = await openFor(key.signer);
    await assert.rejects(pay.activateKey(key.secret, second.channelId), withCode("key-bound"));
    assert.equal((await pay.listKeys()).find(({ keyId }) => keyId === key.keyId)?.channelId, channelId);
  });

  test("keeps neither its secret nor its private key in the database", async () => {
    const key = await pay.createKey({ label: "secret" });
    const rows = JSON.stringify(await world.database.query("select * from payments.keys"));
    assert.ok(rows.includes(key.keyId) && rows.includes(key.signer));
    assert.ok(!rows.includes(key.secret.slice(6)));
    const account = world.keystore.account(`payment-${key.keyId}`);
    assert.equal(account.address.toLowerCase(), key.signer);
    await pay.close();
    pay = await world.payments();
    assert.equal((await pay.readKey(key.secret)).keyId, key.keyId);
  });

  test("takes only an open channel to this operator with its own signer", async () => {
    const key = await pay.createKey({ label: "" });
    const foreign = await openChannel(world.client(ann), world.contracts, {
      payee: ben.address,
      signer: key.signer,
      depositWei: open,
    });
    await assert.rejects(pay.activateKey(key.secret, foreign.channelId), withCode("wrong-payee"));
    const other = await openFor(ben.address);
    await assert.rejects(pay.activateKey(key.secret, other.channelId), (error) => {
      assert.match(
        (error as Error).message,
        new RegExp(`its signer is ${ben.address}, expected ${key.signer}`),
      );
      return withCode("wrong-signer")(error);
    });
    await assert.rejects(pay.activateKey(key.secret, `0x${"12".repeat(32)}`), withCode("unknown-channel"));
    const empty = await openFor(key.signer, 0n, open);
    await assert.rejects(pay.activateKey(key.secret, empty.channelId), withCode("channel-unusable"));
    const closing = await openFor(key.signer);
    await world.client(ann).write({
      ...world.contracts.PaymentChannels,
      functionName: "requestClose",
      args: [closing.channelId],
    });
    await assert.rejects(pay.activateKey(key.secret, closing.channelId), withCode("channel-unusable"));
    assert.equal((await pay.readKey(key.secret)).channelId, null);
  });

  test("that is revoked, unknown or misspelt pays nothing", async () => {
    const key = await pay.createKey({ label: "" });
    const { channelId } = await openFor(key.signer);
    await pay.activateKey(key.secret, channelId);
    const payer = await pay.authenticate(bearer(key.secret));
    const revoked = await pay.revokeKey(key.secret);
    assert.deepEqual(await pay.revokeKey(key.secret), revoked);
    assert.equal(revoked.remainingWei, 0n);
    await assert.rejects(pay.authenticate(bearer(key.secret)), withCode("revoked_key"));
    await assert.rejects(
      world.database.transaction((tx) => pay.reserve(tx, { requestId: "revoked", payer, maxWei: 1n })),
      withCode("revoked_key"),
    );
    const flipped = `${key.secret.slice(0, -1)}${key.secret.endsWith("A") ? "B" : "A"}`;
    for (const secret of [flipped, "sk-ol-short", "", "sk-ol-"]) {
      const given = secret === "" ? {} : bearer(secret);
      await assert.rejects(pay.authenticate(given), withCode(secret === "" ? "no_payment" : "unknown_key"));
    }
    await assert.rejects(pay.readKey(flipped), withCode("unknown-key"));
  });

  test("without a channel is forgotten after a day", async () => {
    const key = await pay.createKey({ label: "forgotten" });
    await world.pass(25 * 60 * 60);
    await pay.createKey({ label: "later" });
    await assert.rejects(pay.readKey(key.secret), withCode("unknown-key"));
  });

  test("whose signer the payer replaced takes no more requests", async () => {
    const key = await pay.createKey({ label: "" });
    const { channelId } = await openFor(key.signer);
    await pay.activateKey(key.secret, channelId);
    await world.client(ann).write({
      ...world.contracts.PaymentChannels,
      functionName: "setSigner",
      args: [channelId, ben.address, open],
    });
    await assert.rejects(pay.authenticate(bearer(key.secret)), withCode("signer_changed"));
    assert.equal((await pay.readKey(key.secret)).remainingWei, 0n);
  });
});

test("opening a channel again with the same salt pays once", async () => {
  const before = await world.balance(ann.address);
  const first = await openFor(ben.address);
  const again = await openChannel(world.client(ann), world.contracts, {
    payee: pay.operator,
    depositWei: open,
    salt: first.salt,
  });
  assert.deepEqual([again.channelId, again.transactionHash], [first.channelId, null]);
  assert.ok(before - (await world.balance(ann.address)) < 2n * open);
});
