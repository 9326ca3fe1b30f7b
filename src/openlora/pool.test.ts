import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { Context } from "hono";
import { adapterShelf, engineSuite, filesOf, first, greedy, second, third } from "./engine-suite.ts";
import {
  type CompletionServerFixture,
  openSharedEngine,
  startCompletionServer,
} from "./fixtures/completion-server.ts";
import { tinyBaseName, writeTinyBase } from "./fixtures/tiny-base.ts";
import { grammarSource } from "./format.ts";
import { type CreateServerPool, createServerPool, OpenLoraError, OverloadedError } from "./index.ts";
import { preferenceOf } from "./pool-routing.ts";

const folder = writeTinyBase();
const scratch = mkdtempSync(join(tmpdir(), "pool-"));
const engine = await openSharedEngine(folder);
const a = await startCompletionServer(engine);
const b = await startCompletionServer(engine);
const servers = [a, b];
const { outputIds: whole, promptIds } = await engine.openLora.generate(greedy);
after(async () => {
  for (const server of servers) await server.stop();
  await engine.openLora.close();
  for (const used of [folder, scratch]) rmSync(used, { recursive: true });
});
afterEach(async () => {
  for (const server of servers) {
    server.behaviour = {};
    await server.stop();
    await server.start();
    for (const list of Object.values(server.asked)) list.length = 0;
  }
});

async function openPool(
  over: readonly CompletionServerFixture[],
  options: CreateServerPool["options"] = {},
  given: Partial<CreateServerPool> = {},
) {
  const { loads, loadAdapter } = adapterShelf();
  const said: string[] = [];
  const pool = await createServerPool({
    servers: over.map(({ url }) => ({ url })),
    adapterFolder: mkdtempSync(join(scratch, "adapters-")),
    baseFolder: folder,
    baseName: tinyBaseName,
    loadAdapter,
    log: (message) => said.push(message),
    ...given,
    options: { rank: 4, ...options },
  });
  return { pool, loads, said };
}

engineSuite("pool of servers", async ({ folder: baseFolder, loadAdapter, options }) => {
  const { pool } = await openPool([a], options, { baseFolder, loadAdapter });
  return pool;
});

/** Waits for what servers' checks bring about. */
async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries++) {
    assert.ok(tries < 300, `never: ${what}`);
    await pause(10);
  }
}

/** The server that the pool prefers for an adapter, and the other one. */
function inOrder(adapter: string): [CompletionServerFixture, CompletionServerFixture] {
  const [best] = preferenceOf(adapter, [a.url, b.url]);
  return best === a.url ? [a, b] : [b, a];
}

test("a server that breaks off before the first token is passed over; one that does later is not", async () => {
  const { pool } = await openPool(servers);
  await using _ = pool;
  for (const server of servers) server.behaviour = {};
  const [own, other] = inOrder(first.digest);
  const request = { ...greedy, adapter: first.digest };
  const expected = (await pool.generate(request)).outputIds;

  own.behaviour = { event: () => "die" };
  const pieces: number[] = [];
  const retried = await pool.generate(request, ({ ids }) => pieces.push(...ids));
  assert.deepEqual(retried.outputIds, expected);
  assert.deepEqual(pieces, expected);
  assert.equal(other.asked.completions.at(-1), first.digest);
  assert.equal((await pool.metrics()).pool?.retriesTotal, 1);

  own.behaviour = { event: (json, n) => (n < 5 ? JSON.stringify(json) : "die") };
  const heard: number[] = [];
  const asked = other.asked.completions.length;
  await assert.rejects(
    pool.generate(request, ({ ids }) => heard.push(...ids)),
    (error: unknown) => {
      assert.ok(error instanceof OpenLoraError);
      assert.equal(error.code, "engine-failed");
      assert.match(error.message, /had 5 tokens; it is not begun again/);
      return true;
    },
  );
  assert.deepEqual(heard, expected.slice(0, 5));
  assert.equal(other.asked.completions.length, asked);
  assert.equal((await pool.metrics()).scheduler.running, 0);
});

test("a restarted server is given its adapter again", async () => {
  const { pool, loads } = await openPool([a]);
  await using _ = pool;
  const request = { ...greedy, adapter: first.digest };
  const { outputIds } = await pool.generate(request);
  await a.stop();
  await a.start();
  assert.equal(a.adapters.size, 0);
  assert.deepEqual((await pool.generate(request)).outputIds, outputIds);
  assert.deepEqual(a.asked.loads.filter((name) => name === first.digest).length, 2);
  assert.deepEqual(loads, [first.digest], "it lies in the adapter folder already");
});

test("a server that is down is put out, others answer, and it comes back when it is well", async () => {
  const { pool, said } = await openPool(servers, { healthIntervalMs: 20, downAfter: 2, upAfter: 2 });
  await using _ = pool;
  const state = async () => (await pool.metrics()).pool?.servers.map(({ up }) => up);
  await a.stop();
  assert.deepEqual((await pool.generate(greedy)).outputIds, whole);
  await until("out", async () => (await state())?.[0] === false);
  const asked = b.asked.completions.length;
  await Promise.all(Array.from({ length: 4 }, () => pool.generate(greedy)));
  assert.equal(b.asked.completions.length, asked + 4);
  await b.stop();
  await until("all out", async () => (await state())?.every((up) => !up) === true);
  await assert.rejects(pool.generate(greedy), (error) => error instanceof OverloadedError);
  await a.start();
  await until("in again", async () => (await state())?.[0] === true);
  assert.deepEqual((await pool.generate(greedy)).outputIds, whole);
  assert.ok(said.some((line) => line.startsWith("Out: ") && line.includes(a.url)));
});

test("a server that comes back as something else stays out", async () => {
  const { pool, said } = await openPool(servers, { healthIntervalMs: 20, downAfter: 1, upAfter: 1 });
  await using _ = pool;
  await a.stop();
  await until("out", async () => (await pool.metrics()).pool?.servers[0]?.up === false);
  a.behaviour = { event: (json) => JSON.stringify(json).replace(/,?"token_ids":\[[^\]]*\]/, "") };
  await a.start();
  await until("refused", () => said.some((line) => /does not return the ids of tokens/.test(line)));
  assert.equal((await pool.metrics()).pool?.servers[0]?.up, false);
});

test("what waits is refused when the last server goes", async () => {
  const { pool } = await openPool([a], { maxRows: 1, healthIntervalMs: 20, downAfter: 1 });
  await using _ = pool;
  a.behaviour = { completion: () => new Promise(() => {}), health: () => 500 };
  const controller = new AbortController();
  const running = pool.generate({ ...greedy, signal: controller.signal });
  await assert.rejects(pool.generate(greedy), (error) => error instanceof OverloadedError);
  controller.abort();
  assert.equal((await running).finishReason, "cancelled");
});

test("an adapter stays with its server until that one is too busy", async () => {
  const { pool, loads } = await openPool(servers, { spillRows: 2, maxRows: 8 });
  await using _ = pool;
  const adapters = [first, second, third].map(({ digest }) => digest);
  for (let round = 0; round < 4; round++)
    for (const adapter of adapters) await pool.generate({ ...greedy, maxTokens: 2, adapter });
  for (const adapter of adapters) {
    const [own, other] = inOrder(adapter);
    assert.equal(own.asked.completions.filter((name) => name === adapter).length, 4);
    assert.equal(other.asked.completions.filter((name) => name === adapter).length, 0);
    assert.equal(own.asked.loads.filter((name) => name === adapter).length, 1);
  }
  const [own, other] = inOrder(first.digest);
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => pool.generate({ ...greedy, adapter: first.digest })),
  );
  assert.equal(new Set(answers.map(({ outputIds }) => outputIds.join())).size, 1);
  const spilt = other.asked.completions.filter((name) => name === first.digest).length;
  assert.ok(spilt >= 3 && spilt <= 4, `${spilt} of 8 went to the other server`);
  assert.equal(own.asked.completions.filter((name) => name === first.digest).length, 12 - spilt);
  assert.deepEqual(loads, adapters);
});

test("beyond its slots a server is told to unload what was unused longest", async () => {
  const { pool } = await openPool([a], { slots: 2 });
  await using _ = pool;
  for (const { digest } of [first, second, first, third, first, second])
    await pool.generate({ ...greedy, maxTokens: 2, adapter: digest });
  assert.deepEqual(a.asked.unloads, [second.digest, third.digest]);
  assert.deepEqual([...a.adapters.keys()].sort(), [first.digest, second.digest].sort());
  const { adapters } = await pool.metrics();
  assert.deepEqual([adapters.memoryEvictionsTotal, adapters.memoryAdapters], [2, 2]);
  await pool.pin(first.digest);
  await assert.rejects(pool.pin(second.digest), { code: "invalid-request", message: /unpin one/ });
});

test("pinned adapters leave room for others; a pool makes no vectors", async () => {
  const { pool } = await openPool([a], { slots: 2 });
  await using _ = pool;
  await pool.pin(first.digest);
  await assert.rejects(pool.pin(second.digest), { code: "invalid-request", details: { slots: 2 } });
  for (const { digest } of [second, third]) await pool.generate({ ...greedy, maxTokens: 2, adapter: digest });
  assert.deepEqual(a.asked.unloads, [second.digest]);
  assert.equal(pool.info().embeddings, false);
  await assert.rejects(pool.embed({ prompts: ["the river"] }), { code: "invalid-request" });
});

test("a pool opened again uses what its servers have loaded", async () => {
  const adapterFolder = mkdtempSync(join(scratch, "kept-"));
  const one = await openPool([a], {}, { adapterFolder });
  await one.pool.generate({ ...greedy, adapter: first.digest });
  await one.pool.close();
  assert.deepEqual(readdirSync(adapterFolder), [first.digest]);
  const two = await openPool([a], {}, { adapterFolder });
  await using _ = two.pool;
  await two.pool.generate({ ...greedy, adapter: first.digest });
  assert.deepEqual(two.loads, []);
  assert.equal(a.asked.loads.filter((name) => name === first.digest).length, 1);
  // Under another folder it is told where the adapter lies now.
  const three = await openPool([a]);
  await three.pool.generate({ ...greedy, adapter: first.digest });
  await three.pool.close();
  assert.ok(!a.adapters.get(first.digest)?.path.startsWith(adapterFolder));
});

test("a damaged adapter never reaches a server or its folder", async () => {
  const damaged = new Uint8Array(filesOf.get(first.digest)?.tensors as Uint8Array);
  damaged[damaged.length - 1] = (damaged.at(-1) as number) ^ 1;
  const adapterFolder = mkdtempSync(join(scratch, "damaged-"));
  const { pool } = await openPool(
    [a],
    {},
    {
      adapterFolder,
      loadAdapter: async () => ({ config: first.files.config, tensors: damaged }),
    },
  );
  await using _ = pool;
  await assert.rejects(pool.generate({ ...greedy, adapter: first.digest }), {
    code: "adapter-refused",
    message: new RegExp(`${first.digest}.*damaged`),
  });
  assert.ok(!a.asked.loads.includes(first.digest));
  assert.ok(!existsSync(join(adapterFolder, first.digest)));
});

test("an adapter that one server cannot load is tried on the other, and refused when none can", async () => {
  const { pool } = await openPool(servers);
  await using _ = pool;
  const [own, other] = inOrder(first.digest);
  const load = () => Response.json({ error: { message: "LoRA rank 4 is too large" } }, { status: 500 });
  own.behaviour = { load };
  await pool.generate({ ...greedy, adapter: first.digest });
  assert.equal(other.adapters.has(first.digest), true);
  other.behaviour = { load };
  const [, third_] = [second, third];
  await assert.rejects(pool.generate({ ...greedy, adapter: third_.digest }), {
    code: "adapter-unavailable",
    message: /LoRA rank 4 is too large/,
    details: { adapter: third_.digest },
  });
  assert.ok((await pool.metrics()).pool?.servers.every(({ up }) => up));
});

test("a server without room is given a rest, and the asker hears when to come back", async () => {
  const { pool } = await openPool(servers);
  await using _ = pool;
  const full = () =>
    Response.json(
      { error: { message: "too many requests" } },
      { status: 503, headers: { "retry-after": "7" } },
    );
  a.behaviour = { completion: full };
  const answers = await Promise.all(Array.from({ length: 4 }, () => pool.generate(greedy)));
  for (const { outputIds } of answers) assert.deepEqual(outputIds, whole);
  b.behaviour = { completion: full };
  await assert.rejects(pool.generate(greedy), (error: unknown) => {
    assert.ok(error instanceof OverloadedError);
    assert.equal(error.retryAfterMs, 7_000);
    return true;
  });
  const { pool: metrics } = await pool.metrics();
  assert.ok(metrics?.servers.every(({ up, busyTotal }) => up && busyTotal > 0));
});

test("leaving ends the request at the server", async () => {
  const { pool } = await openPool([a]);
  await using _ = pool;
  const before = a.aborted;
  a.behaviour = { event: async (json) => pause(5, JSON.stringify(json)) };
  const controller = new AbortController();
  const answer = await pool.generate({ ...greedy, maxTokens: 200, signal: controller.signal }, () =>
    controller.abort(),
  );
  assert.equal(answer.finishReason, "cancelled");
  assert.equal(answer.outputIds.length, 1);
  await until("the server noticed", () => a.aborted === before + 1);
  const late = await pool.generate({ ...greedy, maxTokens: 200, deadlineAtMs: Date.now() + 60 });
  assert.equal(late.cancelledBy, "deadline");
  assert.ok(late.outputIds.length > 0 && late.outputIds.length < 200);
  await until("the server noticed again", () => a.aborted === before + 2);
});

test("a server that sends nothing for too long is passed over", async () => {
  const { pool } = await openPool([a, b], { stallTimeoutMs: 1_000 });
  await using _ = pool;
  a.behaviour = { event: () => "drop", completion: () => new Promise(() => {}) };
  const answers = await Promise.all([pool.generate(greedy), pool.generate(greedy)]);
  for (const { outputIds } of answers) assert.deepEqual(outputIds, whole);
});

const stream = (...parts: string[]) =>
  new Response(parts.join(""), { headers: { "content-type": "text/event-stream" } });
const event = (choice: object) => `data: ${JSON.stringify({ choices: [choice] })}\n\n`;

const lies: [what: string, answer: () => Response, message: RegExp][] = [
  [
    "tokens that do not exist",
    () => stream(event({ prompt_token_ids: promptIds, token_ids: [9_999] })),
    /token 9999/,
  ],
  ["no ids", () => stream(event({ prompt_token_ids: promptIds, text: "hello" })), /does not return the ids/],
  [
    "another prompt",
    () => stream(event({ prompt_token_ids: [1, 2], token_ids: [5] })),
    /answers another prompt/,
  ],
  [
    "fractions",
    () => stream(event({ prompt_token_ids: promptIds, token_ids: [1.5] })),
    /is not what it should be/,
  ],
  ["no JSON", () => stream("data: {{{{\n\n"), /is not what it should be/],
  ["no events", () => stream("<html>".repeat(10)), /without the end-of-text token/],
  [
    "an early end",
    () => stream(event({ prompt_token_ids: promptIds, token_ids: [], finish_reason: "stop" })),
    /ended its answer \("stop"\) after 0/,
  ],
  [
    "an error",
    () => stream('data: {"error":{"message":"the engine\\u001b[31m died"}}\n\n'),
    /broke off with "the engine \[31m died"/,
  ],
  ["an endless event", () => stream(`data: ${"x".repeat(300_000)}`), /an event of more than/],
  [
    "comments without end",
    () =>
      new Response(
        new ReadableStream({
          pull: (to) => to.enqueue(new TextEncoder().encode(`: ${"x".repeat(8_000)}\n`)),
        }),
      ),
    /more than \d+ bytes/,
  ],
  ["no UTF-8", () => new Response(new Uint8Array([0x64, 0xff, 0xfe, 0x0a])), /not UTF-8/],
  ["a redirect", () => Response.redirect("http://169.254.169.254/latest/", 307), /redirects elsewhere/],
  [
    "an error page",
    () => new Response(`<h1>${"Bad gateway ".repeat(9_000)}`, { status: 502 }),
    /sent more than|answered 502/,
  ],
];
for (const [what, answer, message] of lies)
  test(`a server that sends ${what} is not believed`, async () => {
    const { pool } = await openPool([a]);
    await using _ = pool;
    a.behaviour = { completion: answer };
    await assert.rejects(pool.generate(greedy), { code: "engine-failed", message });
    a.behaviour = {};
    assert.deepEqual((await pool.generate(greedy)).outputIds, whole);
  });

test("a request that servers break on puts none of them out; a server that breaks on everything goes", async () => {
  const { pool } = await openPool(servers, { healthIntervalMs: 20, downAfter: 2, upAfter: 1 });
  await using _ = pool;
  const up = async () => (await pool.metrics()).pool?.servers.map((server) => server.up);
  const broken = () => Response.json({ error: { message: "CUDA error" } }, { status: 500 });
  const poison = {
    completion: async (context: Context) => {
      const { min_p } = await context.req.json();
      return min_p === 0.5 ? broken() : undefined;
    },
  };
  for (const server of servers) server.behaviour = poison;
  for (let i = 0; i < 3; i++)
    await assert.rejects(pool.generate({ ...greedy, minP: 0.5 }), {
      code: "engine-failed",
      message: /"CUDA error"/,
    });
  await pause(100);
  assert.deepEqual(await up(), [true, true]);
  assert.deepEqual((await pool.generate(greedy)).outputIds, whole);
  a.behaviour = { completion: broken };
  const answers = await Promise.all(Array.from({ length: 4 }, () => pool.generate(greedy)));
  for (const { outputIds } of answers) assert.deepEqual(outputIds, whole);
  await until("out", async () => (await up())?.[0] === false);
  a.behaviour = {};
  await until("in again", async () => (await up())?.[0] === true);
});

test("what a server calls a wrong request is not asked of another", async () => {
  const { pool } = await openPool(servers);
  await using _ = pool;
  for (const server of servers)
    server.behaviour = {
      completion: () => Response.json({ error: { message: "min_p is not served" } }, { status: 400 }),
    };
  const asked = () => a.asked.completions.length + b.asked.completions.length;
  const before = asked();
  await assert.rejects(pool.generate({ ...greedy, minP: 0.1 }), {
    code: "invalid-request",
    message: /"min_p is not served"/,
  });
  assert.equal(asked(), before + 1);
});

test("sampling and format are said in vLLM's words", async () => {
  const { pool } = await openPool([a]);
  await using _ = pool;
  const bodies: Record<string, unknown>[] = [];
  a.behaviour = {
    completion: async (context) => {
      bodies.push(await context.req.json());
      const { eosId } = pool.info();
      const logprobs = { tokens: [`token_id:${eosId}`], token_logprobs: [-1], top_logprobs: [{}] };
      return stream(event({ prompt_token_ids: promptIds, token_ids: [eosId], logprobs }));
    },
  };
  await pool.generate({
    ...greedy,
    temperature: 0.7,
    topP: 0.9,
    topK: 40,
    minP: 0.05,
    frequencyPenalty: 0.1,
    presencePenalty: 0.2,
    repetitionPenalty: 1.1,
    logitBias: { 5: -100 },
    seed: 3,
    logprobs: 2,
    format: { type: "json" },
  });
  assert.deepEqual(bodies[0], {
    model: tinyBaseName,
    prompt: promptIds,
    max_tokens: 24,
    stream: true,
    return_token_ids: true,
    ignore_eos: true,
    stop_token_ids: [pool.info().eosId],
    seed: 3,
    temperature: 0.7,
    top_p: 0.9,
    top_k: 40,
    min_p: 0.05,
    frequency_penalty: 0.1,
    presence_penalty: 0.2,
    repetition_penalty: 1.1,
    logit_bias: { 5: -100 },
    logprobs: 2,
    return_tokens_as_token_ids: true,
    structured_outputs: { grammar: grammarSource({ type: "json" }).text },
  });
});

test("a pool does not open over servers that cannot serve it, and says what they lack", async () => {
  const opening = (over: CompletionServerFixture[], given: Partial<CreateServerPool> = {}) =>
    openPool(over, {}, given).then(async ({ pool }) => pool.close());
  a.behaviour = { event: (json) => JSON.stringify(json).replace(/,?"token_ids":\[[^\]]*\]/, "") };
  await assert.rejects(opening(servers), { code: "engine-failed", message: /return_token_ids/ });
  a.behaviour = { load: () => undefined };
  await assert.rejects(opening([a], { servers: [{ url: a.url, model: "other" }] }), {
    message: /serves no model "other", but "tests\/tiny"/,
  });
  await assert.rejects(opening([], { servers: [{ url: "http://127.0.0.1:9" }] }), {
    message: /None of the pool's servers answers/,
  });
  for (const url of [
    "file:///etc/passwd",
    "http://me:secret@host",
    "http://host/v1",
    "http://host/?q",
    "host",
  ])
    await assert.rejects(opening([], { servers: [{ url }] }), { code: "invalid-request", message: /url/ });
  await assert.rejects(opening([a, a]), { message: /every server once/ });
});

test("a key is sent to its server, and a wrong one is said", async () => {
  const guarded = await startCompletionServer(engine, { apiKey: "s3cret" });
  const open = (apiKey: string) => openPool([], {}, { servers: [{ url: guarded.url, apiKey }] });
  await assert.rejects(open("wrong"), (error: Error) => {
    assert.match(error.message, /401/);
    assert.ok(!error.message.includes("wrong"));
    return true;
  });
  const { pool } = await open("s3cret");
  assert.deepEqual((await pool.generate(greedy)).outputIds, whole);
  await pool.close();
  await guarded.stop();
});
