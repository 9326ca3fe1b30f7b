import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embedMany } from "ai";
import OpenAI from "openai";
import { type Node, openWorld, type World } from "./fixtures/world.ts";

let world: World;
let node: Node;
let server: Awaited<ReturnType<Node["listen"]>>;
let client: OpenAI;
before(async () => {
  world = await openWorld({}, { pooling: true });
  node = await world.openNode(await world.newFolder());
  server = await node.listen();
  client = new OpenAI({ apiKey: "none", baseURL: `${server.url}/v1`, maxRetries: 0 });
});
after(async () => {
  await server.close();
  await node.close();
  await world.close();
});

const model = "tests/tiny";
const close = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((value, i) => Math.abs(value - (b[i] as number)) < 1e-5);
const vector = async (input: string | number[], more: object = {}) =>
  (await client.embeddings.create({ model, input, ...more })).data[0]?.embedding ?? [];

test("texts and tokens become the same vectors, in floats or base64, alone or in a list", async () => {
  const whole = await client.embeddings.create({ model, input: ["the mill", "the river", "the mill"] });
  assert.deepEqual(
    whole.data.map(({ index, object }) => [index, object]),
    [0, 1, 2].map((index) => [index, "embedding"]),
  );
  const [mill, river, again] = whole.data.map(({ embedding }) => embedding) as [number[], number[], number[]];
  assert.equal(mill.length, 32);
  assert.ok(close(mill, again) && !close(mill, river));
  assert.ok(close(mill, await vector("the mill")));
  assert.ok(close(mill, await vector("the mill", { encoding_format: "float" })));
  assert.ok(close(mill, await vector("the mill", { dimensions: 32 })));
  const { promptIds } = await world.openlora.generate({ prompt: { prompt: "the mill" }, maxTokens: 1 });
  assert.ok(close(mill, await vector([...promptIds])));
  assert.deepEqual(whole.usage, {
    prompt_tokens: whole.usage.prompt_tokens,
    total_tokens: whole.usage.prompt_tokens,
  });
  assert.ok(whole.usage.prompt_tokens >= 3 * promptIds.length);
});

test("a free release has vectors of its own; one with a price gives none", async () => {
  assert.ok(!close(await vector("the mill"), await vector("the mill", { model: "gift" })));
  await assert.rejects(vector("the mill", { model: "valley" }), (error: unknown) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.match(error.message, /free/);
    return true;
  });
});

test("the AI SDK embeds many at once", async () => {
  const provider = createOpenAICompatible({ name: "openledger", baseURL: `${server.url}/v1` });
  const { embeddings } = await embedMany({
    model: provider.embeddingModel(model),
    values: ["the mill", "the river"],
  });
  assert.ok(close(embeddings[0] as number[], await vector("the mill")));
});

test("what cannot be done is refused", async () => {
  const limits = [
    [{ input: "" }, /empty/],
    [{ input: [] }, /input/],
    [{ input: ["a", 1] }, /input/],
    [{ input: [272] }, /272/],
    [{ input: "the mill ".repeat(400) }, /tokens|characters/],
    [{ input: Array.from({ length: 2_049 }, () => "a") }, /2048/],
    [{ input: "a", dimensions: 16 }, /32/],
    [{ input: "a", encoding_format: "int8" }, /encoding_format/],
    [{ input: "a", truncate: true }, /truncate/],
    [{ input: "a", model: "nothing" }, /does not exist/],
  ] as const;
  for (const [more, why] of limits)
    await assert.rejects(
      client.embeddings.create({ model, ...more } as unknown as OpenAI.EmbeddingCreateParams),
      (error: unknown) => {
        assert.ok(error instanceof OpenAI.BadRequestError || error instanceof OpenAI.NotFoundError);
        assert.match(error.message, why);
        return true;
      },
    );
});
