import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { chainClients, openEmbeddedChain, protocolAbis, totalSupplyWei } from "../chain/index.ts";
import { chainFacts } from "../settlement/index.ts";
import { forwardClock } from "./clock.ts";

test("whatever the machine's clock does, this one never goes back, and is never behind it", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 2 ** 43 }), { minLength: 1 }), (readings) => {
      let at = 0;
      const now = forwardClock(() => readings[at] as number);
      let before = 0;
      for (at = 0; at < readings.length; at++) {
        const here = now();
        assert.ok(here >= before && here >= (readings[at] as number));
        before = here;
      }
    }),
  );
});

test("a receipt's time stays in the chain's past and can settle at once, though the clock jumps ahead and back", async () => {
  const dir = mkdtempSync(join(tmpdir(), "openledger-clock-"));
  const hour = 3_600_000;
  let machineMs = 1_800_000_000_000;
  const nowMs = forwardClock(() => machineMs);
  const account = privateKeyToAccount(generatePrivateKey());
  const chain = await openEmbeddedChain({
    dir,
    genesis: { [account.address]: totalSupplyWei },
    feeCollector: "0xFEe0000000000000000000000000000000000001",
    minTipWei: () => 1n,
    nowMs,
  });
  try {
    const client = chainClients({ embedded: chain, account, abis: protocolAbis });
    const facts = chainFacts(client, {} as never);
    const blockTime = async () => (await client.public.getBlock()).timestamp;
    const start = machineMs;
    let issuedBefore = 0n;
    for (const [atIssue, atBlock] of [
      [0, 0],
      [5 * hour, 0],
      [-24 * hour, 6 * hour],
      [0, -5 * hour],
    ] as const) {
      machineMs = start + atIssue;
      const issuedAt = await facts.issueTime(BigInt(Math.floor(nowMs() / 1000)));
      assert.ok(issuedAt >= issuedBefore, "receipts follow each other in time");
      machineMs = start + atBlock;
      await client.waitForReceipt(await client.send({ to: account.address, value: 1n }));
      const next = await blockTime();
      // What changes in a block is in force from the second after it.
      assert.ok(
        next >= issuedAt,
        `block ${next} would change what a receipt of ${issuedAt} was issued under`,
      );
      issuedBefore = issuedAt;
    }
  } finally {
    await chain.close();
    rmSync(dir, { recursive: true, force: true });
  }
});
