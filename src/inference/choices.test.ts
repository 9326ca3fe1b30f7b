/** Several answers to one request: each is generated, charged and receipted by itself; the request stands or falls as a whole. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { formatVoucher, openChannel } from "../payments/index.ts";
import { domain, signVoucher, toHex } from "../protocol/index.ts";
import { replayHeader } from "./answer-route.ts";
import { ben, type Node, open, openWorld, operator, price, type World } from "./fixtures/world.ts";

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

const question = {
  model: "valley",
  messages: [{ role: "user", content: "the mill of the" }],
  max_tokens: 12,
  temperature: 1,
  seed: 40,
};

async function ask(
  at: Node,
  secret: string,
  body: object,
  headers: Record<string, string> = {},
  path = "chat/completions",
) {
  const response = await at.fetch(`/v1/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${secret}`, ...headers },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  const chunks: Body[] = text.startsWith("data: ")
    ? text
        .split("\n\n")
        .filter((event) => event.startsWith("data: {"))
        .map((event) => JSON.parse(event.slice(6)))
    : [];
  return {
    status: response.status,
    headers: response.headers,
    chunks,
    body: (chunks.length > 0 ? null : JSON.parse(text)) as Body,
  };
}

const feeOf = (usage: Body) =>
  BigInt(usage.prompt_tokens) * BigInt(price.promptWeiPerToken) +
  BigInt(usage.completion_tokens) * BigInt(price.completionWeiPerToken);

test("n choices are the answers of n seeds, each with its own record and receipt; the usage is their sum", async () => {
  const { secret, channelId } = await node.newKey();
  const { body } = await ask(node, secret, { ...question, n: 3 });
  const alone: Body[] = [];
  for (const seed of [40, 41, 42]) alone.push((await ask(node, secret, { ...question, seed })).body);
  assert.deepEqual(
    body.choices.map((choice: Body) => [choice.index, choice.message.content, choice.finish_reason]),
    alone.map((one, index) => [index, one.choices[0].message.content, one.choices[0].finish_reason]),
  );
  assert.equal(new Set(alone.map((one) => one.choices[0].message.content)).size, 3);
  const sum = (of: string) => alone.reduce((total, one) => total + one.usage[of], 0);
  assert.deepEqual(
    [body.usage.prompt_tokens, body.usage.completion_tokens],
    [sum("prompt_tokens"), sum("completion_tokens")],
  );
  assert.equal(body.openledger, undefined);
  const facts = body.choices.map((choice: Body) => choice.openledger);
  assert.deepEqual(
    facts.map(({ seed }: Body) => seed),
    [40, 41, 42],
  );
  const fees = facts.map(({ fee_wei }: Body) => BigInt(fee_wei));
  assert.equal(
    fees.reduce((a: bigint, b: bigint) => a + b),
    feeOf(body.usage),
  );
  await node.inference.drain();
  const receipts = new Set<string | null>();
  for (const { request_id } of facts) {
    const record = await node.inference.request(request_id);
    assert.equal(record.state, "receipted");
    receipts.add(record.receiptId);
  }
  assert.equal(receipts.size, 3);
  const channel = await node.payments.channel(channelId);
  assert.deepEqual([channel?.charged, channel?.reserved], [2n * feeOf(body.usage), 0n]);
});

test("streamed choices come side by side and are the same answers", async () => {
  const { secret } = await node.newKey();
  const whole = (await ask(node, secret, { ...question, n: 3 })).body;
  const { chunks } = await ask(node, secret, {
    ...question,
    n: 3,
    stream: true,
    stream_options: { include_usage: true },
  });
  const of = (index: number) =>
    chunks.flatMap(({ choices }) => choices).filter((one: Body) => one.index === index);
  for (const index of [0, 1, 2]) {
    const parts = of(index);
    assert.equal(parts[0].delta.role, "assistant");
    assert.equal(
      parts.map(({ delta }: Body) => delta.content ?? "").join(""),
      whole.choices[index].message.content,
    );
    assert.equal(parts.at(-1).finish_reason, whole.choices[index].finish_reason);
    assert.equal(parts.at(-1).openledger.seed, 40 + index);
  }
  const order = chunks
    .flatMap(({ choices }) => choices)
    .filter((one: Body) => one.delta.content)
    .map((one: Body) => one.index);
  assert.notDeepEqual(order, [...order].sort(), "one choice after the other");
  assert.deepEqual(chunks.at(-1).usage, whole.usage);
});

test("several prompts, as texts or tokens, are answered in order, n times each", async () => {
  const text = { model: "tests/tiny", max_tokens: 6, seed: 5 };
  const { body } = await ask(
    node,
    "none",
    { ...text, prompt: ["the mill", "the river"], n: 2 },
    {},
    "completions",
  );
  const alone: Body[] = [];
  for (const [prompt, seed] of [
    ["the mill", 5],
    ["the mill", 6],
    ["the river", 5],
    ["the river", 6],
  ] as const)
    alone.push((await ask(node, "none", { ...text, prompt, seed }, {}, "completions")).body.choices[0].text);
  assert.deepEqual(
    body.choices.map((choice: Body) => choice.text),
    alone,
  );
  const generated = await world.openlora.generate({ prompt: { prompt: "the mill" }, maxTokens: 6, seed: 5 });
  const ids = [...generated.promptIds];
  const tokens = await ask(node, "none", { ...text, prompt: [ids, ids] }, {}, "completions");
  assert.deepEqual(
    tokens.body.choices.map((choice: Body) => choice.text),
    [alone[0], alone[0]],
  );
  const single = await ask(node, "none", { ...text, prompt: ids }, {}, "completions");
  assert.equal(single.body.choices[0].text, alone[0]);
});

test("an idempotency key gives every choice again, whatever step the process ended at", async () => {
  const folder = await world.newFolder();
  let current = await world.openNode(folder);
  const { secret, channelId } = await current.newKey();
  await current.close();
  let fees = 0n;
  for (const stopAt of ["reserved", "generated", "scored", "charged"] as const) {
    const reached = Promise.withResolvers<void>();
    let steps = 0;
    // The second choice's step: the first one's is done.
    current = await world.openNode(folder, {
      afterStep: (step) => {
        if (step !== stopAt || ++steps < 2) return Promise.resolve();
        reached.resolve();
        return new Promise(() => {});
      },
    });
    const headers = { "idempotency-key": `several-until-${stopAt}` };
    void ask(current, secret, { ...question, n: 3 }, headers).catch(() => {});
    await reached.promise;
    await current.kill();

    current = await world.openNode(folder);
    const again = await ask(current, secret, { ...question, n: 3 }, headers);
    assert.equal(again.status, 200, JSON.stringify(again.body));
    assert.equal(again.headers.get(replayHeader), stopAt === "reserved" ? null : "true");
    assert.equal(again.body.choices.length, 3);
    const third = await ask(current, secret, { ...question, n: 3 }, headers);
    assert.deepEqual(
      third.body.choices.map((choice: Body) => [choice.message.content, choice.openledger.request_id]),
      again.body.choices.map((choice: Body) => [choice.message.content, choice.openledger.request_id]),
    );
    await current.inference.drain();
    fees += feeOf(again.body.usage);
    const channel = await current.payments.channel(channelId);
    assert.deepEqual([channel?.charged, channel?.reserved], [fees, 0n], stopAt);
    await current.close();
  }
});

test("all choices are paid for or none is begun", async () => {
  const one = await ask(node, (await node.newKey()).secret, { ...question, temperature: 0 });
  assert.equal(one.body.choices[0].finish_reason, "length");
  const fee = feeOf(one.body.usage);
  const { secret, channelId } = await node.newKey(2n * fee + fee / 2n);
  const { status, body } = await ask(node, secret, { ...question, temperature: 0, n: 3 });
  assert.deepEqual([status, body.error.code], [402, "overspent"]);
  assert.equal((await node.payments.channel(channelId))?.reserved, 0n);
  assert.equal((await ask(node, secret, { ...question, temperature: 0, n: 2 })).status, 200);
});

test("one voucher pays for several choices, if it is large enough for all", async () => {
  const { channelId } = await openChannel(world.client(ben), world.contracts, {
    payee: toHex(operator.address),
    depositWei: open,
  });
  const signedFor = domain(world.client(ben).chain.id, toHex(world.contracts.PaymentChannels.address));
  const pay = async (cumulative: bigint) => ({
    "openledger-voucher": formatVoucher({
      channelId,
      cumulative,
      signature: await signVoucher(signedFor, { channelId, cumulative }, ben),
    }),
  });
  const one = await ask(node, (await node.newKey()).secret, { ...question, temperature: 0 });
  const fee = feeOf(one.body.usage);
  const asked = { ...question, temperature: 0, n: 2 };
  const small = await ask(node, "none", asked, await pay(2n * fee - 1n));
  assert.deepEqual([small.status, small.body.error.code], [402, "overspent"]);
  const enough = await ask(node, "none", asked, await pay(2n * fee));
  assert.equal(enough.status, 200, JSON.stringify(enough.body));
  await node.inference.drain();
  const channel = await node.payments.channel(channelId);
  assert.deepEqual([channel?.charged, channel?.reserved], [2n * fee, 0n]);
});

test("who leaves a stream pays for the choices that had begun, and not for those that had not", async () => {
  const { secret, channelId } = await node.newKey();
  const headers = {
    "content-type": "application/json",
    authorization: `Bearer ${secret}`,
    "idempotency-key": "left",
  };
  // Twice as many as there are rows: half of them wait.
  const body = JSON.stringify({ ...question, max_tokens: 230, n: 16, stream: true });
  const send = () => node.fetch("/v1/chat/completions", { method: "POST", headers, body });
  const response = await send();
  const id = response.headers.get("openledger-request-id") ?? "";
  const reader = response.body?.getReader();
  await reader?.read();
  await reader?.cancel();
  while ((await node.inference.metrics()).inFlight > 0)
    await new Promise((resolve) => setTimeout(resolve, 2));
  await node.inference.drain();
  const records = await Promise.all(
    Array.from({ length: 16 }, (_, choice) => node.inference.request(choice === 0 ? id : `${id}-${choice}`)),
  );
  for (const { state, feeWei, promptTokens, completionTokens } of records)
    if (promptTokens === 0) assert.deepEqual([state, feeWei, completionTokens], ["released", 0n, 0]);
    else assert.equal(state, "receipted");
  const begun = records.filter(({ state }) => state === "receipted");
  assert.ok(begun.length > 0 && begun.length < 16, `${begun.length} had begun`);
  const channel = await node.payments.channel(channelId);
  const fees = begun.reduce((sum, { feeWei }) => sum + (feeWei ?? 0n), 0n);
  assert.deepEqual([channel?.charged, channel?.reserved], [fees, 0n]);
  const again = await send();
  assert.equal(again.headers.get(replayHeader), "true");
  const ends = (await again.text()).match(/"finish_reason":"(stop|length)"/g);
  assert.equal(ends?.length, 16);
});
