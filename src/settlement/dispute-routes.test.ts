import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import type { MiddlewareHandler } from "hono";
import { z } from "zod";
import { commit, contentOf, index } from "../protocol/fixtures/batch.ts";
import { domain, receiptSchema, signReceipt, toHex } from "../protocol/index.ts";
import { contentLines } from "./content.ts";
import { disputeRoutes } from "./dispute-routes.ts";
import { type Disputes, openDisputes } from "./disputes.ts";
import { openSetting, publishRelease, settleAs, signed } from "./fixtures/liar.ts";
import { account, ben, open, openWorld, type World } from "./fixtures/world.ts";

let world: World;
let disputes: Disputes;
let app: ReturnType<typeof disputeRoutes>;
/** Another operator's node: what it publishes, by path. */
const pages = new Map<string, string>();
const elsewhere = createServer((request, response) => {
  const page = pages.get(request.url ?? "");
  response.writeHead(page === undefined ? 404 : 200).end(page);
});
let url: string;
const guard: MiddlewareHandler = async (context, next) => {
  if (context.req.header("authorization") !== "Bearer operator") return context.json({ error: {} }, 403);
  await next();
};

before(async () => {
  world = await openWorld({ minimumBondWei: open });
  disputes = await openDisputes({
    database: world.database,
    blobs: world.blobs,
    chain: world.client(ben),
    contracts: world.contracts,
    indexOf: async () => index,
    fetchContent: async () => undefined,
    now: world.now,
  });
  app = disputeRoutes(disputes, guard, { adopt: () => Promise.reject(new Error("not asked here")) });
  await new Promise<void>((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
});
after(async () => {
  elsewhere.close();
  await disputes.close();
  await world.close();
});

// biome-ignore lint/suspicious/noExplicitAny: answers of any shape are picked apart here
type Json = any;

async function post(
  path: string,
  body: unknown,
  authorization = "Bearer operator",
): Promise<{ status: number; body: Json }> {
  const response = await app.request(`/v1/disputes/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}
const list = async (): Promise<Json> => (await app.request("/v1/disputes")).json();

test("another operator's batches are listed, checked where they are published, demanded of and proven wrong", async () => {
  const release = await publishRelease(world);
  const settled = [];
  for (const [n, changes] of [{ feeLie: 1n }, {}].entries()) {
    const by = account(300 + n);
    const setting = await openSetting(world, by, release, { bondWei: 3n * open, collectedWei: 10n ** 9n });
    const content = contentOf(n, 3, changes, setting);
    const committed = { ...commit(content), number: 0 };
    const [attester, ledger] = [toHex(by.address), toHex(world.contracts.AttributionLedger.address)];
    await settleAs(world, by, { ...committed, previousBalances: { root: `0x${"00".repeat(32)}`, count: 0 } });
    const header = { chainId: world.chain.chainId, ledger, attester, number: 0 };
    const lines = [...contentLines(header, await signed(world, by, content))].join("");
    pages.set(`/v1/batches/${attester}/0/content`, lines);
    settled.push({ by, attester, content });
  }
  const [lying, honest] = settled as [(typeof settled)[number], (typeof settled)[number]];
  assert.deepEqual(
    (await list()).batches.map(({ state }: { state: string }) => state),
    ["unchecked", "unchecked"],
  );

  const asked = { attester: lying.attester, number: 0, url };
  assert.equal((await post("check", asked, "")).status, 403);
  const checked = await post("check", asked);
  assert.deepEqual([checked.status, checked.body.state, checked.body.lie], [200, "lying", "fee"]);
  assert.equal((await post("check", asked)).status, 404, "it is undone");
  assert.equal((await post("check", { ...asked, attester: honest.attester, number: 4 })).status, 404);

  const other = { attester: honest.attester, number: 0, url };
  const page = `/v1/batches/${honest.attester}/0/content`;
  const whole = pages.get(page)!;
  for (const [broken, state] of [
    ["", "unreadable"],
    [`${whole.slice(0, -20)}\n`, "unreadable"],
    [`${whole}[]\n`, "unreadable"],
    [whole.replace(/"query":"0x../, '"query":"0x99'), "withheld"],
  ] as const) {
    pages.set(page, broken);
    const found = await post("check", other);
    assert.deepEqual([found.status, found.body.state], [200, state], found.body.detail);
  }
  pages.set(page, whole);
  assert.deepEqual((await post("check", other)).body, { state: "honest", detail: null, lie: null });

  const demanded = await post("demands", { ...other, kind: "row", index: 1, receipt: 0 });
  assert.equal(demanded.status, 200, demanded.body.error?.message);
  assert.equal((await post("demands", { ...other, kind: "line", index: 1_000_000 })).status, 409);
  const [demand] = (await list()).demands;
  assert.deepEqual([demand.kind, demand.index, demand.state], ["row", 1, "open"]);
  assert.deepEqual((await post("enforce", {})).body, {
    ended: 0,
    withdrawnWei: ((open * 3_000n) / 10_000n).toString(),
  });

  const where = domain(world.chain.chainId, world.contracts.AttributionLedger.address);
  const twin = { ...honest.content.receipts[5]!.receipt, completionTokens: 6 };
  const receipt = z.encode(receiptSchema, twin);
  const signature = await signReceipt(where, twin, honest.by);
  assert.equal((await post("late-receipts", { receipt, signature })).status, 409);
  assert.equal((await post("equivocations", { ...other, receipt, signature })).status, 200);
  assert.deepEqual(
    (await list()).batches.map(({ state }: { state: string }) => state),
    ["undone", "undone"],
  );
});
