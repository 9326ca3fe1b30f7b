import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gasFigures } from "./common/gas.ts";

test("a small run on a real node has a receipt for every answer, and pays contributors", {
  timeout: 240_000,
}, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    fileURLToPath(new URL("receipts.ts", import.meta.url)),
    ...["--json", "--contributors", "300", "--examples", "3000", "--dimensions", "16"],
    ...["--rounds", "1", "--at-once", "3", "--max-tokens", "8"],
  ]).catch((error: { stdout?: string; code?: number }) => {
    // A machine that does something else may be slower than the bar.
    if (error.code === 1 && error.stdout) return error as { stdout: string };
    throw error;
  });
  const result = JSON.parse(stdout);
  assert.deepEqual([result.answers, result.contributors, result.examples], [3, 300, 3_000]);
  assert.ok(result.paidEach > 0 && result.receiptLagMsP95 >= result.receiptLagMsP50);
});

test("the gas of a wrong-score proof is what the contracts' tests measured", () => {
  assert.ok(gasFigures().gasWrongScoreProof > 100_000);
});
