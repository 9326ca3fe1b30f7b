import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { MiddlewareHandler } from "hono";
import { z } from "zod";
import {
  hashReceipt,
  listLies,
  noBalances,
  openBatch,
  type ReceiptBundleJson,
  receiptBundleSchema,
  recoverReceipt,
  toBytes,
  toHex,
  verifyBalanceLeaf,
  verifyPositional,
} from "../protocol/index.ts";
import { readContent } from "./content.ts";
import {
  activeKey,
  ann,
  answer,
  contributors,
  open,
  openWorld,
  operator,
  treasury,
  type World,
  windowSec,
} from "./fixtures/world.ts";
import { settlementRoutes } from "./routes.ts";
import type { Settlement } from "./service.ts";

let world: World;
let settlement: Settlement;
let app: ReturnType<typeof settlementRoutes>;

const guard: MiddlewareHandler = async (context, next) => {
  if (context.req.header("authorization") !== "Bearer operator") return context.json({ error: {} }, 403);
  await next();
};

before(async () => {
  world = await openWorld();
  settlement = await world.settlement();
  app = settlementRoutes(settlement, { guard });
});
after(async () => {
  await settlement.close();
  await world.close();
});

// biome-ignore lint/suspicious/noExplicitAny: answers of any shape are picked apart here
type Answer = { status: number; body: any };

async function send(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await app.request(path, {
    method,
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
}

test("the whole way over HTTP: a receipt is scored, batched, final; its payees are paid", async () => {
  const { secret, channelId } = await activeKey(world, ann, { depositWei: open });
  const bundle = await answer(world, settlement, secret, 10_000n);
  await answer(world, settlement, secret, 20_000n, { scores: [0, 0, 0, 0] });
  const receiptId = hashReceipt(bundle.receipt);
  const scored = await send("GET", `/v1/receipts/${receiptId}`);
  assert.deepEqual([scored.status, scored.body.state, scored.body.proof], [200, "scored", null]);
  const read = z.decode(receiptBundleSchema, scored.body.bundle as ReceiptBundleJson);
  assert.deepEqual(read, bundle);
  const domain = { name: "OpenLedger", version: "1", ...scored.body.signing } as const;
  assert.equal(await recoverReceipt(domain, read.receipt, read.signature), operator.address.toLowerCase());

  assert.equal((await send("POST", "/v1/settle")).status, 403);
  const settled = await send("POST", "/v1/settle", undefined, { authorization: "Bearer operator" });
  assert.deepEqual(
    [settled.status, settled.body.batches.length, settled.body.batches[0].totalWei],
    [200, 1, "30000"],
  );
  assert.ok(settled.body.gasPerReceipt[0] > 1_000);

  const batched = await send("GET", `/v1/receipts/${receiptId.toUpperCase().replace("0X", "0x")}`);
  const { proof, state, transactionHash, batchId, batchNumber } = batched.body;
  assert.deepEqual([state, batchNumber], ["batched", 0]);
  assert.ok(verifyPositional(proof, proof.index, toBytes(receiptId), proof.siblings));
  const batch = await send("GET", `/v1/batches/${batchId}`);
  assert.equal(batch.body.transactionHash, transactionHash);
  assert.deepEqual(batch.body.receipts, { root: proof.root, count: proof.count });
  assert.deepEqual(batch.body.intervals, [{ channelId, fromWei: "0", toWei: "30000" }]);
  const list = await send("GET", "/v1/batches?limit=1");
  assert.deepEqual(list.body.batches[0].batchId, batchId);

  const path = `/v1/batches/${operator.address}/0/content`;
  const streamed = await app.request(path);
  assert.equal(streamed.headers.get("content-type"), "application/x-ndjson");
  const { receipts, journal, balances } = batch.body;
  const committed = {
    ...{ receipts, journal, balances, previousBalances: noBalances, number: 0, settledAt: 0n },
    attester: toHex(operator.address),
    intervals: [{ channelId, from: 0n, to: 30_000n }],
  };
  const content = await readContent(streamed.body!, committed);
  const opened = openBatch(committed, content);
  assert.deepEqual(opened.withheld, []);
  assert.deepEqual([...listLies(opened.batch)], []);
  assert.deepEqual(
    content.receipts.find(({ signature }) => signature === bundle.signature)?.receipt,
    bundle.receipt,
  );
  assert.equal((await send("GET", path.replace("/0/", "/1/"))).status, 404);
  assert.equal((await send("GET", `/v1/batches/${ann.address}/0/content`)).status, 404);

  const payee = contributors[0]!;
  const owed = bundle.payments.find((payment) => payment.payee === payee)!.amount;
  const { earners } = (await send("GET", "/v1/earners")).body;
  const sums = new Map<string, bigint>();
  for (const { receiptId: id } of (await send("GET", "/v1/receipts?limit=100")).body.receipts)
    for (const { payee, amount } of (await send("GET", `/v1/receipts/${id}`)).body.bundle.payments)
      sums.set(payee, (sums.get(payee) ?? 0n) + BigInt(amount));
  assert.deepEqual(
    new Map(earners.map((one: { payee: string; earnedWei: string }) => [one.payee, BigInt(one.earnedWei)])),
    sums,
  );
  const amounts = earners.map((one: { earnedWei: string }) => BigInt(one.earnedWei));
  assert.ok(amounts.every((amount: bigint, at: number) => at === 0 || amount <= amounts[at - 1]));
  assert.equal((await send("GET", `/v1/earners?releaseId=0x${"ab".repeat(32)}`)).body.earners.length, 0);
  assert.equal((await send("GET", "/v1/earners?limit=1")).body.earners.length, 1);
  const waiting = await send("GET", `/v1/balances/${payee}`);
  assert.deepEqual(
    [waiting.body.settledWei, waiting.body.claimableWei, waiting.body.claim],
    [String(owed), "0", null],
  );
  assert.equal((await send("POST", "/v1/claims", { payee })).body.claimedWei, "0");
  await world.pass(windowSec);
  assert.equal((await send("GET", `/v1/receipts/${receiptId}`)).body.state, "final");
  const due = await send("GET", `/v1/balances/${payee}`);
  assert.equal(due.body.claimableWei, String(owed));
  const { index, creditWei, cumulativeWei, proof: way } = due.body.claim;
  assert.ok(
    verifyBalanceLeaf(
      batch.body.balances,
      { payee, credit: BigInt(creditWei), cumulative: BigInt(cumulativeWei) },
      { index, proof: way },
    ),
  );
  const claimed = await send("POST", "/v1/claims", { payee });
  assert.deepEqual([claimed.status, claimed.body.claimedWei], [200, String(owed)]);
  assert.equal(await world.balance(payee), owed);
  const paid = await send("GET", `/v1/balances/${payee}`);
  assert.deepEqual(
    [paid.body.claimableWei, paid.body.claimedWei, paid.body.claims[0].transactionHash],
    ["0", String(owed), claimed.body.transactionHash],
  );
  assert.equal((await send("POST", "/v1/claims", { payee: treasury })).body.claimedWei, "1500");

  const mine = await send("GET", `/v1/receipts?payee=${payee}&state=final`);
  assert.deepEqual(
    mine.body.receipts.map((one: { receiptId: string; paidWei: string }) => [one.receiptId, one.paidWei]),
    [[receiptId, String(owed)]],
  );
  const status = await send("GET", "/v1/settlement");
  assert.deepEqual([status.body.batches, status.body.finalBatches, status.body.waitingReceipts], [1, 1, 0]);
});

test("errors are told apart by status and code", async () => {
  for (const [method, path, body, status, code] of [
    ["GET", `/v1/receipts/0x${"12".repeat(32)}`, undefined, 404, "unknown-receipt"],
    ["GET", "/v1/receipts/0x12", undefined, 400, "invalid-request"],
    ["GET", "/v1/receipts?limit=101", undefined, 400, "invalid-request"],
    ["GET", "/v1/receipts?state=lovely", undefined, 400, "invalid-request"],
    ["GET", "/v1/batches/999", undefined, 404, "unknown-batch"],
    ["GET", "/v1/batches/0", undefined, 400, "invalid-request"],
    ["GET", "/v1/balances/0x12", undefined, 400, "invalid-request"],
    ["POST", "/v1/claims", { payee: "me" }, 400, "invalid-request"],
  ] as const) {
    const answered = await send(method, path, body);
    assert.deepEqual([answered.status, answered.body.error.code], [status, code], path);
  }
  const nobody = await send("GET", `/v1/balances/0x${"ee".repeat(20)}`);
  assert.deepEqual([nobody.status, nobody.body.pendingWei, nobody.body.claimableWei], [200, "0", "0"]);
  assert.equal((await settlementRoutes(settlement).request("/v1/settle", { method: "POST" })).status, 404);
});

test("the OpenAPI document describes every route", () => {
  const document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: { title: "OpenLedger", version: "1" },
  });
  assert.deepEqual(Object.keys(document.paths ?? {}).sort(), [
    "/v1/balances/{address}",
    "/v1/batches",
    "/v1/batches/{attester}/{number}/content",
    "/v1/batches/{batchId}",
    "/v1/claims",
    "/v1/earners",
    "/v1/receipts",
    "/v1/receipts/{receiptId}",
    "/v1/settle",
    "/v1/settlement",
  ]);
});
