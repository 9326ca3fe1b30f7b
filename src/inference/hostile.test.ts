/** What strangers send to a server that goes on: each is refused in OpenAI's shape, or let go of, and a good request is answered after it. */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { bodyBytesMax } from "./body.ts";
import { type Node, openWorld, type World } from "./fixtures/world.ts";

let world: World;
let node: Node;
let server: Awaited<ReturnType<Node["listen"]>>;
const logged: string[] = [];
const sockets = new Set<Socket>();
const bodyMsMax = 400;
const stallMs = 500;
before(async () => {
  world = await openWorld({ maxRows: 2 });
  node = await world.openNode(await world.newFolder(), {
    log: (message) => logged.push(message),
    http: { body: { bytesMax: bodyBytesMax, msMax: bodyMsMax }, stallMs },
  });
  server = await node.listen();
  for (const name of ["error", "info", "log", "warn"] as const)
    console[name] = (...words: unknown[]) => void logged.push(words.map(String).join(" "));
});
after(async () => {
  for (const socket of sockets) socket.destroy();
  await server.close();
  await node.close();
  await world.close();
});

const good = { model: "tests/tiny", messages: [{ role: "user", content: "the mill" }], max_tokens: 3 };
const path = "/v1/chat/completions";

async function post(
  body: string | Uint8Array<ArrayBuffer> | object,
  headers: Record<string, string> = {},
  to = path,
) {
  const response = await fetch(server.url + to, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body),
  });
  // biome-ignore lint/suspicious/noExplicitAny: answers of any shape are picked apart here
  return { status: response.status, body: (await response.json()) as any };
}

async function errorOf(response: Response): Promise<{ code: string }> {
  return ((await response.json()) as { error: { code: string } }).error;
}

async function assertServes() {
  assert.equal((await post(good)).status, 200);
  assert.deepEqual(logged, []);
}

async function openSocket(): Promise<Socket> {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  sockets.add(socket);
  socket.on("error", () => {});
  await new Promise((resolve) => socket.once("connect", resolve));
  return socket;
}

const head = (length: number, to = path) =>
  `POST ${to} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;

function send(socket: Socket, body: object): void {
  const text = JSON.stringify(body);
  socket.write(head(Buffer.byteLength(text)) + text);
}

async function until(what: string, holds: () => boolean | Promise<boolean>, ms = 5_000): Promise<void> {
  const end = Date.now() + ms;
  while (!(await holds())) {
    if (Date.now() > end) assert.fail(`not within ${ms} ms: ${what}`);
    await sleep(2);
  }
}

const running = async () => (await world.openlora.metrics()).scheduler.running;
const bytes = (...parts: (string | number[])[]) =>
  new Uint8Array(Buffer.concat(parts.map((part) => Buffer.from(part as string))));

test("bodies that are no good request are refused with the reason", async () => {
  const message = (content: string) => ({ ...good, messages: [{ role: "user", content }] });
  const schema = (of: object) => ({
    ...good,
    response_format: { type: "json_schema", json_schema: { name: "a", schema: of } },
  });
  for (const [body, status, code] of [
    [message("the mill ".repeat(200)), 400, "context_length_exceeded"],
    [message("x".repeat(100_000)), 400, "context_length_exceeded"],
    [{ ...good, temprature: 1 }, 400, "unknown_parameter"],
    [{ ...good, temperature: "hot" }, 400, "invalid_value"],
    [{ ...good, max_tokens: 1e99 }, 400, "invalid_value"],
    [{ ...good, model: "a\0b" }, 400, "invalid_value"],
    [{ ...good, model: "\ud800" }, 400, "invalid_value"],
    [message("\udfff"), 400, "invalid_value"],
    [
      bytes('{"model":"tests/tiny","messages":[{"role":"user","content":"', [0xc3, 0x28], '"}]}'),
      400,
      "invalid_utf8",
    ],
    [bytes('{"model":"a', [0], '"}'), 400, "invalid_json"],
    ['{"model":"tests/tiny",}', 400, "invalid_json"],
    [`{"model":${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}}`, 400, "invalid_json"],
    ["[".repeat(500_000), 400, "invalid_json"],
    ['{"model":"tests/tiny","model":"valley","messages":[]}', 400, "duplicate_parameter"],
    [
      '{"model":"tests/tiny","messages":[{"role":"user","\\u0072ole":"system","content":"a"}]}',
      400,
      "duplicate_parameter",
    ],
    [`{"model":"${"x".repeat(bodyBytesMax)}"}`, 413, "request_too_large"],
    [schema({ type: "string", pattern: "(" }), 400, "invalid_value"],
    [schema({ type: "array", uniqueItems: true }), 400, "invalid_value"],
    [schema({ $ref: "#/nowhere" }), 400, "invalid_value"],
    [schema({ $ref: "#" }), 400, "invalid_value"],
    [schema({ type: "string", maxLength: 1e9 }), 400, "invalid_value"],
    [schema({ enum: Array.from({ length: 20_000 }, (_, i) => `value ${i}`) }), 400, "invalid_value"],
    [{ ...good, stop: Array.from({ length: 17 }, () => "a") }, 400, "invalid_value"],
    [{ ...good, messages: Array.from({ length: 1_025 }, () => good.messages[0]) }, 400, "invalid_value"],
    [
      { ...good, logit_bias: Object.fromEntries(Array.from({ length: 301 }, (_, i) => [i, 1])) },
      400,
      "invalid_value",
    ],
  ] as const) {
    const { status: actual, body: refused } = await post(body as string);
    const { message: why, type, param } = refused.error;
    assert.deepEqual([actual, refused.error.code], [status, code], why);
    assert.ok(why.length > 20 && type === "invalid_request_error" && param !== undefined, why);
  }
  for (const [headers, status] of [
    [{ "content-type": "text/plain" }, 415],
    [{ "content-type": "application/jsonp" }, 415],
    [{ "content-encoding": "br" }, 415],
    [{ "idempotency-key": "\x80" }, 400],
  ] as const)
    assert.equal((await post(good, headers)).status, status);
  for (const method of ["GET", "PUT", "DELETE"]) {
    const response = await fetch(server.url + path, { method });
    assert.deepEqual([response.status, (await errorOf(response)).code], [405, "method_not_allowed"]);
  }
  for (const place of [
    "/v1/models/%00",
    "/v1/models/a%00b",
    "/v1/models/%ff",
    "/v1/requests/%00",
    "/v1/requests/%ff",
  ]) {
    const response = await fetch(server.url + place);
    assert.equal(response.status, 404, place);
    assert.match((await errorOf(response)).code, /not_found/);
  }
  await assertServes();
});

test("a NUL in a message is a character like any other, paid for or not", async () => {
  const { secret } = await node.newKey();
  for (const model of ["tests/tiny", "valley"]) {
    const { status, body } = await post(
      { ...good, model, messages: [{ role: "user", content: "a\0b" }], user: "\0" },
      { authorization: `Bearer ${secret}` },
    );
    assert.equal(status, 200, JSON.stringify(body));
  }
  await node.inference.drain();
  await assertServes();
});

test("a body that trickles is given up after its time, and one that never ends with its sender", async () => {
  const socket = await openSocket();
  let answer = "";
  socket.on("data", (data) => {
    answer += data;
  });
  const began = Date.now();
  socket.write(head(1_000));
  const drip = setInterval(() => socket.write("{"), 20);
  await until("an answer to the trickle", () => answer.includes("request_timeout"));
  clearInterval(drip);
  assert.match(answer, /^HTTP\/1.1 408 /);
  assert.ok(Date.now() - began >= bodyMsMax - 5 && Date.now() - began < bodyMsMax + 2_000);
  await until("the connection's end", () => socket.closed || socket.destroyed || socket.readableEnded);
  for (let i = 0; i < 20; i++) {
    const leaver = await openSocket();
    leaver.write(`${head(1_000)}{"model":`);
    await sleep(5);
    leaver.destroy();
  }
  await sleep(50);
  await assertServes();
});

test("who leaves frees the row within a step, streamed or not, before it runs or while it does", async () => {
  const long = { ...good, max_tokens: 240, temperature: 1 };
  for (const stream of [true, false])
    for (let seed = 0; seed < 6; seed++) {
      const before = (await world.openlora.metrics()).scheduler;
      const socket = await openSocket();
      send(socket, { ...long, seed, stream });
      if (stream) await new Promise((resolve) => socket.once("data", resolve));
      else
        await until(
          "it runs",
          async () =>
            (await running()) > 0 ||
            (await world.openlora.metrics()).scheduler.outputTokensTotal > before.outputTokensTotal,
        );
      socket.destroy();
      await until("no row is held", async () => (await running()) === 0, 1_000);
      await until("nothing is in flight", async () => (await node.inference.metrics()).inFlight === 0, 1_000);
    }
  const { finishedTotal } = (await world.openlora.metrics()).scheduler;
  assert.ok(finishedTotal.cancelled > 0, "no answer was broken off");
  await assertServes();
});

test("a stream that nobody reads is generated to its end, and dropped when its reader stays away", async () => {
  const place = `${await world.newFolder()}.sock`;
  const local = await node.listenAt(place);
  const lazy = connect(place);
  sockets.add(lazy);
  lazy.pause();
  const answers = (await node.inference.metrics()).answersTotal.free;
  send(lazy, { ...good, max_tokens: 200, n: 16, logprobs: true, top_logprobs: 20, stream: true, seed: 1 });
  await until(
    "all are generated",
    async () => (await node.inference.metrics()).answersTotal.free === answers + 16,
    20_000,
  );
  await until("nothing is in flight", async () => (await node.inference.metrics()).inFlight === 0);
  await sleep(stallMs + 500);
  let received = 0;
  let tail = "";
  lazy.on("data", (data) => {
    received += data.length;
    tail = `${tail}${data}`.slice(-100);
  });
  lazy.resume();
  await until("the connection's end", () => lazy.closed || lazy.readableEnded);
  assert.ok(received > 0 && !tail.includes("[DONE]"), `${received} bytes, to the end`);
  await local.close();
  await assertServes();
});
