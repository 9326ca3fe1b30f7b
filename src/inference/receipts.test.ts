/** A paid answer gets its receipt, whatever happens in between: streamed, left, killed, impossible to score, or one of too many. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { checkReceipt, nothingFailed, type ReceiptBundle } from "../protocol/index.ts";
import { requestIdHeader } from "./answer-route.ts";
import { contributors, type Node, openWorld, type World } from "./fixtures/world.ts";
import type { Step } from "./receipt-steps.ts";

let world: World;
before(async () => {
  world = await openWorld();
});
after(() => world.close());

const question = {
  model: "valley",
  messages: [{ role: "user", content: "the mill of the" }],
  max_tokens: 10,
  temperature: 0,
};

function send(at: Node, secret: string, body: object = {}, headers: Record<string, string> = {}) {
  return at.fetch("/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${secret}`, ...headers },
    body: JSON.stringify({ ...question, ...body }),
  });
}
const requestOf = (response: Response) => response.headers.get(requestIdHeader) ?? "";
const checksOf = (bundle: ReceiptBundle) =>
  checkReceipt(bundle, {
    domain: world.ledgerDomain,
    manifest: world.release.served.manifest,
    index: { rows: world.release.indexRows },
  });

/** Receipts of a channel, without gap from 0 to what was charged, each right. */
async function assertTiled(at: Node, channelId: string, count: number): Promise<ReceiptBundle[]> {
  const bundles = (await at.bundles()).filter(({ receipt }) => receipt.channelId === channelId);
  assert.equal(bundles.length, count);
  let end = 0n;
  for (const bundle of bundles) {
    assert.equal(bundle.receipt.from, end);
    end = bundle.receipt.to;
    assert.ok(nothingFailed(await checksOf(bundle)));
  }
  const channel = await at.payments.channel(channelId as `0x${string}`);
  assert.deepEqual([channel?.charged, channel?.reserved], [end, 0n]);
  return bundles;
}

for (const leaves of [false, true])
  test(`a streamed answer ${leaves ? "whose reader leaves " : ""}has one receipt, at whatever step the process is killed`, async () => {
    const folder = await world.newFolder();
    let current = await world.openNode(folder);
    const { secret, channelId } = await current.newKey();
    await current.close();
    let receipts = 0;
    const steps: Step[] = leaves ? ["generated", "charged"] : ["generated", "scored", "charged", "receipted"];
    for (const stopAt of steps) {
      const reached = Promise.withResolvers<string>();
      current = await world.openNode(folder, {
        afterStep: (step: Step, requestId) => {
          if (step !== stopAt) return Promise.resolve();
          reached.resolve(requestId);
          return new Promise(() => {});
        },
      });
      const headers = { "idempotency-key": `until-${stopAt}` };
      const body = { stream: true, temperature: 1, seed: 11, max_tokens: leaves ? 200 : 10 };
      const reader = (await send(current, secret, body, headers)).body?.getReader();
      await reader?.read();
      if (leaves) await reader?.cancel();
      const requestId = await reached.promise;
      await current.kill();

      current = await world.openNode(folder);
      await current.inference.drain();
      const { state, completionTokens } = await current.inference.request(requestId);
      assert.equal(state, "receipted");
      if (leaves) assert.ok((completionTokens ?? 200) < 200, "it was cut short, and what was read is paid");
      const bundles = await assertTiled(current, channelId, ++receipts);
      assert.equal(bundles.at(-1)?.receipt.completionTokens, completionTokens);
      const again = await send(current, secret, body, headers);
      assert.equal(requestOf(again), requestId);
      assert.match(await again.text(), /data: \[DONE\]\n\n$/);
      await current.inference.drain();
      await assertTiled(current, channelId, receipts);
      await current.close();
    }
  });

test("an answer that can never be scored is receipted without attribution, says so, and holds up nobody", async () => {
  const log: string[] = [];
  const poisoned = new Set<string>();
  const key = (outputIds: readonly number[]) => outputIds.join();
  const node = await world.openNode(await world.newFolder(), {
    scoreAttemptsMax: 3,
    log: (message) => void log.push(message),
    attribution: {
      ...world.attribution,
      score: (release, answer) => {
        // The first answer that comes is the poison, however often it comes.
        if (poisoned.size === 0) poisoned.add(key(answer.outputIds));
        if (poisoned.has(key(answer.outputIds)))
          return Promise.reject(new Error("the gradient is no number"));
        return world.attribution.score(release, answer);
      },
    },
  });
  const { secret, channelId } = await node.newKey();
  const bad = requestOf(await send(node, secret, { temperature: 1, seed: 1 }));
  const good = requestOf(await send(node, secret, { temperature: 1, seed: 2 }));
  while ((await node.inference.request(good)).receiptId === null)
    await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal((await node.inference.request(bad)).receiptId, null, "the next answer did not wait for it");
  await node.inference.drain();
  const { state, unattributed } = await node.inference.request(bad);
  assert.equal(state, "receipted");
  assert.match(unattributed ?? "", /^It could not be scored in 3 attempts: the gradient is no number$/);
  assert.equal((await node.inference.request(good)).unattributed, null);
  const shown = (await (await node.fetch(`/v1/requests/${bad}`)).json()) as { unattributed: string };
  assert.equal(shown.unattributed, unattributed);
  assert.equal((await node.inference.metrics()).unattributedTotal, 1);
  assert.ok(log.some((line) => line.includes(bad) && /will attribute nothing/.test(line)));
  const [first, second] = await assertTiled(node, channelId, 2);
  assert.ok((first?.scores.length ?? 0) > 0);
  assert.deepEqual([second?.query, second?.scores], ["0x", []]);
  const [datanet] = second?.terms.datanets ?? [];
  assert.ok(second?.payments.some(({ payee }) => payee === datanet?.pool));
  assert.ok(!second?.payments.some(({ payee }) => contributors.includes(payee)));
  await node.close();
});

test("answers that a crash interrupts again and again while they are scored are receipted without attribution in the end", async () => {
  const folder = await world.newFolder();
  const options = { scoreAttemptsMax: 2 };
  let { promise, resolve } = Promise.withResolvers<void>();
  const hangs = {
    ...world.attribution,
    score: () => {
      resolve();
      return new Promise<never>(() => {});
    },
  };
  let node = await world.openNode(folder, { ...options, attribution: hangs });
  const { secret, channelId } = await node.newKey();
  const id = requestOf(await send(node, secret));
  await promise;
  await node.kill();
  ({ promise, resolve } = Promise.withResolvers<void>());
  node = await world.openNode(folder, { ...options, attribution: hangs });
  await promise;
  await node.kill();
  node = await world.openNode(folder, { ...options, attribution: hangs });
  await node.inference.drain();
  assert.match(
    (await node.inference.request(id)).unattributed ?? "",
    /could not be scored in 2 attempts: the process ended each time/,
  );
  await assertTiled(node, channelId, 1);
  await node.close();
});

test("no more paid answers are sold than receipts may wait, and free ones and repeated ones are answered on", async () => {
  const gate = Promise.withResolvers<void>();
  const node = await world.openNode(await world.newFolder(), {
    receiptsWaitingMax: 3,
    attribution: {
      ...world.attribution,
      score: async (release, answer) => {
        await gate.promise;
        return world.attribution.score(release, answer);
      },
    },
  });
  const { secret, channelId } = await node.newKey();
  const repeated = { "idempotency-key": "again" };
  assert.equal((await send(node, secret, {}, repeated)).status, 200);
  assert.equal((await send(node, secret, { n: 2, temperature: 1, seed: 1 })).status, 200);
  const refused = await send(node, secret);
  const { error } = (await refused.json()) as { error: { code: string; message: string } };
  assert.deepEqual([refused.status, error.code], [429, "receipts_behind"]);
  assert.match(error.message, /^3 paid answers wait .* 3 is the most\. Nothing is charged/);
  const seconds = Number(refused.headers.get("retry-after"));
  assert.ok(seconds >= 1 && seconds <= 60);
  assert.equal(
    (await node.payments.channel(channelId))?.reserved,
    await reservedFor(node, 3),
    "nothing more is held",
  );
  assert.equal((await send(node, secret, {}, repeated)).status, 200);
  assert.equal((await send(node, secret, { model: "tests/tiny" })).status, 200);
  gate.resolve();
  await node.inference.drain();
  assert.equal((await send(node, secret)).status, 200);
  await node.inference.drain();
  await assertTiled(node, channelId, 4);
  await node.close();
});

/** What the waiting answers hold of their channels, wei. */
async function reservedFor(node: Node, count: number): Promise<bigint> {
  const rows = await node.database.query<{ reserved: bigint }>(
    "select reserved_wei as reserved from inference.requests where state = 'generated'",
  );
  assert.equal(rows.length, count);
  return rows.reduce((sum, { reserved }) => sum + reserved, 0n);
}
