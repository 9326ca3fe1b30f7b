import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { serverEvents } from "./http.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

async function read(chunks: Uint8Array[]) {
  const events = [];
  for await (const event of serverEvents(chunks)) events.push(event);
  return events;
}

const stream =
  'id: 1\nevent: step\ndata: {"loss":"é💎"}\n\n: a comment\ndata: one\r\ndata:two\r\n\r\nevent: lost\n\ndata: cut';

test("server-sent events are read the same however the bytes are cut", async () => {
  const expected = [
    { id: "1", event: "step", data: '{"loss":"é💎"}' },
    { id: "1", event: "message", data: "one\ntwo" },
  ];
  const whole = bytes(stream);
  assert.deepEqual(await read([whole]), expected);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(whole.length), { maxLength: 12 }), async (cuts) => {
      const at = [0, ...cuts.sort((a, b) => a - b), whole.length];
      assert.deepEqual(await read(at.slice(1).map((end, i) => whole.subarray(at[i], end))), expected);
    }),
  );
});

test("an event without end is refused", async () => {
  const endless = function* () {
    for (;;) yield bytes("data: ".padEnd(65_536, "x"));
  };
  await assert.rejects(async () => {
    for await (const _ of serverEvents(endless()));
  }, /longer than 4 MiB/);
});
