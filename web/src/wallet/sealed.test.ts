import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bytesToHex } from "viem";
import { seal, sealingText, unseal } from "./sealed.ts";

const signatures = fc.uint8Array({ minLength: 65, maxLength: 65 }).map((bytes) => bytesToHex(bytes));
const owner = "0xa3f4a3194c7d84eea2ff47117162ae728d1e3c0a";

test("what one signature seals, that signature opens and no other", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 8 }), signatures, signatures, (secret, signature, other) => {
      const sealed = seal(secret, signature, owner);
      assert.equal(unseal(sealed, signature, owner.toUpperCase().replace("0X", "0x")), secret);
      assert.doesNotMatch(JSON.stringify(sealed), new RegExp(RegExp.escape(secret)));
      if (other !== signature) assert.throws(() => unseal(sealed, other, owner), /does not open/);
    }),
    { numRuns: 50 },
  );
});

test("what is kept for one account does not open as another's, and not when it was changed", () => {
  const signature = bytesToHex(new Uint8Array(65).fill(7));
  const sealed = seal("sk-ol-secret", signature, owner);
  assert.throws(
    () => unseal(sealed, signature, "0x41a4cc65712360885d387c46c29f13b928ae50a4"),
    /does not open/,
  );
  const changed = { ...sealed, box: sealed.box.replace(/..$/, (end) => (end === "00" ? "01" : "00")) };
  assert.throws(() => unseal(changed as typeof sealed, signature, owner), /does not open/);
});

test("the text that is signed names the site and the account", () => {
  assert.match(sealingText("https://node.example", owner.toUpperCase()), /https:\/\/node\.example .* 0xa3f4/);
});
