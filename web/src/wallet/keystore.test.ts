import assert from "node:assert/strict";
import { before, test } from "node:test";
import fc from "fast-check";
import { generatePrivateKey, privateKeyToAddress } from "viem/accounts";
import { decryptKey as decryptThere, encryptKey as encryptThere } from "../../../src/cli/keystore-v3.ts";
import { decryptKey, encryptKey, type Keystore, parseKeystore } from "./keystore.ts";

const privateKey = generatePrivateKey();
// Composed and decomposed: what two keyboards send for the same password.
const [password, sameTyped] = ["pa\u00dfwort caf\u00e9", "pa\u00dfwort cafe\u0301"];
let file: Keystore;
before(async () => {
  file = await encryptKey(privateKey, password);
});

test("a key file of the browser is opened by the command line, and one of the command line by the browser", async () => {
  assert.equal(`0x${file.address}`, privateKeyToAddress(privateKey).toLowerCase());
  assert.equal(await decryptThere(JSON.stringify(file), sameTyped), privateKey);
  const other = await encryptThere(privateKey, sameTyped);
  assert.equal(await decryptKey(parseKeystore(JSON.stringify(other)), password), privateKey);
});

test("a file is read as it was written, and its password alone opens it", async () => {
  assert.deepEqual(parseKeystore(JSON.stringify(file)), file);
  // The cheapest derivation that is taken tells as well that the check is by its result.
  const cheap = structuredClone(file);
  cheap.crypto.kdfparams.n = 2;
  await assert.rejects(decryptKey(parseKeystore(JSON.stringify(cheap)), password), /does not open/);
});

/** The file with one part of it another. */
function with_(change: (file: Record<string, never> & Keystore) => void): string {
  const copy = structuredClone(file) as Record<string, never> & Keystore;
  change(copy);
  return JSON.stringify(copy);
}

test("a hostile file is refused by name before anything is derived from it", () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ["", /no key file: expected JSON/],
    ["null", /Expected a key file of Web3 Secret Storage version 3/],
    ['"0x00"', /Expected a key file/],
    ["[]", /Expected a key file/],
    [`{"version":3,"crypto":null}`, /Expected a key file/],
    [with_((f) => Object.assign(f, { version: 1 })), /version 3/],
    [with_((f) => Object.assign(f.crypto, { cipher: "aes-128-cbc" })), /aes-128-ctr/],
    [with_((f) => Object.assign(f.crypto, { kdf: "pbkdf2" })), /scrypt/],
    [with_((f) => Object.assign(f.crypto, { kdfparams: undefined })), /scrypt parameters are out of bounds/],
    ...[
      { n: 2 ** 30 },
      { n: 2 ** 22, r: 64 },
      { n: 1_000_000 },
      { n: 0 },
      { n: "131072" },
      { r: 1e9 },
      { p: 1_000 },
      { dklen: 16 },
    ].map(
      (params) =>
        [
          with_((f) => Object.assign(f.crypto.kdfparams, params)),
          /scrypt parameters are out of bounds/,
        ] as const,
    ),
    [with_((f) => Object.assign(f.crypto.kdfparams, { salt: "ab".repeat(65) })), /cut short or not hex/],
    [with_((f) => Object.assign(f.crypto.cipherparams, { iv: "zz".repeat(16) })), /cut short or not hex/],
    [with_((f) => Object.assign(f.crypto, { mac: f.crypto.mac.slice(2) })), /cut short or not hex/],
    [with_((f) => Object.assign(f.crypto, { ciphertext: `${f.crypto.ciphertext}00` })), /cut short or not/],
    [with_((f) => Object.assign(f, { address: "<script>" })), /cut short or not hex/],
    [with_((f) => Object.assign(f, { more: "x".repeat(20_000) })), /at most 16384 characters, got 20,/],
  ];
  for (const [text, why] of cases) assert.throws(() => parseKeystore(text), why, text.slice(0, 80));
});

test("a file that is cut off anywhere is refused", () => {
  const text = JSON.stringify(file);
  fc.assert(
    fc.property(fc.nat(text.length - 1), (length) => {
      assert.throws(() => parseKeystore(text.slice(0, length)), /no key file|Expected|cut short/);
    }),
  );
});
