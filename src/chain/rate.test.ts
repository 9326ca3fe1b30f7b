import assert from "node:assert/strict";
import { test } from "node:test";
import { createRateLimiter } from "./rate.ts";
import { createRpcHandler } from "./rpc-handler.ts";

test("a client has its burst, then its rate, and is told when to come back", () => {
  let nowMs = 0;
  const limiter = createRateLimiter({ perSecond: 10, burst: 20 }, () => nowMs);
  assert.equal(limiter.take("203.0.113.1", 15), 0);
  assert.equal(limiter.take("203.0.113.1", 15), 1_000);
  assert.equal(limiter.take("203.0.113.1", 5), 0);
  assert.equal(limiter.take("203.0.113.2", 20), 0);
  nowMs = 999;
  assert.equal(limiter.take("203.0.113.1", 10), 1);
  nowMs = 1_000;
  assert.equal(limiter.take("203.0.113.1", 10), 0);
  nowMs = 100_000;
  assert.equal(limiter.take("203.0.113.1", 100), 0, "more than a burst, once the whole burst is there");
  assert.equal(limiter.take("203.0.113.1", 1), 100);
});

test("an IPv6 subscriber has one allowance, an IPv4 address one in both spellings, this machine none, and 0 means no limit", () => {
  const limiter = createRateLimiter({ perSecond: 1, burst: 1 }, () => 0);
  assert.equal(limiter.take("2001:db8:0:7::1", 1), 0);
  assert.notEqual(limiter.take("2001:db8::7:aaaa:1:2:3", 1), 0);
  assert.equal(limiter.take("2001:db8:0:8::1", 1), 0);
  assert.equal(limiter.take("198.51.100.7", 1), 0);
  assert.notEqual(limiter.take("::ffff:198.51.100.7", 1), 0);
  for (const local of ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
    for (let i = 0; i < 5; i++) assert.equal(limiter.take(local, 1), 0);
  const none = createRateLimiter({ perSecond: 0, burst: 0 });
  assert.equal(none.take("203.0.113.1", 1_000), 0);
});

test("every request of a batch counts, and the refusal teaches", async () => {
  const handler = createRpcHandler({ request: async () => "0x1" }, { rate: { perSecond: 5, burst: 10 } });
  const batch = (n: number) =>
    JSON.stringify(Array.from({ length: n }, (_, id) => ({ jsonrpc: "2.0", id, method: "eth_chainId" })));
  const caller = { address: "203.0.113.1" };
  assert.equal((await handler.handle(batch(10), caller)).retryAfterMs, undefined);
  const { text, retryAfterMs } = await handler.handle(batch(3), caller);
  assert.ok(retryAfterMs! > 500 && retryAfterMs! <= 600);
  assert.match(
    text!,
    /too many requests from 203\.0\.113\.1: 5 a second and 10 at once.*ask again in \d+ ms/,
  );
  assert.equal((await handler.handle(batch(100), { address: undefined })).retryAfterMs, undefined);
});

test("the answers to one body have a limit together, and none is broken off in the middle", async () => {
  const handler = createRpcHandler({ request: async () => "x".repeat(5 * 1024 * 1024) });
  const body = Array.from({ length: 6 }, (_, id) => ({ jsonrpc: "2.0", id, method: "web3_clientVersion" }));
  const { text } = await handler.handle(JSON.stringify(body), { address: undefined });
  const answers = JSON.parse(text!) as { result?: string; error?: { code: number; message: string } }[];
  assert.deepEqual(
    answers.map(({ error }) => error?.code),
    [undefined, undefined, undefined, -32005, -32005, -32005],
  );
  assert.match(answers[5]!.error!.message, /16777216 bytes together: ask for less/);
});
