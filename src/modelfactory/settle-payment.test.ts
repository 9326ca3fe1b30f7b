import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Digest, deliverableDigest, type JobPlan, jobDigest } from "../protocol/index.ts";
import type { JobState } from "./job.ts";
import { paysFor } from "./payment.ts";
import { settlementOf } from "./settle-payment.ts";

const digest = (byte: string): Digest => `0x${byte.repeat(32)}`;
const over: JobState[] = ["succeeded", "failed", "cancelled"];

test("an operator says no more than the job gives: a release, a report, the steps of a checkpoint, or that it failed", () => {
  const job = fc.record({
    state: fc.constantFrom(...over),
    publish: fc.boolean(),
    released: fc.boolean(),
    reported: fc.boolean(),
    trainedSteps: fc.option(fc.nat(2_000)),
    doneSteps: fc.option(fc.nat(2_000)),
    evidence: fc.boolean(),
  });
  const escrow = fc.record({
    state: fc.constantFrom("open" as const, "cancelled" as const),
    steps: fc.integer({ min: 1, max: 1_000 }),
    deadline: fc.constant(1_000),
  });
  fc.assert(
    fc.property(job, escrow, fc.integer({ min: 900, max: 1_100 }), (given, held, nowSec) => {
      const said = settlementOf(
        {
          state: given.state,
          spec: { publish: given.publish },
          trained:
            given.trainedSteps === null ? null : { steps: given.trainedSteps, adapterTensors: digest("aa") },
          evaluated: given.reported ? { report: digest("bb") } : null,
          releaseId: given.released ? digest("cc") : null,
          payment: { doneSteps: given.doneSteps, evidence: given.evidence ? digest("dd") : null },
        } as never,
        held,
        nowSec,
      );
      const stop = said.say === "stop" ? said : said.say === "succeed" ? said.otherwise : undefined;
      if (nowSec > held.deadline) assert.equal(said.say, "fail", "nobody is paid after the deadline");
      if (held.state === "open") assert.equal(stop, undefined, "only a payer's cancellation is divided");
      if (given.state === "failed") assert.equal(said.say, "fail");
      if (said.say === "succeed") {
        assert.equal(given.state, "succeeded");
        assert.equal(said.result, given.publish ? digest("cc") : digest("bb"));
        if (!given.publish) assert.equal(held.state, "open", "a report is not believed after a cancellation");
      }
      if (stop === undefined) return;
      assert.ok(stop.done <= held.steps);
      if (stop.done > 0) assert.notEqual(BigInt(stop.checkpoint), 0n, "no step without a checkpoint");
    }),
    { numRuns: 2_000 },
  );
});

test("an escrow pays for a plan only in all of its terms", () => {
  const plan: JobPlan = {
    schema: "openledger/job/1",
    id: "a",
    model: "valley",
    baseDigest: digest("ba"),
    datanets: [{ datanetId: "1", version: 1 }],
    recipe: {},
    continueFrom: null,
    exclude: [],
    evaluationDigest: digest("ee"),
    price: { promptWeiPerToken: "1", completionWeiPerToken: "1" },
    publish: true,
    steps: 10,
    amountWei: "100",
    deadline: 1_000,
  };
  const right = {
    jobDigest: jobDigest(plan),
    deliverable: deliverableDigest(plan),
    amount: 100n,
    steps: 10n,
    deadline: 1_000n,
  };
  assert.ok(paysFor(right, plan));
  assert.ok(paysFor({ ...right, amount: 101n }, plan), "who gives more may");
  for (const wrong of [
    { jobDigest: digest("00") },
    { deliverable: digest("00") },
    { amount: 99n },
    { steps: 9n },
    { steps: 11n },
    { deadline: 999n },
    { deadline: 1_001n },
  ])
    assert.equal(paysFor({ ...right, ...wrong }, plan), false, JSON.stringify(Object.keys(wrong)));
});
