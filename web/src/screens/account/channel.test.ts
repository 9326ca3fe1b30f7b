import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Channel, leftOf, leftToKey } from "./channel.ts";

const wei = fc.bigInt({ min: 0n, max: 10n ** 24n });
const channel = fc.record({ deposit: wei, spent: wei, signerLimit: wei }) as unknown as fc.Arbitrary<Channel>;

test("a key has left what its limit and the deposit leave, whichever is less, and never less than nothing", () => {
  fc.assert(
    fc.property(channel, (found) => {
      const { deposit, spent, signerLimit } = found;
      const left = leftToKey({ ...found, signer: "0x1" });
      assert.ok(left >= 0n && left <= leftOf(found) && leftOf(found) <= deposit);
      if (spent <= deposit && spent <= signerLimit)
        assert.ok(spent + left === deposit || spent + left === signerLimit);
      assert.equal(leftToKey({ ...found, signer: null }), 0n, "no key, nothing to spend");
    }),
  );
});
