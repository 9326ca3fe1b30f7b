import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ifCancelled, isRefundable } from "./cancelling.ts";

type Job = Parameters<typeof ifCancelled>[0];
const job = (amountWei: bigint, steps: number, more: Partial<Job> = {}) =>
  ({
    ...{ state: "training", trained: null, releaseId: null },
    payment: { state: "open", amountWei: amountWei.toString(), plan: { steps, deadline: 1_000 } },
    ...more,
  }) as unknown as Job;

test("what cancelling costs is a part by steps, never more than was paid, and no wei is lost", () => {
  const amounts = fc.bigInt({ min: 1n, max: 10n ** 27n });
  fc.assert(
    fc.property(amounts, fc.integer({ min: 1, max: 100_000 }), fc.nat(200_000), (amount, steps, step) => {
      const found = ifCancelled(job(amount, steps), step);
      assert.ok(found);
      assert.equal(found.operator + found.payer, amount);
      assert.equal(found.done, Math.min(step, steps));
      assert.equal(found.operator === amount, step >= steps);
    }),
  );
  assert.equal(ifCancelled(job(100n, 4), 0)?.operator, 0n, "before the first step nothing");
});

test("a training that ended early costs its own steps, a release all of them, a free run nothing", () => {
  const trained = { steps: 3 } as unknown as Job["trained"];
  assert.equal(ifCancelled(job(100n, 10, { trained }), 9)?.operator, 30n);
  assert.equal(ifCancelled(job(100n, 10, { trained, releaseId: "0x1" }), 9)?.operator, 100n);
  assert.equal(ifCancelled(job(100n, 10, { payment: null }), 9), undefined);
});

test("everything can be taken back once the deadline is over, while it is held", () => {
  assert.equal(isRefundable(job(1n, 1), 1_000_000), false);
  assert.equal(isRefundable(job(1n, 1), 1_000_001), true);
  for (const state of ["unpaid", "succeeded", "failed", "stopped", "refunded", "expired"])
    assert.equal(
      isRefundable({ payment: { ...job(1n, 1).payment, state } as unknown as Job["payment"] }, 2_000_000),
      false,
    );
});
