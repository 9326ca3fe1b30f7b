import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FormError, formBoundary, readForm } from "./multipart.ts";

async function* cut(bytes: Uint8Array, sizes: readonly number[]) {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] as number;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function read(bytes: Uint8Array, boundary: string, sizes = [bytes.length || 1]) {
  const parts: { name: string; file: string | undefined; bytes: Buffer }[] = [];
  for await (const event of readForm(cut(bytes, sizes), boundary))
    if ("part" in event) parts.push({ ...event.part, bytes: Buffer.alloc(0) });
    else {
      const last = parts.at(-1) as (typeof parts)[number];
      last.bytes = Buffer.concat([last.bytes, event.bytes]);
    }
  return parts;
}

test("what the platform's own forms hold is read back, however it is cut on the way", async () => {
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    // Bytes that look like the beginning of a boundary.
    fc
      .array(fc.constantFrom("\r", "\n", "\r\n--", "-", "----formdata", "a"), { maxLength: 12 })
      .map((parts) => new Uint8Array(Buffer.from(parts.join("")))),
  );
  await fc.assert(
    fc.asyncProperty(
      content,
      fc.string({ maxLength: 10 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
      async (file, field, sizes) => {
        const form = new FormData();
        form.set("purpose", field);
        form.set("file", new Blob([file]), 'a "b".jsonl');
        const request = new Request("http://x/", { method: "POST", body: form });
        const text = await new Response(field).text();
        const boundary = formBoundary(request.headers.get("content-type") ?? undefined);
        const parts = await read(new Uint8Array(await request.arrayBuffer()), boundary, sizes);
        assert.deepEqual(
          parts.map(({ name, file: filename }) => [name, filename]),
          [
            ["purpose", undefined],
            ["file", 'a "b".jsonl'],
          ],
        );
        assert.equal(parts[0]?.bytes.toString("utf8"), text.replaceAll(/\r?\n|\r/g, "\r\n"));
        assert.deepEqual(new Uint8Array(parts[1]?.bytes as Buffer), new Uint8Array(file));
      },
    ),
    { numRuns: 60 },
  );
});

test("what is no form, or is cut short, is refused", async () => {
  assert.throws(() => formBoundary("application/json"), FormError);
  assert.throws(() => formBoundary(undefined), FormError);
  const begun = '--b\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\nabc';
  await assert.rejects(read(Buffer.from(begun), "b"), /cut short/);
  await assert.rejects(read(Buffer.from(`--b\r\nx: ${"y".repeat(20_000)}`), "b", [1_000]), /longer than/);
  await assert.rejects(read(Buffer.from("--b\r\nx: y\r\n\r\n\r\n--b--"), "b"), /no name/);
  const many = Array.from(
    { length: 70 },
    () => '--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n\r\n',
  );
  await assert.rejects(read(Buffer.from(`${many.join("")}--b--`), "b"), /more than 64 parts/);
});
