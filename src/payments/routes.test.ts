import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { signVoucher } from "../protocol/index.ts";
import { ann, closeTimeoutSec, open, openWorld, type World } from "./fixtures/world.ts";
import { openChannel } from "./open-channel.ts";
import { paymentRoutes } from "./routes.ts";

let world: World;
let pay: Awaited<ReturnType<World["payments"]>>;
let app: ReturnType<typeof paymentRoutes>;

before(async () => {
  world = await openWorld();
  pay = await world.payments();
  app = paymentRoutes(pay);
});
after(async () => {
  await pay.close();
  await world.close();
});

// biome-ignore lint/suspicious/noExplicitAny: answers of any shape are picked apart here
type Answer = { status: number; body: any };

async function send(
  method: string,
  path: string,
  options: { secret?: string; body?: unknown } = {},
): Promise<Answer> {
  const response = await app.request(path, {
    method,
    headers: {
      ...(options.body === undefined ? {} : { "content-type": "application/json" }),
      ...(options.secret === undefined ? {} : { authorization: `Bearer ${options.secret}` }),
    },
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
  });
  return { status: response.status, body: await response.json() };
}

test("the whole way over HTTP: create a key, open its channel, activate, use, hand in a voucher, revoke", async () => {
  const made = await send("POST", "/v1/keys", { body: { label: "laptop" } });
  assert.equal(made.status, 201);
  const { secret, signer, payee, channels, chainId } = made.body;
  assert.deepEqual(
    [payee, channels, chainId],
    [pay.operator, pay.domain.verifyingContract, pay.domain.chainId],
  );
  assert.equal((await send("GET", "/v1/keys", { secret })).body.state, "waiting");

  const { channelId } = await openChannel(world.client(ann), world.contracts, {
    payee,
    signer,
    depositWei: open,
    limitWei: 1_000n,
  });
  const active = await send("POST", "/v1/keys/activate", { secret, body: { channelId } });
  assert.deepEqual([active.status, active.body.state, active.body.remainingWei], [200, "active", "1000"]);

  const payer = await pay.authenticate({ authorization: `Bearer ${secret}` });
  await world.database.transaction((tx) => pay.reserve(tx, { requestId: "r", payer, maxWei: 600n }));
  const under = await send("GET", "/v1/keys", { secret });
  assert.deepEqual([under.body.remainingWei, under.body.reservedWei], ["400", "600"]);
  await world.database.transaction((tx) =>
    pay.charge(tx, "r", 250n, { promptTokens: 4, completionTokens: 6 }),
  );
  const used = await send("GET", "/v1/keys?sinceMs=0", { secret });
  assert.deepEqual(used.body.usage, { requests: 1, chargedWei: "250", promptTokens: 4, completionTokens: 6 });
  assert.deepEqual([used.body.remainingWei, used.body.reservedWei], ["750", "0"]);

  const signature = await signVoucher(pay.domain, { channelId, cumulative: 250n }, ann);
  const path = `/v1/channels/${channelId}/vouchers`;
  const kept = await send("POST", path, { body: { cumulative: "250", signature } });
  assert.deepEqual([kept.status, kept.body.chargedWei, kept.body.state], [200, "250", "open"]);
  const forged = await send("POST", path, { body: { cumulative: "251", signature } });
  assert.deepEqual(
    [forged.status, forged.body.error.type, forged.body.error.code, forged.body.error.param],
    [402, "payment_required", "forged_voucher", null],
  );

  assert.equal((await send("DELETE", "/v1/keys", { secret })).body.state, "revoked");
  assert.equal((await send("GET", `/v1/channels/${channelId}`)).body.depositWei, String(open));
});

test("a key says that its channel closes, and that it is closed", async () => {
  const { secret, signer, payee } = (await send("POST", "/v1/keys", { body: {} })).body;
  const payer = world.client(ann);
  const funds = { depositWei: open, limitWei: 1_000n };
  const { channelId } = await openChannel(payer, world.contracts, { payee, signer, ...funds });
  await send("POST", "/v1/keys/activate", { secret, body: { channelId } });
  const { PaymentChannels } = world.contracts;
  for (const [functionName, state] of [
    ["requestClose", "closing"],
    ["close", "closed"],
  ] as const) {
    await payer.write({ ...PaymentChannels, functionName, args: [channelId] });
    await pay.channel(channelId);
    const { body } = await send("GET", "/v1/keys", { secret });
    assert.deepEqual([body.state, body.remainingWei, body.channelId], [state, "0", channelId]);
    await world.pass(closeTimeoutSec);
  }
});

test("errors are told apart by status and code", async () => {
  const key = (await send("POST", "/v1/keys", { body: {} })).body;
  const nowhere = `0x${"12".repeat(32)}`;
  for (const [method, path, options, status, code] of [
    ["GET", "/v1/keys", {}, 401, "unknown-key"],
    ["GET", "/v1/keys", { secret: "sk-ol-nobody" }, 401, "unknown-key"],
    ["POST", "/v1/keys", { body: { label: 1 } }, 400, "invalid-request"],
    ["POST", "/v1/keys", { body: { label: "", more: 1 } }, 400, "invalid-request"],
    [
      "POST",
      "/v1/keys/activate",
      { secret: key.secret, body: { channelId: nowhere } },
      404,
      "unknown-channel",
    ],
    ["POST", "/v1/keys/activate", { secret: key.secret, body: { channelId: "0x1" } }, 400, "invalid-request"],
    ["GET", `/v1/channels/${nowhere}`, {}, 404, "unknown-channel"],
    ["GET", "/v1/channels/7", {}, 400, "invalid-request"],
    [
      "POST",
      `/v1/channels/${nowhere}/vouchers`,
      { body: { cumulative: "x", signature: "0x" } },
      402,
      "malformed_voucher",
    ],
  ] as const) {
    const answer = await send(method, path, options);
    assert.deepEqual([answer.status, answer.body.error.code], [status, code], `${method} ${path}`);
  }
  const large = await app.request("/v1/keys", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ label: "x".repeat(10_000) }),
  });
  assert.ok(large.status === 413 || large.status === 400);
});

test("the OpenAPI document describes every route", () => {
  const document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: { title: "OpenLedger", version: "1" },
  });
  assert.deepEqual(Object.keys(document.paths ?? {}).sort(), [
    "/v1/channels/{channelId}",
    "/v1/channels/{channelId}/vouchers",
    "/v1/keys",
    "/v1/keys/activate",
  ]);
});
