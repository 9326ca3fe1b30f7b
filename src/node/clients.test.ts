/** The clients that applications use, unchanged, with a running node whose base takes tools: OpenAI's, and the AI SDK's. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateObject, generateText, isStepCount, Output, streamText, tool } from "ai";
import OpenAI from "openai";
import { z } from "zod";
import { writeToolBase } from "./fixtures/tool-base.ts";
import { openNode, readConfig } from "./index.ts";

globalThis.AI_SDK_LOG_WARNINGS = false;

const home = mkdtempSync(join(tmpdir(), "openledger-clients-"));
const baseModel = writeToolBase();
const node = await openNode(
  readConfig(home, { port: 0, baseModel, baseName: "tests/tools", threads: 1, settleEveryMs: 0 }),
);
after(async () => {
  await node.close();
  for (const folder of [home, baseModel]) rmSync(folder, { recursive: true, force: true });
});

const client = new OpenAI({ apiKey: "none", baseURL: `${node.url}/v1`, maxRetries: 0 });
const provider = createOpenAICompatible({
  name: "openledger",
  baseURL: `${node.url}/v1`,
  supportsStructuredOutputs: true,
  includeUsage: true,
});
const model = provider.chatModel("tests/tools");

const messages = [{ role: "user" as const, content: "What grows in the valley?" }];
const asked = { model: "tests/tools", messages, max_tokens: 120, seed: 4 };
const season = z.object({ season: z.enum(["spring", "summer", "autumn"]), hot: z.boolean() });
const parameters = { ...z.toJSONSchema(season), $schema: undefined };
const tools = [
  { type: "function" as const, function: { name: "forecast", description: "The weather", parameters } },
  { type: "function" as const, function: { name: "now", description: "The time" } },
];

function assertCall(call: OpenAI.ChatCompletionMessageToolCall | undefined, names = ["forecast", "now"]) {
  assert.ok(call?.type === "function" && names.includes(call.function.name), JSON.stringify(call));
  assert.match(call.id, /^call_[0-9a-f]{24}$/);
  const given = JSON.parse(call.function.arguments);
  if (call.function.name === "forecast") season.strict().parse(given);
  else assert.deepEqual(given, {});
}

test("OpenAI's client gets a required call, whole and in chunks, and answers it", async () => {
  const required = { ...asked, tools, tool_choice: "required" as const, parallel_tool_calls: false };
  const { choices } = await client.chat.completions.create(required);
  const { message, finish_reason } = choices[0] as OpenAI.ChatCompletion.Choice;
  assert.deepEqual([finish_reason, message.content, message.tool_calls?.length], ["tool_calls", null, 1]);
  const [call] = message.tool_calls ?? [];
  assertCall(call);

  const runner = client.chat.completions.stream({ ...required, stream_options: { include_usage: true } });
  const streamed = await runner.finalChatCompletion();
  assert.equal(streamed.choices[0]?.finish_reason, "tool_calls");
  assertCall(streamed.choices[0]?.message.tool_calls?.[0] as OpenAI.ChatCompletionMessageToolCall);
  assert.deepEqual(
    streamed.choices[0]?.message.tool_calls?.map((one) =>
      one.type === "function" ? one.function.arguments : "",
    ),
    message.tool_calls?.map((one) => (one.type === "function" ? one.function.arguments : "")),
  );

  const answered = await client.chat.completions.create({
    ...asked,
    max_tokens: 20,
    tools,
    messages: [...messages, message, { role: "tool", tool_call_id: call?.id ?? "", content: "sunny" }],
  });
  assert.ok(["stop", "length", "tool_calls"].includes(answered.choices[0]?.finish_reason ?? ""));
});

test("a named function is the one that is called; several choices call on their own", async () => {
  const { choices } = await client.chat.completions.create({
    ...asked,
    n: 3,
    tools,
    tool_choice: { type: "function", function: { name: "forecast" } },
  });
  for (const { message, finish_reason } of choices) {
    assert.deepEqual([finish_reason, message.tool_calls?.length], ["tool_calls", 1]);
    assertCall(message.tool_calls?.[0], ["forecast"]);
  }
  assert.equal(new Set(choices.map(({ message }) => message.tool_calls?.[0]?.id)).size, 3);
});

test("without a choice the model may call or not; with none it is not told of the tools", async () => {
  const auto = await client.chat.completions.create({ ...asked, tools });
  assert.ok((auto.usage?.prompt_tokens ?? 0) > 100, "the template shows the tools");
  const none = await client.chat.completions.create({ ...asked, tools, tool_choice: "none" });
  const plain = await client.chat.completions.create(asked);
  assert.deepEqual([none.choices[0]?.message, none.usage], [plain.choices[0]?.message, plain.usage]);
});

test("what tools cannot be is refused", async () => {
  const call = (name: string, json: string) => ({
    role: "assistant" as const,
    tool_calls: [{ id: "c1", type: "function" as const, function: { name, arguments: json } }],
  });
  for (const [more, param] of [
    [{ tool_choice: "required" }, "tool_choice"],
    [{ tools, tool_choice: { type: "function", function: { name: "other" } } }, "tool_choice"],
    [{ tools: [tools[0], tools[0]] }, "tools"],
    [{ messages: [...messages, call("now", "{")] }, "messages[1].tool_calls[0].function.arguments"],
    [{ messages: [...messages, call("now", "[1]")] }, "messages[1].tool_calls[0].function.arguments"],
    [
      { messages: [...messages, { role: "tool", tool_call_id: "c9", content: "a" }] },
      "messages[1].tool_call_id",
    ],
    [{ messages: [...messages, { role: "assistant", content: null }] }, "messages[1].content"],
  ] as const)
    await assert.rejects(
      client.chat.completions.create({ ...asked, ...more } as typeof asked),
      (error: unknown) => {
        assert.ok(error instanceof OpenAI.BadRequestError);
        assert.equal(error.param, param, error.message);
        return true;
      },
    );
});

test("response formats hold the answer: any object, or a schema's", async () => {
  const object = await client.chat.completions.create({
    ...asked,
    max_tokens: 200,
    response_format: { type: "json_object" },
    temperature: 0.2,
  });
  if (object.choices[0]?.finish_reason === "stop")
    assert.equal(typeof JSON.parse(object.choices[0]?.message.content ?? ""), "object");
  const schema = await client.chat.completions.create({
    ...asked,
    response_format: {
      type: "json_schema",
      json_schema: { name: "season", schema: parameters, strict: true },
    },
  });
  season.strict().parse(JSON.parse(schema.choices[0]?.message.content ?? ""));
});

test("the AI SDK generates and streams text", async () => {
  const told = { model, prompt: "What grows in the valley?", maxOutputTokens: 12, seed: 7, temperature: 0.8 };
  const { text, usage, finishReason } = await generateText(told);
  assert.ok(text.length > 0 && (usage.outputTokens ?? 0) > 0 && ["stop", "length"].includes(finishReason));
  const stream = streamText(told);
  let streamed = "";
  for await (const part of stream.textStream) streamed += part;
  assert.deepEqual([streamed, (await stream.usage).outputTokens], [text, usage.outputTokens]);
});

test("the AI SDK generates objects after a schema, with tools beside it or without", async () => {
  const { object } = await generateObject({ model, schema: season, prompt: "When?", seed: 1 });
  season.strict().parse(object);
  const { output } = await generateText({
    model,
    prompt: "When?",
    output: Output.object({ schema: season }),
    seed: 2,
  });
  season.strict().parse(output);
});

test("the AI SDK calls tools, whole and streamed, and goes on with their results", async () => {
  const heard: unknown[] = [];
  const forecast = tool({
    description: "The weather",
    inputSchema: season,
    execute: async (input) => {
      heard.push(input);
      return { sky: "clear" };
    },
  });
  const told = {
    model,
    prompt: "Is it hot?",
    tools: { forecast },
    maxOutputTokens: 120,
    seed: 3,
    // A model this small would call again and again.
    providerOptions: { openledger: { parallel_tool_calls: false } },
  };
  const forced = await generateText({ ...told, toolChoice: { type: "tool", toolName: "forecast" } });
  assert.deepEqual(
    [forced.finishReason, forced.toolCalls.length, forced.toolResults.length],
    ["tool-calls", 1, 1],
  );
  const stream = streamText({ ...told, toolChoice: "required" });
  await stream.consumeStream();
  const calls = await stream.toolCalls;
  assert.ok(calls.length >= 1 && (await stream.finishReason) === "tool-calls");
  const steps = await generateText({
    ...told,
    prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? "required" : "none" }),
    stopWhen: isStepCount(2),
  });
  assert.equal(steps.steps.length, 2);
  assert.ok(heard.length >= 3);
  for (const one of heard) season.strict().parse(one);
});
