import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { formatVoucher, openChannel } from "../payments/index.ts";
import { domain, signVoucher, toHex } from "../protocol/index.ts";
import { bodyBytesMax } from "./body.ts";
import { ann, ben, type Node, open, openWorld, operator, price, type World } from "./fixtures/world.ts";
import { inferenceRoutes } from "./routes.ts";

let world: World;
let node: Node;
let key: string;
before(async () => {
  world = await openWorld({ maxRows: 1, maxQueue: 1, adapterMemoryBytes: 0 });
  node = await world.openNode(await world.newFolder());
  key = (await node.newKey()).secret;
});
after(async () => {
  await node.close();
  await world.close();
});

// biome-ignore lint/suspicious/noExplicitAny: answers of any shape are picked apart here
type Answer = { status: number; body: any; headers: Headers };

async function post(
  path: string,
  body: object | string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await node.fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}`, ...headers },
    body: typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body),
  });
  return { status: response.status, body: await response.json(), headers: response.headers };
}

async function get(path: string): Promise<Answer> {
  const response = await node.fetch(path);
  return { status: response.status, body: await response.json(), headers: response.headers };
}

const chat = "/v1/chat/completions";
const messages = [{ role: "user", content: "the mill" }];
const good = { model: "valley", messages, max_tokens: 3 };
const voucherDomain = () =>
  domain(world.client(ann).chain.id, toHex(world.contracts.PaymentChannels.address));

test("what would be ignored or misread is refused with 400, in OpenAI's shape, naming the parameter", async () => {
  const cases: [object, string, string | null][] = [
    [{ ...good, n: 17 }, "invalid_value", "n"],
    [{ ...good, n: 0 }, "invalid_value", "n"],
    [{ ...good, best_of: 2 }, "unsupported_parameter", "best_of"],
    [{ ...good, modalities: ["audio"] }, "unsupported_parameter", "modalities"],
    [{ ...good, functions: [{ name: "f" }] }, "unsupported_parameter", "functions"],
    [{ ...good, tools: [{ type: "function", function: { name: "f" } }] }, "unsupported_parameter", "tools"],
    [
      { ...good, tools: [{ type: "function", function: { name: "a b" } }] },
      "invalid_value",
      "tools[0].function.name",
    ],
    [{ ...good, tools: [{ type: "code" }] }, "invalid_value", "tools[0].type"],
    [{ ...good, tool_choice: "required" }, "invalid_value", "tool_choice"],
    [{ ...good, tool_choice: { type: "function", function: { name: "f" } } }, "invalid_value", "tool_choice"],
    [{ ...good, response_format: { type: "xml" } }, "invalid_value", "response_format.type"],
    [
      { ...good, response_format: { type: "json_schema", json_schema: { name: "a" } } },
      "missing_required_parameter",
      "response_format.json_schema.schema",
    ],
    [{ ...good, logit_bias: { the: 1 } }, "invalid_value", "logit_bias.the"],
    [{ ...good, logit_bias: { 5: 101 } }, "invalid_value", "logit_bias.5"],
    [{ ...good, top_logprobs: 2 }, "invalid_value", "top_logprobs"],
    [{ ...good, logprobs: true, top_logprobs: 21 }, "invalid_value", "top_logprobs"],
    [{ ...good, logprobs: 2 }, "invalid_value", "logprobs"],
    [{ ...good, presence_penalty: 3 }, "invalid_value", "presence_penalty"],
    [{ ...good, top_k: -2 }, "invalid_value", "top_k"],
    [{ ...good, min_p: 1.5 }, "invalid_value", "min_p"],
    [{ ...good, repetition_penalty: 0 }, "invalid_value", "repetition_penalty"],
    [{ ...good, seed: Number.MAX_SAFE_INTEGER }, "invalid_value", "seed"],
    [{ ...good, model: "a\0b" }, "invalid_value", "model"],
    [
      {
        ...good,
        messages: [
          { role: "user", content: "a" },
          { role: "tool", tool_call_id: "x", content: "b" },
        ],
      },
      "unsupported_parameter",
      "messages",
    ],
    [{ ...good, zest: 1 }, "unknown_parameter", "zest"],
    [{ ...good, openledger: { attributions: false } }, "unknown_parameter", "openledger.attributions"],
    [{ model: "valley" }, "missing_required_parameter", "messages"],
    [{ messages }, "missing_required_parameter", "model"],
    [{ ...good, messages: [] }, "invalid_value", "messages"],
    [{ ...good, messages: [{ role: "robot", content: "a" }] }, "invalid_value", "messages[0].role"],
    [{ ...good, messages: [{ role: "user" }] }, "missing_required_parameter", "messages[0].content"],
    [{ ...good, messages: [{ role: "user", content: null }] }, "invalid_value", "messages[0].content"],
    [
      { ...good, messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] }] },
      "invalid_value",
      "messages[0].content",
    ],
    [
      { ...good, messages: [{ role: "user", content: "a", name: "Bo" }] },
      "unsupported_parameter",
      "messages[0].name",
    ],
    [{ ...good, messages: [{ role: "user", content: "\ud800" }] }, "invalid_value", "messages[0].content"],
    [{ ...good, temperature: 3 }, "invalid_value", "temperature"],
    [{ ...good, top_p: 0 }, "invalid_value", "top_p"],
    [{ ...good, max_tokens: 0 }, "invalid_value", "max_tokens"],
    [{ ...good, max_completion_tokens: 4 }, "invalid_value", "max_tokens"],
    [{ ...good, seed: -1 }, "invalid_value", "seed"],
    [{ ...good, stop: [""] }, "invalid_value", "stop[0]"],
    [{ ...good, stream: "yes" }, "invalid_value", "stream"],
    [{ ...good, stream_options: { include_usage: true } }, "invalid_value", "stream_options"],
  ];
  for (const [body, code, param] of cases) {
    const answer = await post(chat, body);
    const { error } = answer.body;
    assert.deepEqual(
      [answer.status, error.type, error.code, error.param],
      [400, "invalid_request_error", code, param],
      error.message,
    );
    assert.ok(error.message.length > 20);
  }
  for (const [prompt, code] of [
    [[1, 272], "invalid_prompt"],
    [[], "invalid_value"],
    [[1, -1], "invalid_value"],
    [["a", 1], "invalid_value"],
    [Array.from({ length: 17 }, () => "a"), "invalid_value"],
  ] as const) {
    const answer = await post("/v1/completions", { model: "valley", prompt });
    assert.deepEqual([answer.status, answer.body.error.code], [400, code], answer.body.error.message);
  }
  const many = await post("/v1/completions", { model: "valley", prompt: ["a", "b", "c"], n: 6 });
  assert.deepEqual([many.status, many.body.error.param], [400, "n"], many.body.error.message);
  const header = await post(chat, good, { "openledger-attribution": "no" });
  assert.deepEqual([header.status, header.body.error.param], [400, "openledger-attribution"]);
  assert.equal((await post(chat, good, { "idempotency-key": "x".repeat(256) })).status, 400);
});

test("parameters that change nothing are accepted, as OpenAI's clients send them", async () => {
  const sent = {
    ...good,
    n: 1,
    tools: [],
    logit_bias: null,
    response_format: { type: "text" },
    presence_penalty: 0,
    store: false,
    metadata: { a: "b" },
    user: "somebody",
    stop: null,
    seed: null,
    max_completion_tokens: 3,
    messages: [
      {
        role: "developer",
        content: [
          { type: "text", text: "be " },
          { type: "text", text: "brief" },
        ],
      },
      { role: "user", content: "the mill", name: null },
    ],
  };
  const answer = await post(chat, sent);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  const plain = { ...good, temperature: 0, messages: [{ role: "system", content: "be brief" }, messages[0]] };
  const [same, other] = [await post(chat, { ...sent, temperature: 0 }), await post(chat, plain)];
  assert.equal(same.body.choices[0].message.content, other.body.choices[0].message.content);
});

test("bodies: too large, not JSON, not UTF-8, not sent as JSON, not an object", async () => {
  const bytes = (...parts: number[]) => Uint8Array.from(parts);
  for (const [body, status, code, headers] of [
    ["{", 400, "invalid_json", {}],
    ["", 400, "invalid_json", {}],
    ["[1]", 400, "invalid_json", {}],
    ["null", 400, "invalid_json", {}],
    [bytes(0x7b, 0xff, 0x7d), 400, "invalid_utf8", {}],
    [bytes(0xef, 0xbb, 0xbf, 0x7b, 0x7d), 400, "invalid_json", {}],
    ["{}", 415, "unsupported_media_type", { "content-type": "text/plain" }],
    ["{}", 415, "unsupported_media_type", { "content-encoding": "gzip" }],
    [`{"model":"${"x".repeat(bodyBytesMax)}"}`, 413, "request_too_large", {}],
  ] as const) {
    const answer = await post(chat, body as string, headers);
    assert.deepEqual([answer.status, answer.body.error.code], [status, code]);
  }
});

test("an unknown model is 404 model_not_found, wherever it is asked for", async () => {
  for (const answer of [
    await post(chat, { ...good, model: "nothing" }),
    await post("/v1/completions", { model: `0x${"00".repeat(32)}`, prompt: "a" }),
    await get("/v1/models/nothing"),
    await get("/v1/models/no/such"),
    await get("/v1/models/%zz/%"),
  ]) {
    assert.deepEqual(
      [answer.status, answer.body.error.code, answer.body.error.param],
      [404, "model_not_found", "model"],
    );
  }
  const request = await get("/v1/requests/req_1");
  assert.deepEqual([request.status, request.body.error.code], [404, "request_not_found"]);
});

test("models are listed with their parent and price, and found by name and release id", async () => {
  const { body } = await get("/v1/models");
  assert.equal(body.object, "list");
  // biome-ignore lint/suspicious/noExplicitAny: as above
  const [base, valley] = body.data as any[];
  assert.deepEqual([base.id, base.parent, base.openledger.release], ["tests/tiny", null, null]);
  const { id, manifest } = world.release.served;
  assert.deepEqual(
    [
      valley.id,
      valley.parent,
      valley.owned_by,
      valley.openledger.release,
      valley.openledger.completion_wei_per_token,
    ],
    ["valley", "tests/tiny", manifest.developer, id, price.completionWeiPerToken],
  );
  assert.deepEqual((await get("/v1/models/valley")).body, valley);
  assert.deepEqual((await get(`/v1/models/${id}`)).body, { ...valley, id });
  assert.deepEqual((await get("/v1/models/tests/tiny")).body, base);
  assert.deepEqual((await get("/v1/models/tests%2Ftiny")).body, base);
  const asked = await post(chat, { ...good, model: id });
  assert.deepEqual([asked.status, asked.body.model, asked.body.openledger.release], [200, id, id]);
});

test("requests that are not paid for get 402, and nothing is generated", async () => {
  const { channelId } = await openChannel(world.client(ben), world.contracts, {
    payee: toHex(operator.address),
    depositWei: open,
  });
  const before = (await world.openlora.metrics()).scheduler;
  const voucher = async (by: typeof ann, cumulative: bigint) =>
    formatVoucher({
      channelId,
      cumulative,
      signature: await signVoucher(voucherDomain(), { channelId, cumulative }, by),
    });
  for (const [headers, code] of [
    [{ authorization: "" }, "no_payment"],
    [{ authorization: "Bearer sk-nonsense" }, "unknown_key"],
    [{ authorization: `Bearer sk-ol-${randomBytes(32).toString("base64url")}` }, "unknown_key"],
    [{ "openledger-voucher": "rubbish" }, "malformed_voucher"],
    [{ "openledger-voucher": await voucher(ann, open) }, "forged_voucher"],
    [{ "openledger-voucher": await voucher(ben, 2n * open) }, "overspent"],
    [{ "openledger-voucher": await voucher(ben, 1n) }, "overspent"],
  ] as const) {
    for (const stream of [false, true]) {
      const answer = await post(chat, { ...good, stream }, headers);
      assert.deepEqual(
        [answer.status, answer.body.error.type, answer.body.error.code],
        [402, "payment_required", code],
      );
    }
  }
  const after_ = (await world.openlora.metrics()).scheduler;
  assert.deepEqual(
    [after_.outputTokensTotal, after_.promptTokensTotal],
    [before.outputTokensTotal, before.promptTokensTotal],
  );

  const enough = await voucher(ben, BigInt(price.completionWeiPerToken) * 100n);
  const paid = await post(chat, good, { "openledger-voucher": enough, authorization: "Bearer not-needed" });
  assert.equal(paid.status, 200, JSON.stringify(paid.body));
  await node.inference.drain();
  const { receipt } = (await node.bundles()).at(-1) as Awaited<ReturnType<Node["bundles"]>>[number];
  assert.deepEqual(
    [receipt.channelId, (receipt.to - receipt.from).toString()],
    [channelId, paid.body.openledger.fee_wei],
  );
});

test("beyond the queue it is 429 with Retry-After, streamed or not, and the reservation is given back", async () => {
  const { secret, channelId } = await node.newKey();
  const headers = { authorization: `Bearer ${secret}` };
  const busy = world.occupy(1);
  for (const stream of [false, true]) {
    const answer = await post(chat, { ...good, stream }, headers);
    assert.deepEqual([answer.status, answer.body.error.code], [429, "rate_limit_exceeded"]);
    assert.ok(
      Number(answer.headers.get("retry-after")) >= 1 && Number(answer.headers.get("retry-after-ms")) > 0,
    );
  }
  await busy.end();
  assert.equal((await post(chat, good, headers)).status, 200);
  await node.inference.drain();
  const channel = await node.payments.channel(channelId);
  assert.equal(channel?.reserved, 0n);
  const { refusedTotal } = await node.inference.metrics();
  assert.equal(refusedTotal.rate_limit_exceeded, 2);
});

test("an answer that does not begin in time is 504, and too many at once 429; neither costs anything", async () => {
  const other = await world.openNode(await world.newFolder(), { answerMsMax: 300, inFlightMax: 1 });
  const { secret, channelId } = await other.newKey();
  const send = () =>
    other.fetch(chat, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${secret}` },
      body: JSON.stringify(good),
    });
  const busy = world.occupy(0);
  const answers = await Promise.all([send(), send()]);
  assert.deepEqual(answers.map(({ status }) => status).sort(), [429, 504]);
  await busy.end();
  const channel = await other.payments.channel(channelId);
  assert.deepEqual([channel?.charged, channel?.reserved], [0n, 0n]);
  const { refusedTotal } = await other.inference.metrics();
  assert.deepEqual(refusedTotal, { rate_limit_exceeded: 1, timeout: 1 });
  await other.close();
});

test("the OpenAPI document describes every route, its bodies and its headers", () => {
  const app = inferenceRoutes(node.inference, { guard: (_, next) => next() });
  const document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: { title: "OpenLedger", version: "1" },
  });
  assert.deepEqual(Object.keys(document.paths ?? {}).sort(), [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/load_lora_adapter",
    "/v1/models",
    "/v1/models/{model}",
    "/v1/pin_lora_adapter",
    "/v1/requests/{id}",
    "/v1/unload_lora_adapter",
    "/v1/unpin_lora_adapter",
  ]);
  const text = JSON.stringify(document.paths?.["/v1/chat/completions"]?.post);
  for (const word of [
    "messages",
    "max_completion_tokens",
    "idempotency-key",
    "openledger-voucher",
    "text/event-stream",
  ])
    assert.ok(text.includes(word), word);
});
