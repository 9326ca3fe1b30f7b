import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { callTag, detectToolFormat, type ToolFormat, toolFormats } from "./tool-format.ts";
import { createToolParser, parseToolCalls, type ToolCall, type ToolEvent } from "./tool-parser.ts";

const names = new Set(["weather", "add", "f.g-h_1"]);

/** As the checkpoints' own templates write an assistant's calls. */
const render: Record<ToolFormat, (calls: readonly ToolCall[]) => string> = {
  hermes: (calls) =>
    calls
      .map((call) => `<tool_call>\n{"name": "${call.name}", "arguments": ${call.arguments}}\n</tool_call>`)
      .join("\n"),
  llama: (calls) =>
    calls.map((call) => `{"name": "${call.name}", "parameters": ${call.arguments}}`).join("; "),
  mistral: (calls) =>
    `[TOOL_CALLS][${calls.map((call) => `{"name": "${call.name}", "arguments": ${call.arguments}}`).join(", ")}]`,
};

const format = fc.constantFrom(...toolFormats);
const call = fc
  .record({
    name: fc.constantFrom(...names),
    value: fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue({ maxDepth: 4 }), {
      noNullPrototype: true,
    }),
  })
  .map(({ name, value }): ToolCall => ({ name, arguments: JSON.stringify(value) }));
const calls = fc.array(call, { minLength: 1, maxLength: 4 });

/** Texts that look like calls, or nearly so. */
const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        ...[
          "<tool_call>",
          "</tool_call>",
          "<tool_call",
          "[TOOL_CALLS]",
          "[TOOL_",
          "[",
          "]",
          "{",
          "}",
          ";",
          " ",
          "\n",
        ],
        ...[
          '"',
          "\\",
          ",",
          '{"name": "add"}',
          '{"name": "add", "arguments": {"a": 1}}',
          '{"name": "no"}',
          "{}",
          "[]",
        ],
        '{"name": "add", "arguments": "{\\"a\\": 1}"}',
        '[{"name": "add", "arguments": {"a": "]}</tool_call>"}}]',
        "[".repeat(70),
      ),
      fc.string({ unit: "binary", maxLength: 4 }),
      call.map((one) => JSON.stringify({ name: one.name, parameters: JSON.parse(one.arguments) })),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(""));

function joined(events: readonly ToolEvent[]) {
  const order: (string | ToolCall)[] = [];
  for (const event of events) {
    if ("call" in event) order.push(event.call);
    else if (typeof order.at(-1) === "string") order.push(`${order.pop()}${event.content}`);
    else order.push(event.content);
  }
  return order;
}

test("what a template writes is read back, in every notation", () => {
  fc.assert(
    fc.property(format, calls, (of, told) => {
      const { content, calls: found } = parseToolCalls(of, names, render[of](told));
      assert.equal(content, null);
      assert.deepEqual(
        found.map((one) => [one.name, JSON.parse(one.arguments)]),
        told.map((one) => [one.name, JSON.parse(one.arguments)]),
      );
    }),
  );
});

test("text before calls is content, without the white space between", () => {
  fc.assert(
    fc.property(fc.constantFrom("hermes" as const, "mistral" as const), calls, (of, told) => {
      const { content, calls: found } = parseToolCalls(of, names, `I will look. \n${render[of](told)}\n`);
      assert.deepEqual([content, found.length], ["I will look.", told.length]);
    }),
  );
});

test("however the text is cut, the same comes out; nothing is thrown and nothing lost", () => {
  fc.assert(
    fc.property(format, hostile, fc.array(fc.nat(12), { maxLength: 40 }), (of, text, cuts) => {
      const whole = createToolParser(of, names);
      const once = joined([...whole.push(text), ...whole.end()]);
      for (const lengths of [cuts, Array.from(text, () => 1)]) {
        const parser = createToolParser(of, names);
        const events: ToolEvent[] = [];
        let at = 0;
        for (const length of lengths) {
          events.push(...parser.push(text.slice(at, at + length)));
          at += length;
        }
        events.push(...parser.push(text.slice(at)), ...parser.end());
        assert.deepEqual(joined(events), once);
      }
      const callsOnly = once.filter((one) => typeof one !== "string");
      if (callsOnly.length === 0) assert.equal(once.join(""), text);
      for (const one of callsOnly) assert.ok(names.has(one.name) && JSON.parse(one.arguments) !== null);
    }),
    { numRuns: 1_000 },
  );
});

test("what does not parse stays content", () => {
  for (const [of, text] of [
    ["hermes", '<tool_call>{"name": "unknown", "arguments": {}}</tool_call>'],
    ["hermes", '<tool_call>{"name": "add", "arguments": [1]}</tool_call>'],
    ["hermes", '<tool_call>{"name": "add", "arguments": {}'],
    ["hermes", "<tool_call>add(1, 2)</tool_call>"],
    ["hermes", `<tool_call>${'{"a":'.repeat(100)}`],
    ["llama", '{"answer": 4}'],
    ["llama", 'Sure: {"name": "add", "parameters": {}}'],
    ["mistral", "[1, 2, 3]"],
    ["mistral", '[{"name": "add", "arguments": {}}, {"name": "unknown"}]'],
  ] as const)
    assert.deepEqual(parseToolCalls(of, names, text), { content: text, calls: [] });
  const after = parseToolCalls(
    "hermes",
    names,
    '<tool_call>nonsense</tool_call> <tool_call>{"name": "add", "arguments": {"a": 1}}',
  );
  assert.deepEqual(after, {
    content: "<tool_call>nonsense</tool_call>",
    calls: [{ name: "add", arguments: '{"a":1}' }],
  });
});

test("long and malicious texts are read in time that grows with their length", () => {
  for (const part of [
    "<tool_call>",
    "<tool_call>{",
    '<tool_call>{"a":"',
    "[TOOL_CALLS][",
    "{",
    " ",
    '{"name":"add"};',
  ])
    for (const of of toolFormats) {
      const began = performance.now();
      parseToolCalls(of, names, part.repeat(200_000 / part.length));
      const ms = performance.now() - began;
      assert.ok(ms < 1_000, `${of}, ${part}: ${ms} ms`);
    }
});

test("a template's notation is told by its text", () => {
  const cases: [string | null, ToolFormat | null][] = [
    [null, null],
    ["{% for m in messages %}{{ m.content }}{% endfor %}", null],
    ["{{ '<tool_call>' }}", null],
    ["{% if tools %}{{ '<tool_call>\\n{\"name\": ' }}{% endif %}", "hermes"],
    ["{% if tools %}<tool_call>\\n<function=name>{% endif %}", null],
    [
      '{% if tools is not none %}{"name": function name, "parameters": dictionary}{% endif %}{{ \'{"name": "\' }}{{ \'"parameters": \' }}',
      "llama",
    ],
    ["{% if tools %}[AVAILABLE_TOOLS]{% endif %}[TOOL_CALLS] [", "mistral"],
    ["{% if tools %}{% endif %}[TOOL_CALLS]name[ARGS]", null],
    ["{% if tools %}<|tool▁calls▁begin|>{% endif %}", null],
  ];
  for (const [template, expected] of cases)
    assert.equal(detectToolFormat(template), expected, String(template));
});

test("a tag names every function in its notation", () => {
  const tools = [...names].map((name) => ({ name, schema: { type: "object" } }));
  for (const of of toolFormats)
    for (const rule of [
      { required: true, single: true },
      { required: false, single: false },
      { required: false, single: false, otherwise: { type: "object" } },
    ]) {
      const tag = JSON.parse(callTag(of, tools, rule));
      assert.equal(tag.type, "structural_tag");
      const text = JSON.stringify(tag);
      for (const name of names) assert.ok(text.includes(`{\\"name\\": \\"${name}\\"`), `${of} ${name}`);
    }
});
