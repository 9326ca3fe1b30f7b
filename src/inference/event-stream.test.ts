import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createEventStream } from "./event-stream.ts";

const decode = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

test("events are read in order, those before the reader and those after, and then it ends", async () => {
  let left = 0;
  const stream = createEventStream(() => left++);
  stream.send({ a: 1 });
  stream.send({ a: 2 });
  const reader = stream.readable.getReader();
  assert.equal(decode((await reader.read()).value), 'data: {"a":1}\n\n');
  assert.equal(decode((await reader.read()).value), 'data: {"a":2}\n\n');
  const next = reader.read();
  stream.send({ a: 3 });
  assert.equal(decode((await next).value), 'data: {"a":3}\n\n');
  const last = reader.read();
  stream.end("[DONE]");
  assert.equal(decode((await last).value), "data: [DONE]\n\n");
  assert.deepEqual([(await reader.read()).done, left], [true, 0]);
});

test("a reader that takes nothing is given up, and what waits is dropped; one that takes a little is not", async () => {
  let left = 0;
  const stalled = createEventStream(() => left++, 60);
  for (let i = 0; i < 1_000; i++) stalled.send({ text: "x".repeat(100) });
  assert.ok(stalled.waitingBytes > 100_000);
  await sleep(150);
  assert.deepEqual([left, stalled.waitingBytes], [1, 0]);
  stalled.send({ text: "more" });
  assert.equal(stalled.waitingBytes, 0);
  stalled.end("[DONE]");
  assert.equal((await stalled.readable.getReader().read()).done, true);

  const slow = createEventStream(() => left++, 60);
  for (let i = 0; i < 6; i++) slow.send({ i });
  const reader = slow.readable.getReader();
  for (let i = 0; i < 6; i++) {
    await sleep(30);
    assert.equal(decode((await reader.read()).value), `data: {"i":${i}}\n\n`);
  }
  await sleep(100);
  assert.equal(left, 1, "nothing waits, so nobody is late");
  await reader.cancel();
  assert.equal(left, 2);
});
