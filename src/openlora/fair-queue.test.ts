import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createFairQueue } from "./fair-queue.ts";

const drain = (queue: ReturnType<typeof createFairQueue<string>>) => {
  const served: string[] = [];
  for (let next = queue.inTurn().next(); !next.done; next = queue.inTurn().next()) {
    queue.take(next.value);
    served.push(next.value);
  }
  return served;
};

test("a tenant with many requests does not keep others waiting", () => {
  const queue = createFairQueue<string>({ total: 100, perTenant: 50 });
  for (let i = 0; i < 5; i++) queue.push("loud", `loud ${i}`);
  queue.push("quiet", "quiet 0");
  queue.push("other", "other 0");
  queue.push("other", "other 1");
  assert.deepEqual([...queue.inTurn()].slice(0, 5), ["loud 0", "quiet 0", "other 0", "loud 1", "other 1"]);
  assert.deepEqual(drain(queue), [
    "loud 0",
    "quiet 0",
    "other 0",
    "loud 1",
    "other 1",
    "loud 2",
    "loud 3",
    "loud 4",
  ]);
  assert.equal(queue.size, 0);
  assert.equal(queue.tenants, 0);
});

test("limits name themselves, and leaving makes room", () => {
  const queue = createFairQueue<string>({ total: 3, perTenant: 2 });
  assert.equal(queue.push("a", "a0"), undefined);
  assert.equal(queue.push("a", "a1"), undefined);
  assert.equal(queue.push("a", "a2"), "tenant");
  assert.equal(queue.push("b", "b0"), undefined);
  assert.equal(queue.push("c", "c0"), "queue");
  queue.remove("a0");
  assert.equal(queue.push("c", "c0"), undefined);
  assert.deepEqual([...queue.inTurn()], ["a1", "b0", "c0"]);
  assert.throws(() => queue.take("a0"), /not in the queue/);
});

test("nothing is lost or doubled, each tenant is served in order, and between two turns of one every other waiting tenant has one", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(4), { minLength: 1, maxLength: 60 }), (arrivals) => {
      const queue = createFairQueue<string>({ total: 1_000, perTenant: 1_000 });
      arrivals.forEach((tenant, i) => {
        queue.push(`t${tenant}`, `t${tenant} ${i}`);
      });
      const served = drain(queue);
      assert.equal(new Set(served).size, arrivals.length);
      const number = (item: string) => Number(item.split(" ")[1]);
      const tenant = (item: string) => item.split(" ")[0] as string;
      const left = new Map<string, number>();
      for (const item of served) left.set(tenant(item), (left.get(tenant(item)) ?? 0) + 1);
      const lastTurn = new Map<string, number>();
      served.forEach((item, turn) => {
        const before = lastTurn.get(tenant(item));
        if (before !== undefined) {
          assert.ok(number(served[before] as string) < number(item));
          const between = new Set(served.slice(before + 1, turn).map(tenant));
          for (const [other, count] of left)
            if (other !== tenant(item) && count > 0)
              assert.ok(between.has(other), `${other} was passed over`);
        }
        lastTurn.set(tenant(item), turn);
        left.set(tenant(item), (left.get(tenant(item)) as number) - 1);
      });
    }),
  );
});
