import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EventsError, readEvents } from "./pool-events.ts";

const limits = { eventBytes: 1_000, totalBytes: 100_000 };

async function read(bytes: Uint8Array, cuts: readonly number[], bounds = limits): Promise<string[]> {
  async function* parts() {
    let from = 0;
    for (const cut of [...cuts.filter((at) => at < bytes.length).sort((a, b) => a - b), bytes.length]) {
      yield bytes.subarray(from, cut);
      from = Math.max(from, cut);
    }
  }
  const events: string[] = [];
  for await (const event of readEvents(parts(), bounds)) events.push(event);
  return events;
}

const utf8 = (text: string) => new TextEncoder().encode(text);

test("events come out whole, however the bytes are cut", async () => {
  const line = fc.string({ unit: "grapheme", maxLength: 20 }).map((text) => text.replace(/[\r\n]/g, "·"));
  const event = fc.record({ lines: fc.array(line, { minLength: 1, maxLength: 3 }), crlf: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { maxLength: 6 }),
      fc.array(fc.nat(400), { maxLength: 12 }),
      async (events, cuts) => {
        const text = events.map(({ lines, crlf }) =>
          [": a comment", "id: 7", ...lines.map((l) => `data: ${l}`), "", ""].join(crlf ? "\r\n" : "\n"),
        );
        assert.deepEqual(
          await read(utf8(text.join("")), cuts),
          events.map(({ lines }) => lines.join("\n")),
        );
      },
    ),
    { numRuns: 200 },
  );
});

test("a space after the colon is not data, a second one is; an unfinished event is none", async () => {
  assert.deepEqual(await read(utf8("data:a\n\ndata:  b\n\n\n\ndata: c\n"), []), ["a", " b"]);
});

test("too long an event, too long a stream and broken UTF-8 are refused", async () => {
  const refused = (bytes: Uint8Array, message: RegExp) =>
    assert.rejects(read(bytes, [10, 20, 30]), (error: unknown) => {
      assert.ok(error instanceof EventsError);
      assert.match(error.message, message);
      return true;
    });
  await refused(utf8(`data: ${"x".repeat(1_001)}`), /an event of more than 1000 bytes/);
  await refused(utf8(`data: ${"x".repeat(400)}\n`.repeat(3)), /an event of more than 1000 bytes/);
  await refused(utf8(": x\n\n".repeat(20_001)), /more than 100000 bytes/);
  await refused(new Uint8Array([0x64, 0x61, 0xc3, 0x28]), /not UTF-8/);
});
