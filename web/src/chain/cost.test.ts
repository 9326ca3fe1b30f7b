import assert from "node:assert/strict";
import { test } from "node:test";
import { tooLittle } from "./cost.ts";

const open = 10n ** 18n;
const address = "0x00000000000000000000000000000000000000aa";
const pool = { address, valueWei: 100n * open, gasWei: open / 10_000n, local: true } as const;

test("who has too little is told the most that it costs, what there is, and how much the faucet must give", () => {
  assert.equal(
    tooLittle({ ...pool, balanceWei: 0n }),
    `This costs at most 100.0001 OPEN, with 0.0001 OPEN of it for gas, and your account has 0 OPEN. On this local network the faucet gives it away: its operator runs ./openledger wallet faucet 101 --to ${address}`,
  );
  assert.match(
    tooLittle({ ...pool, valueWei: 0n, balanceWei: 0n, local: false }) ?? "",
    /^This costs at most 0\.0001 OPEN, for gas, and your account has 0 OPEN\. Have at least 0\.0001 OPEN sent to 0x/,
  );
});

test("the last wei decides", () => {
  const mostWei = pool.valueWei + pool.gasWei;
  assert.equal(tooLittle({ ...pool, balanceWei: mostWei }), undefined);
  assert.match(tooLittle({ ...pool, balanceWei: mostWei - 1n }) ?? "", /faucet 1 --to/);
});
