import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const program = fileURLToPath(new URL("./bin.ts", import.meta.url));

/**
 * The main job with the base model that ships, and a quarter of its facts: a minute of real training, so everything is looked at in one run.
 * Calibration, ten retrainings more, has tests of its own.
 */
test("the demo does what it tells", { timeout: 20 * 60_000 }, async () => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [program, "demo", "--json", "--small", "--no-calibration"],
    {
      maxBuffer: 1 << 24,
    },
  );
  const lines = stdout.trim().split("\n");
  const result = JSON.parse(lines.at(-1) as string);
  assert.equal(result.ok, true);
  assert.equal(result.chainId, 161_612);
  assert.deepEqual({ ...result.datanet, version: "" }, { version: "", examples: 175, contributors: 5 });
  assert.ok(result.training.lossLast < 0.05 && result.training.lossFirst > 1);
  assert.ok(result.training.heldOutLossTuned < result.training.heldOutLossBase);

  assert.ok(result.baseAccuracy <= 0.05, `the base answers ${result.baseAccuracy}`);
  assert.ok(result.answerAccuracy >= 0.95, `the fine-tune answers ${result.answerAccuracy}`);
  assert.ok(result.attributionHitRate >= 0.95, `the owner is best paid in ${result.attributionHitRate}`);
  assert.ok(result.ownerShareOfPay >= 0.8, `the owner receives ${result.ownerShareOfPay}`);
  assert.ok(
    result.control.removedOwnerAccuracy <= 0.4, // of five facts: chance finds one, where each was known

    `without the owner ${result.control.removedOwnerAccuracy}`,
  );
  assert.ok(result.control.othersAccuracy >= 0.95, `everybody else ${result.control.othersAccuracy}`);

  const fees = BigInt(result.feesWei);
  const paid = Object.values(result.paidWei as Record<string, string>).map(BigInt);
  assert.ok(fees > 0n);
  assert.equal(
    paid.reduce((sum, wei) => sum + wei, 0n),
    fees,
    "to the wei",
  );
  assert.equal(BigInt(result.claimedWei), fees, "everyone claimed");
  assert.match(result.batchTx, /^0x[0-9a-f]{64}$/);
  assert.ok(result.gasPerReceipt > 0);
  assert.equal(result.verified, true);
  assert.equal(result.supplyConserved, true);
});
