/** Answers as short and as long as can be, releases whose index is not there, and clocks that jump: each ends as it should, by name. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { checkReceipt, nothingFailed, type ReceiptBundle } from "../protocol/index.ts";
import { requestIdHeader } from "./answer-route.ts";
import { ann, type Node, openWorld, type World } from "./fixtures/world.ts";

let world: World;
before(async () => {
  world = await openWorld();
});
after(() => world.close());

const post = (node: Node, secret: string, path: string, body: object) =>
  node.fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${secret}` },
    body: JSON.stringify({ model: "valley", ...body }),
  });
const checksOf = (bundle: ReceiptBundle) =>
  checkReceipt(bundle, {
    domain: world.ledgerDomain,
    manifest: world.release.served.manifest,
    index: { rows: world.release.indexRows },
  });

/** Receipts of a channel, without gap from 0 to what was charged, each right. */
async function assertTiled(node: Node, channelId: string, count: number): Promise<ReceiptBundle[]> {
  const bundles = (await node.bundles()).filter(({ receipt }) => receipt.channelId === channelId);
  assert.equal(bundles.length, count);
  let end = 0n;
  for (const bundle of bundles) {
    assert.equal(bundle.receipt.from, end);
    end = bundle.receipt.to;
    assert.ok(nothingFailed(await checksOf(bundle)));
  }
  const channel = await node.payments.channel(channelId as `0x${string}`);
  assert.deepEqual([channel?.charged, channel?.reserved], [end, 0n]);
  return bundles;
}

test("an answer of one token, and one as long as the model's context allows, each have a receipt that holds", async () => {
  const node = await world.openNode(await world.newFolder());
  const { secret, channelId } = await node.newKey();
  const context = 256; // of the base that tests run on: a thousand tokens are scored in scoring.test.ts
  const prompt = [5, 9, 13];
  const never = { [world.openlora.info().eosId]: -100 };
  const ask = (max_tokens: number) =>
    post(node, secret, "/v1/completions", { prompt, max_tokens, temperature: 1, seed: 4, logit_bias: never });
  for (const [asked, tokens] of [
    [1, 1],
    [1_000, context - prompt.length],
  ] as const) {
    const response = await ask(asked);
    const { usage } = (await response.json()) as { usage: { completion_tokens: number } };
    assert.equal(usage.completion_tokens, tokens);
  }
  await node.inference.drain();
  const bundles = await assertTiled(node, channelId, 2);
  assert.deepEqual(
    bundles.map(({ receipt }) => receipt.completionTokens),
    [1, context - prompt.length],
  );
  for (const { query } of bundles) assert.ok(query.length > 2, "it is attributed");
  await node.close();
});

test("a release whose index is gone is not sold with attribution; without, it is", async () => {
  const node = await world.openNode(await world.newFolder(), {
    attribution: {
      ...world.attribution,
      prepare: async () => {
        throw new Error("There is no blob 0x12 in /home/op/blobs.");
      },
    },
  });
  const { secret, channelId } = await node.newKey();
  const body = { prompt: [5, 9], max_tokens: 2 };
  const refused = await post(node, secret, "/v1/completions", body);
  const { error } = (await refused.json()) as { error: { code: string; message: string } };
  assert.deepEqual([refused.status, error.code], [503, "attribution_unavailable"]);
  assert.match(
    error.message,
    /the index of its release is missing or not what was committed\. Nothing is charged/,
  );
  assert.equal((await node.payments.channel(channelId))?.charged, 0n);
  const plain = await post(node, secret, "/v1/completions", { ...body, openledger: { attribution: false } });
  assert.equal(plain.status, 200);
  await node.inference.drain();
  const [bundle] = await assertTiled(node, channelId, 1);
  assert.equal(bundle?.query, "0x");
  await node.close();
});

test("a clock that jumps by hours, forwards and back, cuts no answer short and loses no receipt", async () => {
  let jumpMs = 0;
  const { public: chain } = world.client(ann);
  const node = await world.openNode(await world.newFolder(), {
    now: () => world.now() + jumpMs,
    // As a node reads them: never as of before the chain's last block.
    terms: async (release, nowSec) => {
      const { timestamp } = await chain.getBlock();
      const isBehind = nowSec < timestamp;
      return world.terms(release, isBehind ? timestamp : nowSec);
    },
  });
  const { secret, channelId } = await node.newKey();
  const hours = 3_600_000;
  let answers = 0;
  for (const next of [5 * hours, -5 * hours, 0]) {
    const response = await post(node, secret, "/v1/chat/completions", {
      messages: [{ role: "user", content: "the mill of the" }],
      ...{ stream: true, temperature: 1, seed: 30 + answers, max_tokens: 40 },
    });
    assert.equal(
      response.status,
      200,
      `answer ${answers}: ${response.ok ? "" : await response.clone().text()}`,
    );
    const reader = response.body?.getReader();
    await reader?.read();
    // In the middle of the answer.
    jumpMs = next;
    while (!(await reader?.read())?.done);
    answers++;
    await node.inference.drain();
    const id = response.headers.get(requestIdHeader) ?? "";
    const { finishReason, outputIds } = (await node.inference.request(id)).answer ?? {};
    assert.ok(finishReason === "stop" || outputIds?.length === 40, "it came to its own end");
  }
  const { attributionLagMs, oldestWaitingMs } = await node.inference.metrics();
  assert.ok((attributionLagMs.p50 ?? -1) >= 0 && oldestWaitingMs >= 0);
  await assertTiled(node, channelId, answers);
  await node.close();
});
