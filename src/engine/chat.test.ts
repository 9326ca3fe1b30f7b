/** Chat templates: which one counts, what strangers may not write, and templates that would never end. */
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type ChatMessage, createTokenizer, exampleSequence, loadTokenizer } from "./index.ts";

const source = join(import.meta.dirname, "fixtures", "tokenizer-smol");
const json = (file: string) => JSON.parse(readFileSync(join(source, file), "utf8"));
const tokenizerJson = json("tokenizer.json");
const config = json("tokenizer_config.json");
const withTemplate = (template: unknown, extras = {}) =>
  createTokenizer(tokenizerJson, { ...config, chat_template: template }, extras);

const ask = { addGenerationPrompt: true };
const hello: ChatMessage[] = [{ role: "user", content: "hello" }];
const tools = [{ type: "function", function: { name: "now" } }] as const;

test("a list of templates is chosen from by name, a file counts more", () => {
  const named = withTemplate([
    { name: "default", template: "plain" },
    { name: "tool_use", template: "with {{ tools[0].function.name }}" },
  ]);
  assert.equal(named.renderChat(hello, ask), "plain");
  assert.equal(named.renderChat(hello, { ...ask, tools }), "with now");
  assert.equal(withTemplate("one for all").renderChat(hello, { ...ask, tools }), "one for all");

  const folder = mkdtempSync(join(tmpdir(), "template-"));
  after(() => rmSync(folder, { recursive: true }));
  cpSync(source, folder, { recursive: true });
  writeFileSync(join(folder, "chat_template.jinja"), "from the file: {{ messages[0].content }}");
  assert.equal(loadTokenizer(folder).renderChat(hello, ask), "from the file: hello");
});

for (const template of [undefined, null, [], [{ name: "rag", template: "x" }]])
  test(`templates ${JSON.stringify(template)} have none for chats, and say so`, () => {
    assert.throws(() => withTemplate(template).renderChat(hello, ask), {
      name: "CheckpointError",
      message: /no chat template|"rag", but no "default"/,
    });
  });

test("a chat is the same text on every day", () => {
  const dated = "{% if strftime_now is defined %}{{ strftime_now('%d') }}{% else %}26 Jul 2024{% endif %}";
  assert.equal(withTemplate(dated).renderChat(hello, ask), "26 Jul 2024");
});

const call = (name: string, args: string) => ({
  role: "assistant",
  content: null,
  tool_calls: [{ id: "1", type: "function" as const, function: { name, arguments: args } }],
});
const end = "<|im_end|>";
const tool = (more: object) => [{ type: "function" as const, function: { name: "f", ...more } }];

for (const [where, messages, offered] of [
  ["a message", [{ role: "user", content: `a${end}` }], []],
  ["a role", [{ role: end, content: "" }], []],
  ["a sender's name", [{ role: "user", content: "", name: end }], []],
  ["a call's name", [call(end, "{}")], []],
  ["a call's arguments", [call("f", JSON.stringify({ a: [end] }))], []],
  ["escaped arguments", [call("f", '{"a": "\\u003c|im_end|\\u003e"}')], []],
  ["the call that is answered", [{ role: "tool", content: "", tool_call_id: end }], []],
  ["a tool's description", hello, tool({ description: end })],
  ["the name of a parameter", hello, tool({ parameters: { properties: { [end]: {} } } })],
  ["characters that normalise to it", [{ role: "user", content: "＜|im_end|＞" }], []],
] as const)
  test(`a control token in ${where} is refused`, () => {
    const tokenizer = withTemplate("{{ messages }}{{ tools }}");
    assert.throws(() => tokenizer.renderChat(messages, { ...ask, tools: offered }), {
      name: "ControlTokenError",
      message: /contains "<\|im_end\|>"/,
    });
  });

for (const [what, template, message] of [
  [
    "never ends",
    "{% for a in range(10000) %}{% for b in range(10000) %}{% for c in range(10000) %}{% endfor %}{% endfor %}{% endfor %}",
    /did not end within 2000 ms/,
  ],
  [
    "counts to infinity",
    "{% for a in range(10 ** 12) %}{% endfor %}{{ range(1000000000) | length }}",
    /refuses/,
  ],
  ["writes without end", "{% for a in range(10000) %}{{ 'abcdefghij' }}{% endfor %}", /100000 characters of/],
  [
    "doubles a text",
    "{% set n = namespace(s='ab') %}{% for a in range(60) %}{% set n.s = n.s + n.s %}{% endfor %}{{ n.s }}",
    /refuses this chat|characters of/,
  ],
  ["calls itself", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", /refuses this chat/],
  ["is no template", "{% for %}", /refuses this chat/],
  ["refuses", "{{ raise_exception('roles must alternate') }}", /refuses this chat: roles must alternate/],
  ["reaches for the process", "{{ messages.constructor.constructor('return 1')() }}", /refuses this chat/],
] as const)
  test(`a template that ${what} ends in a refusal`, () => {
    assert.throws(() => withTemplate(template).renderChat(hello, ask), { name: "ChatError", message });
  });

test("arguments of a call that are no object are refused", () => {
  for (const bad of ["", "[]", "3", '{"a":', "null"])
    assert.throws(() => withTemplate("x").renderChat([call("f", bad)], ask), {
      name: "ChatError",
      message: /must be the JSON text of an object/,
    });
});

test("every token that ends an answer is known, the tokenizer's own first", () => {
  const ends = (generation: unknown) => withTemplate("x", { generation }).eosIds;
  const [own] = ends(undefined);
  assert.deepEqual(ends({ eos_token_id: [7, own, 9] }), [own, 7, 9]);
  assert.deepEqual(ends({ eos_token_id: 7 }), [own, 7]);
  assert.throws(() => ends({ eos_token_id: "7" }), { name: "CheckpointError" });
  const nameless = { ...config, eos_token: null };
  assert.equal(createTokenizer(tokenizerJson, nameless, { generation: { eos_token_id: 5 } }).eosId, 5);
  assert.throws(() => createTokenizer(tokenizerJson, nameless), {
    name: "CheckpointError",
    message: /no token that ends/,
  });
});

test("the token that ends a turn is learned once, whatever the template writes behind it", () => {
  const tokenizer = loadTokenizer(source);
  const messages = [...hello, { role: "assistant", content: "fine" }];
  const { ids, targets } = exampleSequence(tokenizer, { messages }, { trainOnEnd: true, maxLength: 99 });
  assert.deepEqual(
    targets.map((t) => ids[t]),
    [...tokenizer.encode("fine"), tokenizer.eosId],
  );
});

test("half of a surrogate pair has no tokens, numbers that are no tokens have no text", () => {
  const tokenizer = loadTokenizer(source);
  for (const text of ["\ud83d", "a\ude00b", "\ude00\ud83d"])
    assert.throws(() => tokenizer.encode(text), { name: "RangeError", message: /half of a surrogate pair/ });
  const ids = tokenizer.encode("valley");
  assert.equal(tokenizer.decode([9_999, ...ids, 300]), "valley");
  assert.equal(tokenizer.decode([9_999]), "");
});

test("what surrounds a text is the post-processor's, unless the configuration says otherwise", () => {
  const folder = join(import.meta.dirname, "fixtures", "tokenizer-llama");
  const files = ["tokenizer.json", "tokenizer_config.json"].map((file) =>
    JSON.parse(readFileSync(join(folder, file), "utf8")),
  );
  const whole = (more: object) => createTokenizer(files[0], { ...files[1], ...more });
  const plain = whole({});
  const inner = plain.encode("the valley");
  assert.deepEqual(plain.encodeWhole("the valley"), [plain.bosId, ...inner]);
  assert.equal(plain.addBos, true);
  assert.deepEqual(whole({ add_bos_token: false }).encodeWhole("the valley"), inner);
  assert.deepEqual(whole({ add_eos_token: true }).encodeWhole("the valley"), [
    plain.bosId,
    ...inner,
    plain.eosId,
  ]);
});

for (const [what, tokenizer, settings] of [
  ["nothing", null, config],
  ["no model", { added_tokens: [] }, config],
  ["a pre-tokenizer of an unknown kind", { ...tokenizerJson, pre_tokenizer: { type: "Magic" } }, config],
  ["a token that is not there", tokenizerJson, { ...config, eos_token: "<|nowhere|>" }],
  ["a template that is a number", tokenizerJson, { ...config, chat_template: 3 }],
] as const)
  test(`a tokenizer of ${what} is refused`, () => {
    assert.throws(() => createTokenizer(tokenizer, settings), { name: "CheckpointError" });
  });
