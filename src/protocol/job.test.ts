import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { deliverableDigest, escrowId, type JobPlan, jobDigest, stoppedSplit } from "./job.ts";

const digest = (byte: string) => `0x${byte.repeat(32)}` as const;
const plan: JobPlan = {
  schema: "openledger/job/1",
  id: "ft-1",
  model: "valley",
  baseDigest: digest("ba"),
  datanets: [{ datanetId: "1", version: 2 }],
  recipe: { rank: 8, learningRate: "0.003" },
  continueFrom: null,
  exclude: [],
  evaluationDigest: digest("ee"),
  price: { promptWeiPerToken: "1", completionWeiPerToken: "2" },
  publish: true,
  steps: 30,
  amountWei: "1000",
  deadline: 1_790_000_000,
};

test("what is stopped is divided without loss, by steps, and never rounds against the payer", () => {
  fc.assert(
    fc.property(
      fc.bigInt(0n, 10n ** 27n),
      fc.integer({ min: 1, max: 0xffff_ffff }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (amount, steps, part) => {
        const done = Math.floor(part * steps);
        const { operator, payer } = stoppedSplit(amount, done, steps);
        assert.equal(operator + payer, amount);
        assert.ok(operator * BigInt(steps) <= amount * BigInt(done), "no more than was done");
        assert.ok((operator + 1n) * BigInt(steps) > amount * BigInt(done), "and less than a wei less");
        if (done < steps) assert.ok(stoppedSplit(amount, done + 1, steps).operator >= operator);
      },
    ),
  );
  assert.deepEqual(stoppedSplit(7n, 3, 3), { operator: 7n, payer: 0n });
  assert.deepEqual(stoppedSplit(7n, 0, 3), { operator: 0n, payer: 7n });
  for (const [amount, done, steps] of [
    [-1n, 0, 1],
    [1n, 2, 1],
    [1n, -1, 1],
    [1n, 0, 0],
    [1n, 0.5, 1],
  ] as const)
    assert.throws(() => stoppedSplit(amount, done, steps), { code: "out-of-range" });
});

test("whatever a plan says is in its digest; what a release shows of it is in the deliverable", () => {
  const changes: [Partial<JobPlan>, shown: boolean][] = [
    [{ id: "ft-2" }, false],
    [{ model: "hill" }, true],
    [{ baseDigest: digest("bb") }, true],
    [{ datanets: [{ datanetId: "1", version: 3 }] }, true],
    [{ datanets: [...plan.datanets, { datanetId: "2", version: 1 }] }, true],
    [{ recipe: { ...plan.recipe, rank: 4 } }, false],
    [{ continueFrom: digest("cc") }, false],
    [{ exclude: [`0x${"11".repeat(20)}`] }, false],
    [{ evaluationDigest: digest("ef") }, false],
    [{ price: { ...plan.price, completionWeiPerToken: "3" } }, true],
    [{ publish: false }, true],
    [{ steps: 31 }, false],
    [{ amountWei: "1001" }, false],
    [{ deadline: plan.deadline + 1 }, false],
  ];
  const digests = new Set([jobDigest(plan)]);
  for (const [change, shown] of changes) {
    const changed = { ...plan, ...change };
    digests.add(jobDigest(changed));
    assert.equal(deliverableDigest(changed) !== deliverableDigest(plan), shown, JSON.stringify(change));
  }
  assert.equal(digests.size, changes.length + 1);
  assert.equal(BigInt(deliverableDigest({ ...plan, publish: false })), 0n);
  assert.throws(() => jobDigest({ ...plan, recipe: { learningRate: 0.003 } }));
});

test("an escrow is one payer's, for one operator and one job", () => {
  const [a, b] = [`0x${"0a".repeat(20)}`, `0x${"0b".repeat(20)}`] as const;
  const ids = [escrowId(a, b, digest("01")), escrowId(b, a, digest("01")), escrowId(a, b, digest("02"))];
  assert.equal(new Set(ids).size, 3);
});
