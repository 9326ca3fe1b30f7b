import assert from "node:assert/strict";
import { test } from "node:test";
import type { Address } from "viem";
import { type Ceiling, minimumTip, refusal } from "./ceiling.ts";

const floorWei = 10n ** 9n;
const ceiling: Ceiling = { transactions: 1_000, minTipWei: () => floorWei };
const ledger: Address = "0x00000000000000000000000000000000000000aa";
const other: Address = "0x00000000000000000000000000000000000000bb";
const reserved = new Set([ledger]);

test("the minimum tip doubles with every twentieth of the ceiling that is used", () => {
  for (let used = 0; used < 1_000; used++)
    assert.equal(minimumTip(ceiling, used), floorWei * 2n ** BigInt(Math.floor(used / 50)), `${used}`);
});

test("the last tenth is for reserved addresses, who pay the floor only, and nothing enters beyond the ceiling", () => {
  const at = (used: number, to: Address | null, tipPerGas: bigint) =>
    refusal(ceiling, used, reserved, { to, tipPerGas });
  const plenty = 10n ** 24n;
  for (let used = 0; used < 1_000; used++) {
    assert.equal(at(used, ledger, floorWei), undefined);
    assert.match(at(used, ledger, floorWei - 1n) ?? "", /underpriced/);
    for (const to of [other, null]) {
      if (used < 900) {
        assert.equal(at(used, to, minimumTip(ceiling, used)), undefined);
        assert.match(at(used, to, minimumTip(ceiling, used) - 1n) ?? "", /underpriced/);
      } else
        assert.match(
          at(used, to, plenty) ?? "",
          /the last tenth is kept for settlement, challenges and claims/,
        );
    }
  }
  for (const to of [ledger, other, null]) assert.match(at(1_000, to, plenty) ?? "", /chain full/);
});
