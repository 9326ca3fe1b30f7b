import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { keccak256 } from "viem";
import { bytesDigest, toHex } from "../protocol/index.ts";
import { batchIdOf, commitmentOf, everyReceipt, hashChain, lotteryOf } from "./lottery.ts";
import {
  farPart,
  isProjectionOf,
  isWithin,
  nearPart,
  projectGradient,
  projectionSeed,
} from "./projection.ts";

const fill = (byte: string, length = 32) => `0x${byte.repeat(length)}` as `0x${string}`;

test("the example of docs/staking.md, which the contract is tested by, too", () => {
  const preimage = fill("11");
  const tip = keccak256(preimage);
  assert.match(tip, /^0xb569321d.*cbf816$/);
  const open = 10n ** 18n;
  const lot = lotteryOf(preimage, {
    receiptsRoot: fill("22"),
    weight: 100n * open,
    total: 2_000n * open,
    seatsDrawn: 16,
    receiptCount: 1_000,
    receipt: everyReceipt,
  });
  assert.deepEqual(lot, { drawn: true, receipt: 889 });
  const batchId = batchIdOf(fill("33", 20), 7, 0, fill("22"));
  assert.match(batchId, /^0xc1894658.*cdcaa3$/);
  const commitment = commitmentOf({
    batchId,
    receipt: 889,
    wrong: true,
    projection: fill("44"),
    salt: fill("55"),
    validator: fill("66", 20),
  });
  assert.match(commitment, /^0x50fbe1bf.*88f8da$/);
});

test("each preimage is the hash of the next, and the tip of the first", () => {
  const chain = hashChain(fill("07"), 5);
  assert.equal(keccak256(chain.preimage(1)), chain.tip);
  for (let i = 1; i < 5; i++) assert.equal(keccak256(chain.preimage(i + 1)), chain.preimage(i));
  assert.throws(() => chain.preimage(6), RangeError);
});

test("a projection is a function of gradient and seed; little noise moves it little, another gradient much", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 31 }), fc.integer({ min: 300, max: 900 }), (start, length) => {
      let state = start;
      const next = () => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
        return state / 2 ** 31 - 1;
      };
      const gradient = Float32Array.from({ length }, next);
      const seed = projectionSeed(fill("01"), start);
      const mine = projectGradient(gradient, seed);
      const near = projectGradient(
        gradient.map((x) => x * (1 + 1e-6 * next())),
        seed,
      );
      assert.ok(isProjectionOf(toHex(near), bytesDigest(near), mine));
      assert.ok(isWithin(near, mine, nearPart), "who has looked is near");
      const other = projectGradient(Float32Array.from({ length }, next), seed);
      assert.ok(!isProjectionOf(toHex(other), bytesDigest(other), mine));
      assert.ok(
        !isWithin(other, mine, farPart) && !isWithin(new Uint8Array(), mine, farPart),
        "who has not is far",
      );
      for (const nothing of [new Uint8Array(), new Uint8Array(128)])
        assert.ok(!isWithin(nothing, nothing, farPart), "who shows nothing agrees with nobody");
      assert.ok(!isProjectionOf(toHex(mine), bytesDigest(other), mine), "shown otherwise than committed");
      const elsewhere = projectGradient(gradient, projectionSeed(fill("02"), start));
      assert.ok(!isProjectionOf(toHex(elsewhere), bytesDigest(elsewhere), mine), "another batch's");
    }),
    { numRuns: 8 },
  );
});
