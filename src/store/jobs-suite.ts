import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Database } from "./database.ts";
import { isStoreError } from "./errors.ts";
import type { Job, Jobs } from "./jobs.ts";

/**
 * What every Jobs adapter must do. `open` opens the queue of the one `database`; after `close()` it may be called again, as
 * after a restart. Each test uses kinds of its own.
 */
export function jobsSuite(name: string, database: () => Database, open: () => Promise<Jobs>): void {
  const ask = (jobs: Jobs, kind: string, key: string, payload: unknown = null) =>
    database().transaction((tx) => jobs.enqueue(tx, kind, key, payload));

  describe(`jobs: ${name}`, () => {
    test("a job is done once, with its payload, however often it is asked for", async () => {
      await using jobs = await open();
      const seen: unknown[] = [];
      assert.equal(await ask(jobs, "once", "a", { digest: "0x1", list: [1, 2] }), true);
      assert.equal(await ask(jobs, "once", "a", { other: true }), false);
      jobs.work("once", async ({ key, payload, attempt }) => void seen.push([key, payload, attempt]));
      await jobs.drain();
      assert.equal(await ask(jobs, "once", "a"), false);
      await jobs.drain();
      assert.deepEqual(seen, [["a", { digest: "0x1", list: [1, 2] }, 1]]);
      assert.equal((await jobs.list({ kind: "once" }))[0]?.state, "done");
    });

    test("a job whose transaction rolls back was never asked for", async () => {
      await using jobs = await open();
      let runs = 0;
      jobs.work("rolled", async () => void runs++);
      await assert.rejects(
        database().transaction(async (tx) => {
          await jobs.enqueue(tx, "rolled", "a", null);
          throw new Error("no");
        }),
      );
      await jobs.drain();
      assert.equal(runs, 0);
      assert.equal(await ask(jobs, "rolled", "a"), true);
      await jobs.drain();
      assert.equal(runs, 1);
    });

    test("oldest first, and never more at once than allowed", async () => {
      await using jobs = await open();
      const order: string[] = [];
      let running = 0;
      let most = 0;
      for (let n = 0; n < 12; n++) await ask(jobs, "order", `${n}`);
      const handler = async ({ key }: Job) => {
        order.push(key);
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 5));
        running--;
      };
      jobs.work("order", handler, { concurrency: 3 });
      await jobs.drain();
      assert.deepEqual(
        order,
        Array.from({ length: 12 }, (_, n) => `${n}`),
      );
      assert.equal(most, 3);
    });

    test("a failing job is tried again, later each time, then fails for all to see and can be retried", async () => {
      await using jobs = await open();
      const times: number[] = [];
      let broken = true;
      const handler = async () => {
        times.push(Date.now());
        if (broken) throw new Error("engine is out of memory");
      };
      jobs.work("retry", handler, { maxAttempts: 3, backoffMs: 20 });
      await ask(jobs, "retry", "a");
      await jobs.drain();
      assert.equal(times.length, 3);
      assert.ok(times[1]! - times[0]! >= 19 && times[2]! - times[1]! >= 39, String(times));
      const [failed] = await jobs.list({ kind: "retry", state: "failed" });
      assert.equal(failed?.attempts, 3);
      assert.equal(failed?.error, "engine is out of memory");
      broken = false;
      assert.equal(await jobs.retry("retry", "a"), true);
      assert.equal(await jobs.retry("retry", "a"), false);
      await jobs.drain();
      assert.equal((await jobs.list({ kind: "retry" }))[0]?.state, "done");
    });

    test("a failing job does not hold up the others", async () => {
      await using jobs = await open();
      const done: string[] = [];
      const handler = async ({ key, attempt }: Job) => {
        if (key === "bad" && attempt === 1) throw new Error("first time unlucky");
        done.push(key);
      };
      await ask(jobs, "others", "bad");
      for (const key of ["a", "b"]) await ask(jobs, "others", key);
      jobs.work("others", handler, { backoffMs: 30 });
      await jobs.drain();
      assert.deepEqual(done, ["a", "b", "bad"]);
    });

    test("closing waits for a running job and tells it; a job it cuts short keeps its attempts and runs after a restart", async () => {
      const jobs = await open();
      let started: () => void = () => {};
      const running = new Promise<void>((resolve) => {
        started = resolve;
      });
      jobs.work("closing", async ({ signal }) => {
        started();
        await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      });
      await ask(jobs, "closing", "a");
      await running;
      await jobs.close();
      assert.throws(
        () => jobs.work("more", async () => {}),
        (error) => isStoreError(error, "jobs-closed"),
      );
      await using reopened = await open();
      const attempts: number[] = [];
      reopened.work("closing", async ({ attempt }) => void attempts.push(attempt));
      await reopened.drain();
      assert.deepEqual(attempts, [1]);
    });

    test("nameless and oversized jobs are refused", async () => {
      await using jobs = await open();
      for (const [kind, key, payload] of [
        ["", "a", null],
        ["k", "", null],
        ["k", "a", "x".repeat(262_144)],
      ] as const) {
        await assert.rejects(ask(jobs, kind, key, payload), (error) => isStoreError(error, "job-invalid"));
      }
    });
  });
}
