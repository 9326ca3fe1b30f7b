/** Sampling parameters and log-probabilities, by the official client over a socket. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import OpenAI from "openai";
import { type Node, openWorld, type World } from "./fixtures/world.ts";

let world: World;
let node: Node;
let server: Awaited<ReturnType<Node["listen"]>>;
let client: OpenAI;
let paying: OpenAI;
before(async () => {
  world = await openWorld();
  node = await world.openNode(await world.newFolder());
  server = await node.listen();
  client = new OpenAI({ apiKey: "none", baseURL: `${server.url}/v1`, maxRetries: 0 });
  paying = client.withOptions({ apiKey: (await node.newKey()).secret });
});
after(async () => {
  await server.close();
  await node.close();
  await world.close();
});

const chat = {
  model: "tests/tiny",
  messages: [{ role: "user" as const, content: "the mill of the" }],
  max_tokens: 24,
  seed: 3,
};
const text = { model: "tests/tiny", prompt: "the mill of the", max_tokens: 24, seed: 3 };
const contentOf = (answer: OpenAI.ChatCompletion) => answer.choices[0]?.message.content;

test("a chat's log-probabilities are those of its tokens, whole and streamed", async () => {
  const asked = { ...chat, logprobs: true, top_logprobs: 3 };
  const whole = await client.chat.completions.create(asked);
  const told = whole.choices[0]?.logprobs?.content ?? [];
  assert.equal(told.length, whole.usage?.completion_tokens);
  const bytes = Buffer.from(told.flatMap((one) => one.bytes ?? []));
  assert.ok(bytes.toString().startsWith(contentOf(whole) ?? "?"));
  for (const { logprob, top_logprobs } of told) {
    assert.equal(top_logprobs.length, 3);
    assert.ok(logprob <= (top_logprobs[0]?.logprob ?? 0) + 1e-6 && logprob <= 0);
  }
  const pieces: OpenAI.ChatCompletionTokenLogprob[] = [];
  for await (const chunk of await client.chat.completions.create({ ...asked, stream: true }))
    pieces.push(...(chunk.choices[0]?.logprobs?.content ?? []));
  assert.deepEqual(pieces, told);
  const chosen = await client.chat.completions.create({ ...chat, logprobs: true });
  assert.deepEqual(
    chosen.choices[0]?.logprobs?.content?.map(({ top_logprobs }) => top_logprobs.length),
    told.map(() => 0),
  );
});

test("a completion's log-probabilities come in the older shape", async () => {
  const whole = await client.completions.create({ ...text, logprobs: 2 });
  const told = whole.choices[0]?.logprobs;
  assert.equal(told?.tokens?.length, whole.usage?.completion_tokens);
  assert.equal(told?.token_logprobs?.length, told?.tokens?.length);
  assert.deepEqual(told?.text_offset?.[0], 0);
  assert.ok(told?.top_logprobs?.every((one) => Object.keys(one).length >= 1));
  const none = await client.completions.create(text);
  assert.equal(none.choices[0]?.logprobs, null);
});

test("a repeated key gives the log-probabilities again", async () => {
  const asked = { ...chat, model: "valley", logprobs: true, top_logprobs: 2 };
  const options = { headers: { "idempotency-key": "chances" } };
  const first = await paying.chat.completions.create(asked, options);
  const again = await paying.chat.completions.create(asked, options);
  assert.deepEqual(again.choices, first.choices);
  assert.ok((first.choices[0]?.logprobs?.content?.length ?? 0) > 0);
});

test("every sampling parameter reaches the draw", async () => {
  const plain = contentOf(await client.chat.completions.create(chat));
  const greedy = contentOf(await client.chat.completions.create({ ...chat, temperature: 0 }));
  assert.notEqual(plain, greedy);
  const with_ = async (more: object) => contentOf(await client.chat.completions.create({ ...chat, ...more }));
  assert.equal(await with_({ top_k: 1 }), greedy);
  assert.equal(await with_({ min_p: 1 }), greedy);
  assert.equal(await with_({ top_k: -1, min_p: 0, repetition_penalty: 1, logit_bias: {} }), plain);
  const { promptIds } = await world.openlora.generate({ prompt: { prompt: "m" }, maxTokens: 1 });
  const m = String(promptIds.at(-1));
  assert.equal(await with_({ logit_bias: { [m]: 100 } }), "m".repeat(24));
  const often = { temperature: 0, logit_bias: { [m]: 20 } };
  assert.equal(await with_(often), "m".repeat(24));
  assert.notEqual(await with_({ ...often, frequency_penalty: 2 }), "m".repeat(24));
  for (const penalty of [{ presence_penalty: 2 }, { repetition_penalty: 5 }])
    assert.notEqual(await with_({ temperature: 0, ...penalty }), greedy, JSON.stringify(penalty));
  const unknown = client.chat.completions.create({ ...chat, logit_bias: { 999999: 1 } });
  await assert.rejects(unknown, OpenAI.BadRequestError);
});
