/** The official OpenAI client, unchanged, over a real socket. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import OpenAI, { APIError, BadRequestError, NotFoundError, RateLimitError } from "openai";
import { type Node, openWorld, price, type World } from "./fixtures/world.ts";

let world: World;
let node: Node;
let server: Awaited<ReturnType<Node["listen"]>>;
let client: OpenAI;
let channelId: `0x${string}`;
before(async () => {
  world = await openWorld({ maxQueue: 64, adapterMemoryBytes: 0 });
  node = await world.openNode(await world.newFolder());
  server = await node.listen();
  const key = await node.newKey();
  channelId = key.channelId;
  client = new OpenAI({ apiKey: key.secret, baseURL: `${server.url}/v1`, maxRetries: 0 });
});
after(async () => {
  await server.close();
  await node.close();
  await world.close();
});

const messages = [{ role: "user" as const, content: "the mill of the" }];
const asked = { model: "valley", messages, max_tokens: 20, temperature: 0.7, top_p: 0.9, seed: 11 };
// biome-ignore lint/suspicious/noExplicitAny: what OpenAI's types have no place for
const facts = (answer: unknown) => (answer as any).openledger;
const feeOf = (usage: { prompt_tokens: number; completion_tokens: number } | null | undefined) =>
  BigInt(usage?.prompt_tokens ?? 0) * BigInt(price.promptWeiPerToken) +
  BigInt(usage?.completion_tokens ?? 0) * BigInt(price.completionWeiPerToken);

async function settled(id: string) {
  await node.inference.drain();
  return node.inference.request(id);
}

test("a chat, whole and streamed, is the same answer; both are paid and receipted", async () => {
  const whole = await client.chat.completions.create(asked);
  assert.equal(whole.object, "chat.completion");
  assert.match(whole.id, /^chatcmpl-[0-9a-f]{32}$/);
  const { baseDigest } = world.openlora.info();
  assert.equal(whole.system_fingerprint, `${baseDigest}+${world.release.served.manifest.adapter.digest}`);

  const stream = await client.chat.completions.create({
    ...asked,
    stream: true,
    stream_options: { include_usage: true },
  });
  const chunks: OpenAI.ChatCompletionChunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");
  assert.equal(text, whole.choices[0]?.message.content);
  assert.equal(chunks[0]?.choices[0]?.delta.role, "assistant");
  assert.equal(new Set(chunks.map(({ id }) => id)).size, 1);
  const usage = chunks.at(-1);
  assert.deepEqual([usage?.choices, usage?.usage], [[], whole.usage]);
  const last = chunks.at(-2);
  assert.equal(last?.choices[0]?.finish_reason, whole.choices[0]?.finish_reason);
  assert.equal(BigInt(facts(last).fee_wei), feeOf(whole.usage));
  for (const { request_id } of [facts(whole), facts(last)]) {
    const request = await settled(request_id);
    assert.deepEqual([request.state, request.feeWei], ["receipted", feeOf(whole.usage)]);
  }
});

test("completions, whole and streamed, with stop strings", async () => {
  const whole = await client.completions.create({
    model: "valley",
    prompt: "the mill",
    max_tokens: 24,
    seed: 2,
  });
  const full = whole.choices[0]?.text ?? "";
  assert.ok(full.length > 6, JSON.stringify(full));
  const stop = full.slice(3, 5);
  const stopped = await client.completions.create({
    model: "valley",
    prompt: "the mill",
    max_tokens: 24,
    seed: 2,
    stop,
  });
  assert.deepEqual(
    [stopped.choices[0]?.text, stopped.choices[0]?.finish_reason],
    [full.slice(0, full.indexOf(stop)), "stop"],
  );
  const stream = await client.completions.create({
    model: "valley",
    prompt: "the mill",
    max_tokens: 24,
    seed: 2,
    stream: true,
  });
  let text = "";
  for await (const chunk of stream) text += chunk.choices[0]?.text ?? "";
  assert.equal(text, full);
});

test("models are listed and retrieved", async () => {
  const ids: string[] = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.deepEqual(ids, ["tests/tiny", "valley", "gift"]);
  assert.equal((await client.models.retrieve("valley")).id, "valley");
  assert.equal((await client.models.retrieve("tests/tiny")).id, "tests/tiny");
});

test("errors arrive as the client's own classes", async () => {
  await assert.rejects(client.chat.completions.create({ ...asked, model: "nothing" }), (error: unknown) => {
    assert.ok(error instanceof NotFoundError);
    assert.equal(error.code, "model_not_found");
    return true;
  });
  await assert.rejects(client.chat.completions.create({ ...asked, n: 17 }), BadRequestError);
  const poor = client.withOptions({ apiKey: "sk-nothing" });
  await assert.rejects(poor.chat.completions.create({ ...asked, stream: true }), (error: unknown) => {
    assert.ok(error instanceof APIError);
    assert.deepEqual([error.status, error.code, error.type], [402, "unknown_key", "payment_required"]);
    return true;
  });
  await assert.rejects(client.models.retrieve("nothing"), NotFoundError);
});

test("the client comes back by itself after 429", async () => {
  const other = await openWorld({ maxRows: 1, maxQueue: 1, adapterMemoryBytes: 0 });
  const small = await other.openNode(await other.newFolder());
  const listening = await small.listen();
  const { secret } = await small.newKey();
  const patient = new OpenAI({ apiKey: secret, baseURL: `${listening.url}/v1`, maxRetries: 5 });
  const busy = other.occupy(1);
  await assert.rejects(patient.withOptions({ maxRetries: 0 }).chat.completions.create(asked), RateLimitError);
  const answered = patient.chat.completions.create(asked);
  await busy.end();
  assert.equal((await answered).object, "chat.completion");
  await listening.close();
  await small.close();
  await other.close();
});

test("a stream that its reader leaves is an answer of the length it had, charged and receipted", async () => {
  let cut = 0;
  for (let attempt = 0; attempt < 20 && cut === 0; attempt++) {
    const { data: stream, response } = await client.chat.completions
      .create({ ...asked, max_tokens: 230, temperature: 1, seed: attempt, stream: true })
      .withResponse();
    const id = response.headers.get("openledger-request-id") ?? "";
    let seen = "";
    for await (const chunk of stream) {
      seen += chunk.choices[0]?.delta.content ?? "";
      if (seen.length > 3) break;
    }
    while ((await node.inference.metrics()).inFlight > 0)
      await new Promise((resolve) => setTimeout(resolve, 2));
    const request = await settled(id);
    assert.equal(request.state, "receipted");
    assert.ok(request.answer?.text.startsWith(seen), "what was read is part of the answer");
    const tokens = request.answer?.outputIds.length ?? 0;
    assert.equal(request.completionTokens, tokens);
    assert.equal(request.feeWei, feeOf({ prompt_tokens: request.promptTokens, completion_tokens: tokens }));
    const bundle = (await node.bundles()).at(-1);
    assert.deepEqual([bundle?.receipt.completionTokens, bundle?.query === "0x"], [tokens, false]);
    cut = (await node.inference.metrics()).cutShortTotal;
    if (cut > 0) assert.deepEqual([request.answer?.finishReason, tokens < 230], ["length", true]);
  }
  assert.equal(cut, 1, "no stream was left before its end");
});

test("who leaves before a whole answer is delivered pays nothing", async () => {
  const before = await node.payments.channel(channelId);
  const busy = world.occupy(0);
  const left = new AbortController();
  const answer = client.chat.completions.create(asked, { signal: left.signal });
  while ((await world.openlora.metrics()).scheduler.waiting === 0)
    await new Promise((resolve) => setTimeout(resolve, 2));
  left.abort();
  await assert.rejects(answer);
  while ((await node.inference.metrics()).inFlight > 0)
    await new Promise((resolve) => setTimeout(resolve, 2));
  await busy.end();
  const after_ = await node.payments.channel(channelId);
  assert.deepEqual([after_?.charged, after_?.reserved], [before?.charged, before?.reserved]);
  assert.equal((await node.inference.metrics()).refusedTotal.cancelled, 1);
});

test("the base model answers many at once, for nothing", async () => {
  const anybody = client.withOptions({ apiKey: "none" });
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, seed) =>
      anybody.chat.completions.create({ model: "tests/tiny", messages, max_tokens: 8, seed }),
    ),
  );
  for (const answer of answers) assert.equal(facts(answer).fee_wei, "0");
});
