import assert from "node:assert/strict";
import { test } from "node:test";
import { isStoreError } from "./errors.ts";
import { isPassphraseSealed, sealWithPassphrase, unsealWithPassphrase } from "./passphrase.ts";

async function whole(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return Buffer.concat(parts);
}

test("a passphrase opens what it sealed, however its accents are written; another does not", async () => {
  const sealed = await whole(sealWithPassphrase([Buffer.from("secret")], "caf\u00e9"));
  assert.ok(isPassphraseSealed(sealed) && !isPassphraseSealed(Buffer.from("secret")));
  assert.equal(String(await whole(unsealWithPassphrase([sealed], "cafe\u0301"))), "secret");
  await assert.rejects(whole(unsealWithPassphrase([sealed], "cafe")), (error) =>
    isStoreError(error, "sealed-wrong-key"),
  );
});

test("no file makes its reader compute or take what it pleases", async () => {
  const sealed = await whole(sealWithPassphrase([Buffer.from("secret")], "word"));
  for (const [at, value] of [
    [24, 40],
    [24, 0],
    [25, 0],
    [25, 200],
    [26, 0],
    [26, 255],
  ] as const) {
    const changed = Buffer.from(sealed);
    changed[at] = value;
    await assert.rejects(whole(unsealWithPassphrase([changed], "word")), (error) =>
      isStoreError(error, "sealed-damaged"),
    );
  }
  for (const length of [0, 10, 30, 42])
    await assert.rejects(whole(unsealWithPassphrase([sealed.subarray(0, length)], "word")), (error) =>
      isStoreError(error),
    );
});
