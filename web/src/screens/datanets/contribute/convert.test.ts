import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isFile, jsonLines, place, unreadInWords } from "./convert.ts";

/** Bytes in pieces of these lengths, over and over. */
function stream(bytes: Uint8Array, lengths: readonly number[]): ReadableStream<Uint8Array> {
  let at = 0;
  let piece = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      const end = at + (lengths[piece++ % lengths.length] as number);
      controller.enqueue(bytes.subarray(at, end));
      at = end;
    },
  });
}

test("rows are the same however the bytes of their lines arrive", async () => {
  const value = fc.record({ text: fc.string({ unit: "binary" }), line: fc.nat() });
  await fc.assert(
    fc.asyncProperty(
      fc.array(value, { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
      fc.boolean(),
      async (values, lengths, ended) => {
        const text = values.map((one) => JSON.stringify(one)).join("\n") + (ended ? "\n" : "");
        const read = await Array.fromAsync(jsonLines(stream(new TextEncoder().encode(text), lengths)));
        assert.deepEqual(read, JSON.parse(JSON.stringify(values)));
      },
    ),
  );
});

test("files and rows that were not read are counted apart", () => {
  assert.equal(unreadInWords({ files: 2, rows: 3 }), "2 files and 3 rows were not read");
  assert.equal(unreadInWords({ files: 1, rows: 0 }), "1 file was not read");
  assert.equal(unreadInWords({ files: 0, rows: 1 }), "1 row was not read");
  const refused = { code: "no-text", message: "" };
  assert.ok(isFile({ source: { file: "image.png" }, refused }));
  assert.ok(!isFile({ source: { file: "a.csv", line: 2 }, refused }));
  assert.ok(!isFile({ source: { file: "a.txt", offset: 0 }, refused }));
});

test("a row's place is told as it is looked up", () => {
  assert.equal(place({ file: "a.csv", line: 3, row: 2 }), "a.csv, line 3");
  assert.equal(place({ file: "a.pdf", page: 7 }), "a.pdf, page 7");
  assert.equal(place({ file: "a.txt" }), "a.txt");
});
