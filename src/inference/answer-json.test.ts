import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { answerJson, createChunks } from "./answer-json.ts";
import type { Answer, Choice } from "./answering.ts";
import { type Ask, parseAsk } from "./request.ts";
import { type ToolFormat, toolFormats } from "./tool-format.ts";

const askFor = (toolFormat: ToolFormat, n: number): Ask =>
  parseAsk(
    "chat",
    {
      model: "m",
      messages: [{ role: "user", content: "a" }],
      tools: [{ type: "function", function: { name: "f" } }],
      n,
      stream: true,
      stream_options: { include_usage: true },
    },
    { optedOut: false, toolFormat },
  );

const answerOf = (texts: readonly string[]): Answer => ({
  requestId: "req_1",
  release: null,
  createdAtMs: 0,
  replayed: false,
  choices: texts.map(
    (text, at): Choice => ({
      requestId: `req_1-${at}`,
      text,
      logprobs: null,
      finishReason: "stop",
      promptTokens: 2,
      completionTokens: 3,
      feeWei: 5n,
      receipt: "pending",
      seed: at,
      fingerprint: "0x00",
    }),
  ),
});

const part = fc.constantFrom(
  ...['<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>', '{"name": "f", "parameters": {}}'],
  ...[
    '[TOOL_CALLS][{"name": "f", "arguments": {"b": [1]}}]',
    "<tool_call>",
    "{",
    "; ",
    "\n",
    "so be it",
    " ",
  ],
);
const text = fc.array(part, { maxLength: 5 }).map((parts) => parts.join(""));

// biome-ignore lint/suspicious/noExplicitAny: chunks of any shape are put together here
type Chunk = any;

/** Puts a stream together as OpenAI's client does. */
function assembled(chunks: readonly Chunk[], n: number) {
  const messages = Array.from({ length: n }, () => ({
    content: "",
    calls: [] as Chunk[],
    finish: null as string | null,
    facts: undefined as Chunk,
  }));
  for (const chunk of chunks)
    for (const { index, delta, finish_reason, openledger } of chunk.choices) {
      const message = messages[index] as (typeof messages)[number];
      message.content += delta.content ?? "";
      for (const { index: at, ...call } of delta.tool_calls ?? []) {
        assert.equal(at, message.calls.length);
        message.calls.push(call);
      }
      if (finish_reason === null) continue;
      assert.equal(message.finish, null);
      message.finish = finish_reason;
      message.facts = openledger ?? chunk.openledger;
    }
  return messages;
}

test("a stream's chunks put together are the whole answer, tool calls and facts included", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...toolFormats),
      fc.array(text, { minLength: 1, maxLength: 3 }),
      fc.array(fc.tuple(fc.nat(2), fc.integer({ min: 1, max: 9 })), { maxLength: 60 }),
      (format, texts, order) => {
        const ask = askFor(format, texts.length);
        const answer = answerOf(texts);
        const chunks = createChunks(ask, "chatcmpl-1", 0);
        const sent: Chunk[] = [...chunks.opening()];
        const rest = [...texts];
        const send = (choice: number, length: number) => {
          const piece = rest[choice]?.slice(0, length) ?? "";
          if (piece === "") return;
          rest[choice] = (rest[choice] as string).slice(length);
          sent.push(...chunks.piece(choice, { text: piece }));
        };
        for (const [choice, length] of order) send(choice, length);
        for (const choice of texts.keys()) send(choice, Number.POSITIVE_INFINITY);
        sent.push(...chunks.ending(answer));
        const whole = answerJson(ask, "chatcmpl-1", answer) as Chunk;
        assert.deepEqual(
          assembled(sent, texts.length),
          whole.choices.map(({ message, finish_reason, openledger }: Chunk) => ({
            content: message.content ?? "",
            calls: message.tool_calls ?? [],
            finish: finish_reason,
            facts: openledger ?? whole.openledger,
          })),
        );
        assert.deepEqual(sent.at(-1).usage, whole.usage);
      },
    ),
  );
});

test("where calls are read, the facts have what was written: the receipt covers that", () => {
  const written = '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>';
  const { choices, openledger, usage } = answerJson(
    askFor("hermes", 1),
    "chatcmpl-1",
    answerOf([written]),
  ) as Chunk;
  assert.deepEqual(choices[0].message, {
    role: "assistant",
    content: null,
    refusal: null,
    tool_calls: [
      {
        id: choices[0].message.tool_calls[0].id,
        type: "function",
        function: { name: "f", arguments: '{"a":1}' },
      },
    ],
  });
  assert.deepEqual([choices[0].finish_reason, openledger.text], ["tool_calls", written]);
  assert.deepEqual(usage, { prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 });
  const plain = answerJson(askFor("hermes", 1), "chatcmpl-1", answerOf(["hello"])) as Chunk;
  assert.deepEqual([plain.choices[0].message.content, "text" in plain.openledger], ["hello", false]);
});
