import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { checkReceipt, hashReceipt, nothingFailed, type ReceiptBundle } from "../protocol/index.ts";
import { attributionHeader, replayHeader } from "./answer-route.ts";
import { ben, contributors, type Node, openWorld, price, type World } from "./fixtures/world.ts";
import type { Step } from "./receipt-steps.ts";

let world: World;
let node: Node;
before(async () => {
  world = await openWorld();
  node = await world.openNode(await world.newFolder());
});
after(async () => {
  await node.close();
  await world.close();
});

// biome-ignore lint/suspicious/noExplicitAny: answers of any shape are picked apart here
type Body = any;
type Sent = { status: number; body: Body; headers: Headers; bytes: Uint8Array };

const question = {
  model: "valley",
  messages: [{ role: "user", content: "the mill of the" }],
  max_tokens: 10,
  temperature: 0,
};

async function ask(
  at: Node,
  secret: string,
  body: object = question,
  headers: Record<string, string> = {},
): Promise<Sent> {
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  const response = await at.fetch("/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${secret}`, ...headers },
    body: bytes,
  });
  return { status: response.status, body: await response.json(), headers: response.headers, bytes };
}

const feeOf = (sent: Sent) =>
  BigInt(sent.body.usage.prompt_tokens) * BigInt(price.promptWeiPerToken) +
  BigInt(sent.body.usage.completion_tokens) * BigInt(price.completionWeiPerToken);
const sum = (bundle: ReceiptBundle) => bundle.payments.reduce((total, { amount }) => total + amount, 0n);
const read = async (at: Node, id: string): Promise<Body> => (await at.fetch(`/v1/requests/${id}`)).json();
const text = (sent: Sent): string => sent.body.choices[0].message.content;

const check = async (bundle: ReceiptBundle, sent?: Sent) =>
  checkReceipt(bundle, {
    terms: await world.terms(world.release.served, bundle.receipt.issuedAt),
    domain: world.ledgerDomain,
    manifest: world.release.served.manifest,
    index: { rows: world.release.indexRows },
    ...(sent ? { request: sent.bytes, response: text(sent) } : {}),
  });

/** Receipts of one channel, as delivered: without gap or overlap, from 0, and each of them right. */
async function assertTiled(at: Node, channelId: string, count: number): Promise<bigint> {
  const bundles = (await at.bundles()).filter(({ receipt }) => receipt.channelId === channelId);
  assert.equal(bundles.length, count);
  let end = 0n;
  for (const bundle of bundles) {
    assert.equal(bundle.receipt.from, end);
    end = bundle.receipt.to;
    assert.equal(sum(bundle), bundle.receipt.to - bundle.receipt.from);
    assert.deepEqual(
      (await check(bundle)).filter(({ status }) => status === "failed"),
      [],
    );
  }
  const channel = await at.payments.channel(channelId as `0x${string}`);
  assert.deepEqual([channel?.charged, channel?.reserved], [end, 0n]);
  return end;
}

test("a paid answer ends in a receipt that passes every check", async () => {
  const { secret, channelId } = await node.newKey();
  const sent = await ask(node, secret);
  assert.equal(sent.status, 200, JSON.stringify(sent.body));
  const facts = sent.body.openledger;
  assert.deepEqual(
    [facts.receipt, BigInt(facts.fee_wei), facts.release],
    ["pending", feeOf(sent), world.release.served.id],
  );
  assert.equal(sent.headers.get("openledger-request-id"), facts.request_id);
  await node.inference.drain();
  const bundle = (await node.bundles()).at(-1) as ReceiptBundle;
  const checks = await check(bundle, sent);
  assert.ok(nothingFailed(checks), JSON.stringify(checks));
  assert.deepEqual(new Set(checks.map(({ status }) => status)), new Set(["passed"]));
  assert.equal(await assertTiled(node, channelId, 1), feeOf(sent));
  const request = await read(node, facts.request_id);
  assert.deepEqual([request.state, request.receipt], ["receipted", hashReceipt(bundle.receipt)]);
  assert.ok(bundle.scores.length > 0, "nobody was paid for this answer");
  assert.ok(bundle.payments.some(({ payee }) => contributors.includes(payee)));
  const { attributionLagMs, receiptsTotal } = await node.inference.metrics();
  assert.ok(receiptsTotal >= 1 && attributionLagMs.p50 !== null && attributionLagMs.p95 !== null);
});

test("killed after any step, it comes to one charge and one receipt, or to none at all", async () => {
  const folder = await world.newFolder();
  let current = await world.openNode(folder);
  const { secret, channelId } = await current.newKey();
  await current.close();
  let receipts = 0;
  let told = 0n;
  for (const stopAt of ["reserved", "generated", "scored", "charged", "receipted"] as const) {
    const reached = Promise.withResolvers<string>();
    current = await world.openNode(folder, {
      afterStep: (step: Step, requestId) => {
        if (step !== stopAt) return Promise.resolve();
        reached.resolve(requestId);
        return new Promise(() => {});
      },
    });
    const headers = { "idempotency-key": `until-${stopAt}` };
    void ask(current, secret, question, headers).catch(() => {});
    const requestId = await reached.promise;
    await current.kill();

    current = await world.openNode(folder);
    await current.inference.drain();
    const request = await read(current, requestId);
    if (stopAt === "reserved") {
      assert.deepEqual([request.state, request.receipt, request.fee_wei], ["released", null, null]);
    } else {
      assert.equal(request.state, "receipted", stopAt);
      told += BigInt(request.fee_wei);
      receipts++;
    }
    assert.equal(await assertTiled(current, channelId, receipts), told, stopAt);

    const again = await ask(current, secret, question, headers);
    assert.equal(again.status, 200);
    await current.inference.drain();
    if (stopAt === "reserved") {
      assert.notEqual(again.body.openledger.request_id, requestId);
      told += feeOf(again);
      receipts++;
    } else {
      assert.equal(again.body.openledger.request_id, requestId);
      assert.equal(again.body.openledger.receipt, request.receipt);
    }
    assert.equal(await assertTiled(current, channelId, receipts), told, stopAt);
    await current.close();
  }
  assert.equal(receipts, 5);
});

test("a step that fails is tried again, and receipts keep the order of their intervals", async () => {
  const failures: string[] = [];
  const failOnce = <A extends unknown[], R>(name: string, action: (...args: A) => Promise<R>) => {
    let failed = 0;
    return (...args: A): Promise<R> => {
      if (failed++ % 3 !== 0) return action(...args);
      failures.push(name);
      return Promise.reject(new Error(`${name} is not to be had`));
    };
  };
  const other = await world.openNode(await world.newFolder(), {
    attribution: { ...world.attribution, score: failOnce("scores", world.attribution.score) },
    terms: failOnce("terms", world.terms),
  });
  const { secret, channelId } = await other.newKey();
  const sent = await Promise.all(
    Array.from({ length: 6 }, (_, seed) => ask(other, secret, { ...question, seed })),
  );
  assert.deepEqual(new Set(sent.map(({ status }) => status)), new Set([200]));
  await other.inference.drain();
  const fees = sent.reduce((total, one) => total + feeOf(one), 0n);
  assert.equal(await assertTiled(other, channelId, 6), fees);
  assert.ok(failures.includes("scores") && failures.includes("terms"));
  await other.close();
});

test("a receipt that cannot be made is said to be missing, and made at the next start", async () => {
  const folder = await world.newFolder();
  const broken = await world.openNode(folder, {
    receiptAttemptsMax: 2,
    terms: () => Promise.reject(new Error("the chain is not to be had")),
  });
  const { secret, channelId } = await broken.newKey();
  const sent = await ask(broken, secret);
  assert.equal(sent.status, 200);
  await assert.rejects(broken.inference.drain(), /1 answers have no receipt.*the chain is not to be had/);
  assert.equal((await broken.inference.metrics()).waitingForReceipt, 1);
  const { state, error } = await read(broken, sent.body.openledger.request_id);
  assert.deepEqual([state, error], ["charged", "the chain is not to be had"]);
  await broken.close();
  const mended = await world.openNode(folder);
  await mended.inference.drain();
  assert.equal(await assertTiled(mended, channelId, 1), feeOf(sent));
  await mended.close();
});

test("an idempotency key is paid once, belongs to its payer, and to one request", async () => {
  const [{ secret, channelId }, other] = [await node.newKey(), await node.newKey(undefined, ben)];
  const headers = { "idempotency-key": "k-1" };
  const all = await Promise.all(Array.from({ length: 6 }, () => ask(node, secret, question, headers)));
  const done = all.filter(({ status }) => status === 200);
  const busy = all.filter(({ status }) => status === 409);
  assert.ok(done.length >= 1 && done.length + busy.length === 6);
  assert.deepEqual(
    new Set(busy.map(({ body }) => body.error.code)),
    new Set(busy.length ? ["request_in_progress"] : []),
  );
  assert.equal(new Set(done.map(({ body }) => body.openledger.request_id)).size, 1);
  const again = await ask(node, secret, question, headers);
  assert.deepEqual([again.headers.get(replayHeader), text(again)], ["true", text(done[0] as Sent)]);
  for (const [body, more] of [
    [{ ...question, seed: 1 }, {}],
    [question, { [attributionHeader]: "false" }],
  ] as const) {
    const changed = await ask(node, secret, body, { ...headers, ...more });
    assert.deepEqual([changed.status, changed.body.error.code], [400, "idempotency_key_reused"]);
  }
  const theirs = await ask(node, other.secret, question, headers);
  assert.deepEqual([theirs.status, theirs.headers.get(replayHeader)], [200, null]);
  await node.inference.drain();
  await assertTiled(node, channelId, 1);

  const long = { ...question, messages: [{ role: "user", content: "x".repeat(2_000) }] };
  const retry = { "idempotency-key": "k-2" };
  assert.equal((await ask(node, secret, long, retry)).body.error.code, "context_length_exceeded");
  assert.equal((await ask(node, secret, question, retry)).status, 200);
});

test("a key near its limit buys exactly as many answers as it pays for", async () => {
  const first = await ask(node, (await node.newKey()).secret);
  assert.equal(
    first.body.choices[0].finish_reason,
    "length",
    "the test needs an answer as long as it may be",
  );
  const fee = feeOf(first);
  const { secret, channelId } = await node.newKey(3n * fee + fee / 2n);
  const before = await world.openlora.metrics();
  const sent = await Promise.all(Array.from({ length: 10 }, () => ask(node, secret)));
  const refused = sent.filter(({ status }) => status === 402);
  assert.deepEqual([sent.filter(({ status }) => status === 200).length, refused.length], [3, 7]);
  for (const { body } of refused) {
    assert.deepEqual([body.error.code, body.error.type], ["overspent", "payment_required"]);
    assert.equal(BigInt(body.error.details.actualWei), 3n * fee + fee / 2n);
  }
  await node.inference.drain();
  assert.equal(await assertTiled(node, channelId, 3), 3n * fee);
  const { scheduler } = await world.openlora.metrics();
  assert.equal(scheduler.outputTokensTotal - before.scheduler.outputTokensTotal, 30);
  const small = await ask(node, secret, { ...question, max_tokens: 1 });
  assert.equal(small.status, 200, "what is left buys a shorter answer");
});

test("a payer who opts out pays the common pools, and its answer is not scored", async () => {
  const { secret } = await node.newKey();
  for (const [body, headers] of [
    [{ ...question, openledger: { attribution: false } }, {}],
    [question, { [attributionHeader]: "false" }],
  ] as const) {
    const sent = await ask(node, secret, body, headers);
    await node.inference.drain();
    const bundle = (await node.bundles()).at(-1) as ReceiptBundle;
    assert.deepEqual([bundle.query, bundle.scores, bundle.receipt.thresholdRow], ["0x", [], 0]);
    assert.ok(nothingFailed(await check(bundle, sent)));
    const [datanet] = bundle.terms.datanets;
    assert.ok(bundle.payments.some(({ payee }) => payee === datanet?.pool));
    assert.ok(!bundle.payments.some(({ payee }) => contributors.includes(payee)));
  }
});

test("an answer without a token costs its prompt and pays the common pools", async () => {
  const { secret } = await node.newKey();
  const prompt = { messages: [{ role: "user", content: "a" }] };
  const adapter = world.release.served.manifest.adapter.digest;
  let seed: number | undefined;
  for (let from = 0; from < 4_000 && seed === undefined; from += 8) {
    const tries = Array.from({ length: 8 }, (_, i) => from + i);
    const ended = await Promise.all(
      tries.map((at) => world.openlora.generate({ adapter, prompt, maxTokens: 1, temperature: 2, seed: at })),
    );
    seed = tries.find((_, i) => ended[i]?.endedByEos);
  }
  assert.ok(seed !== undefined, "no seed ends the answer at once");
  const sent = await ask(node, secret, { model: "valley", ...prompt, max_tokens: 1, temperature: 2, seed });
  assert.deepEqual([text(sent), sent.body.usage.completion_tokens], ["", 0]);
  assert.equal(BigInt(sent.body.openledger.fee_wei), feeOf(sent));
  await node.inference.drain();
  const bundle = (await node.bundles()).at(-1) as ReceiptBundle;
  assert.deepEqual([bundle.query, bundle.receipt.completionTokens, sum(bundle)], ["0x", 0, feeOf(sent)]);
  assert.ok(nothingFailed(await check(bundle, sent)));
});

test("free answers cost nothing, leave no record and need no key", async () => {
  const [{ count: before }] = (await node.database.query(
    "select count(*) as count from inference.requests",
  )) as [{ count: number }];
  const { messages } = question;
  for (const model of ["tests/tiny", "gift"]) {
    const sent = await ask(node, "nobody", { model, messages, max_tokens: 5 });
    assert.equal(sent.status, 200, JSON.stringify(sent.body));
    const { request_id, receipt, fee_wei } = sent.body.openledger;
    assert.deepEqual([request_id, receipt, fee_wei], [null, null, "0"]);
  }
  const [{ count }] = (await node.database.query("select count(*) as count from inference.requests")) as [
    { count: number },
  ];
  assert.equal(count, before);
});

test("closing ends what is under way: nothing delivered, nothing charged", async () => {
  const started = Promise.withResolvers<void>();
  const folder = await world.newFolder();
  const other = await world.openNode(folder, {
    afterStep: async (step) => {
      if (step === "reserved") started.resolve();
    },
  });
  const { secret, channelId } = await other.newKey();
  const asked = ask(other, secret, { ...question, max_tokens: 200, temperature: 1, seed: 3 });
  await started.promise;
  await other.inference.close();
  const sent = await asked;
  const late = await ask(other, secret);
  assert.deepEqual([late.status, late.body.error.code], [503, "shutting_down"]);
  assert.ok(Number(late.headers.get("retry-after")) >= 1);
  assert.deepEqual([sent.status, sent.body.error.code], [503, "shutting_down"]);
  const channel = await other.payments.channel(channelId);
  assert.deepEqual([channel?.charged, channel?.reserved], [0n, 0n]);
  await other.close();
});
