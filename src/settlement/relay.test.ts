import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  contributionCommitment,
  domain,
  signCommitmentRequest,
  textDigest,
  toHex,
} from "../protocol/index.ts";
import {
  account,
  activeKey,
  ann,
  answer,
  contributors,
  open,
  openWorld,
  operator,
  type World,
  windowSec,
} from "./fixtures/world.ts";
import { openRelays, type Relays } from "./relay.ts";
import { relayRoutes } from "./relay-routes.ts";
import { settlementRoutes } from "./routes.ts";
import type { Settlement } from "./service.ts";

let world: World;
let settlement: Settlement;
const newcomer = account(401);
const daySec = 86_400;

before(async () => {
  world = await openWorld({ minimumBondWei: 1n });
  // Allowances are a day's: the tests begin as a day does, or the hours that they let pass could end it.
  await world.pass(daySec - (Math.floor(world.now() / 1_000) % daySec));
  settlement = await world.settlement();
  await world.client(ann).write({
    ...world.contracts.DatanetRegistry,
    functionName: "create",
    args: [textDigest("card"), "CC0-1.0"],
  });
});
after(async () => {
  await settlement.close();
  await world.close();
});

const relaysOf = (limits: { perIdentity?: number; overall?: number }): Promise<Relays> =>
  openRelays({
    database: world.database,
    chain: world.client(operator),
    contracts: world.contracts,
    settlement,
    limits,
    now: world.now,
  });

async function post(app: Pick<ReturnType<typeof relayRoutes>, "request">, path: string, body: unknown) {
  const response = await app.request(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  // biome-ignore lint/suspicious/noExplicitAny: as above
  return { status: response.status, headers: response.headers, body: (await response.json()) as any };
}

async function commitment(n: number, by = newcomer) {
  const where = domain(world.chain.chainId, world.contracts.DatanetRegistry.address);
  const contributor = toHex(by.address);
  const request = {
    datanetId: 1n,
    commitment: contributionCommitment(contributor, textDigest(`examples ${n}`), textDigest(`salt ${n}`)),
    contributor,
    signedAt: BigInt(Math.floor(world.now() / 1_000)),
  };
  const signature = await signCommitmentRequest(where, request, by);
  return { ...request, datanetId: "1", signedAt: request.signedAt.toString(), signature };
}

test("who has no OPEN commits through the node, which pays; twice changes nothing", async () => {
  const app = relayRoutes(await relaysOf({}));
  assert.deepEqual(await (await app.request("/v1/relays")).json(), { perIdentity: 20, overall: 2_000 });
  assert.equal(await world.balance(newcomer.address), 0n);
  const wanted = await commitment(1);
  const sent = await post(app, "/v1/relays/commitments", wanted);
  assert.equal(sent.status, 200, sent.body.error?.message);
  const reader = world.client(ann).public;
  const at = await reader.readContract({
    ...world.contracts.DatanetRegistry,
    functionName: "committedAt",
    args: [1n, wanted.commitment],
  });
  assert.ok(at > 0n);
  assert.equal((await post(app, "/v1/relays/commitments", wanted)).body.transactionHash, null);
  const forged = { ...(await commitment(2, ann)), contributor: toHex(newcomer.address) };
  assert.deepEqual((await post(app, "/v1/relays/commitments", forged)).body.error.code, "unsigned-request");
  const stale = { ...(await commitment(3)), signedAt: "1" };
  assert.equal((await post(app, "/v1/relays/commitments", stale)).status, 400);
});

test("an allowance is never exceeded, however many ask at once and whatever dies, and frees at midnight", async () => {
  const app = relayRoutes(await relaysOf({ perIdentity: 3, overall: 1_000_000 }));
  const by = account(402);
  const asked = await Promise.all(Array.from({ length: 8 }, (_, i) => commitment(10 + i, by)));
  const answers = await Promise.all(asked.map((one) => post(app, "/v1/relays/commitments", one)));
  const statuses = answers.map(({ status }) => status).sort();
  assert.deepEqual(statuses, [200, 200, 200, 429, 429, 429, 429, 429]);
  const refused = answers.find(({ status }) => status === 429)!;
  const midnight = (Math.floor(world.now() / (daySec * 1_000)) + 1) * daySec * 1_000;
  assert.equal(refused.body.freeAtMs, midnight);
  assert.equal(refused.headers.get("retry-after"), new Date(midnight).toUTCString());
  const restarted = relayRoutes(await relaysOf({ perIdentity: 3, overall: 1_000_000 }));
  assert.equal((await post(restarted, "/v1/relays/commitments", await commitment(30, by))).status, 429);
  const [row] = await world.database.query<{ used: number }>(
    "select used from settlement.relays where identity = $1",
    [toHex(by.address)],
  );
  assert.equal(row?.used, 3);
  const [all] = await world.database.query<{ used: number }>(
    "select used from settlement.relays where identity = '*'",
  );
  const tight = relayRoutes(await relaysOf({ perIdentity: 10, overall: all!.used + 1 }));
  assert.equal((await post(tight, "/v1/relays/commitments", await commitment(40, account(403)))).status, 200);
  assert.equal((await post(tight, "/v1/relays/commitments", await commitment(41, account(404)))).status, 429);
  const [untouched] = await world.database.query("select used from settlement.relays where identity = $1", [
    toHex(account(404).address),
  ]);
  assert.equal(untouched, undefined, "refused for all, it costs the one nothing");
  await world.pass(daySec);
  assert.equal((await post(restarted, "/v1/relays/commitments", await commitment(31, by))).status, 200);
});

test("claims are counted only where something is paid", async () => {
  const relays = await relaysOf({ perIdentity: 1 });
  const app = settlementRoutes(settlement, { claim: relays.claim });
  const payee = contributors[0]!;
  assert.equal((await post(app, "/v1/claims", { payee })).body.claimedWei, "0");
  const { secret } = await activeKey(world, ann, { depositWei: open });
  for (const expected of [200, 429]) {
    await answer(world, settlement, secret, 10_000n);
    await settlement.settle();
    await world.pass(windowSec);
    const claimed = await post(app, "/v1/claims", { payee });
    assert.equal(claimed.status, expected);
  }
  assert.ok((await settlement.claimable(payee)) > 0n, "it stays claimable by anyone who pays the gas");
});
