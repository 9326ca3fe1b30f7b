import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isStoreError } from "./errors.ts";
import { newSealKey, seal, sealKeyName, unseal } from "./seal.ts";

const key = newSealKey();
async function whole(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return Buffer.concat(parts);
}
const sealed = (bytes: Uint8Array, context?: Uint8Array) => whole(seal([bytes], key, context));
const opened = (bytes: Uint8Array, context?: Uint8Array) => whole(unseal([bytes], key, context));
const isDamaged = (error: unknown) => isStoreError(error, "sealed-damaged");

test("what is sealed comes back, however the bytes are cut", async () => {
  for (const length of [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000]) {
    const bytes = Buffer.alloc(length, 7);
    const stream = await sealed(bytes);
    assert.equal(stream.length, 68 + length + 16 * Math.max(1, Math.ceil(length / 65_536)));
    assert.ok((await opened(stream)).equals(bytes), `${length} bytes`);
  }
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 500 })),
      fc.integer({ min: 1, max: 90 }),
      async (pieces, cut) => {
        const stream = await whole(seal(pieces, key));
        const cuts = Array.from({ length: Math.ceil(stream.length / cut) }, (_, i) =>
          stream.subarray(i * cut, (i + 1) * cut),
        );
        assert.ok((await whole(unseal(cuts, key))).equals(Buffer.concat(pieces)));
      },
    ),
    { numRuns: 50 },
  );
});

test("every flipped byte is found", async () => {
  const stream = await sealed(Buffer.from("worth keeping secret"));
  for (let at = 0; at < stream.length; at++) {
    const changed = Buffer.from(stream);
    changed[at]! ^= 1;
    await assert.rejects(opened(changed), (error) => isStoreError(error), `byte ${at}`);
  }
});

test("every cut, and what is appended, is found", async () => {
  const stream = await sealed(Buffer.from("worth keeping whole"));
  for (let length = 0; length < stream.length; length++)
    await assert.rejects(opened(stream.subarray(0, length)), isDamaged, `${length} bytes`);
  await assert.rejects(opened(Buffer.concat([stream, Buffer.alloc(1)])), isDamaged);
});

test("chunks that are left out, swapped or repeated are found", async () => {
  const stream = await sealed(Buffer.alloc(3 * 65_536, 1));
  const head = stream.subarray(0, 68);
  const chunk = (i: number) => stream.subarray(68 + i * 65_552, 68 + (i + 1) * 65_552);
  for (const order of [[0, 1], [0, 2], [1, 0, 2], [0, 1, 1, 2], [0, 1, 2, 2], []])
    await assert.rejects(opened(Buffer.concat([head, ...order.map(chunk)])), isDamaged, `${order}`);
  assert.equal((await opened(Buffer.concat([head, chunk(0), chunk(1), chunk(2)]))).length, 3 * 65_536);
});

test("a wrong key is named, and another context is refused", async () => {
  const stream = await sealed(Buffer.from("text"), Buffer.from("here"));
  const other = newSealKey();
  await assert.rejects(
    whole(unseal([stream], other)),
    (error: Error) =>
      isStoreError(error, "sealed-wrong-key") &&
      error.message.includes(sealKeyName(key)) &&
      error.message.includes(sealKeyName(other)),
  );
  await assert.rejects(opened(stream, Buffer.from("there")), isDamaged);
  assert.equal(String(await opened(stream, Buffer.from("here"))), "text");
});

test("the same text sealed twice looks different", async () => {
  const [a, b] = await Promise.all([sealed(Buffer.from("same")), sealed(Buffer.from("same"))]);
  assert.notDeepEqual(a.subarray(36), b.subarray(36));
});
