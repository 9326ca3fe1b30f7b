import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { type Database, weiColumn } from "./database.ts";
import { isStoreError } from "./errors.ts";

/** What every Database adapter must do; `database` is open and empty, each test makes its own schema; `reopen` opens a snapshot. */
export function databaseSuite(
  name: string,
  database: () => Database,
  reopen: (snapshot: string) => Promise<Database>,
): void {
  describe(`database: ${name}`, () => {
    test("any uint256 of wei comes back as the same bigint, and sums are exact", async () => {
      const db = database();
      await db.migrate("wei", [`create table wei.amounts (id bigint, amount ${weiColumn})`]);
      const amount = fc.bigInt({ min: 0n, max: 2n ** 256n - 1n });
      await fc.assert(
        fc.asyncProperty(fc.array(amount, { minLength: 1, maxLength: 5 }), async (amounts) => {
          await db.query("delete from wei.amounts");
          for (const [id, value] of amounts.entries()) {
            await db.query("insert into wei.amounts values ($1, $2)", [id, value]);
          }
          const rows = await db.query<{ amount: bigint }>("select amount from wei.amounts order by id");
          assert.deepEqual(
            rows.map((row) => row.amount),
            amounts,
          );
          const [total] = await db.query<{ sum: bigint }>("select sum(amount) as sum from wei.amounts");
          assert.equal(
            total?.sum,
            amounts.reduce((sum, value) => sum + value),
          );
        }),
        { numRuns: 25 },
      );
    });

    test("a number that would lose digits is an error, not a rounded number", async () => {
      const db = database();
      assert.deepEqual(await db.query("select 9007199254740991::bigint as n"), [
        { n: Number.MAX_SAFE_INTEGER },
      ]);
      for (const sql of ["select 9007199254740992::bigint", "select 1.5::numeric"]) {
        await assert.rejects(db.query(sql), (error) => isStoreError(error, "number-out-of-range"));
      }
      assert.deepEqual(await db.query("select 1 as still_alive"), [{ still_alive: 1 }]);
    });

    test("JSON, bytes, text and null come back as they went in", async () => {
      const values = [{ a: [1, "ä"] }, new Uint8Array([0, 255, 10]), "'); drop table x; --\u{1F600}", null];
      const [row] = await database().query<Record<string, unknown>>(
        "select $1::jsonb as j, $2::bytea as b, $3::text as t, $4::text as n",
        values,
      );
      assert.deepEqual([row?.j, new Uint8Array(row?.b as Uint8Array), row?.t, row?.n], values);
    });

    test("a transaction is all or nothing", async () => {
      const db = database();
      await db.migrate("atomic", ["create table atomic.t (x int primary key)"]);
      const events: string[] = [];
      await assert.rejects(
        db.transaction(async (tx) => {
          tx.onCommit(() => events.push("rolled back"));
          await tx.query("insert into atomic.t values (1)");
          throw new Error("no");
        }),
        /^Error: no$/,
      );
      assert.deepEqual(await db.query("select * from atomic.t"), []);
      const result = await db.transaction(async (tx) => {
        tx.onCommit(() => events.push("committed"));
        await tx.query("insert into atomic.t values (2)");
        assert.deepEqual(events, []);
        return "result";
      });
      assert.equal(result, "result");
      assert.deepEqual(events, ["committed"]);
      assert.deepEqual(await db.query("select * from atomic.t"), [{ x: 2 }]);
    });

    test("a failed statement rolls its transaction back even when the body swallows the error", async () => {
      const db = database();
      await db.migrate("swallow", ["create table swallow.t (x int primary key)"]);
      await db
        .transaction(async (tx) => {
          await tx.query("insert into swallow.t values (1)");
          await tx.query("insert into swallow.t values (1)").catch(() => undefined);
        })
        .catch(() => undefined);
      assert.deepEqual(await db.query("select * from swallow.t"), []);
    });

    test("transactions that read and write the same row do not lose updates", async () => {
      const db = database();
      await db.migrate("counter", ["create table counter.t (n int); insert into counter.t values (0)"]);
      await Promise.all(
        Array.from({ length: 20 }, () =>
          db.transaction(async (tx) => {
            const [row] = await tx.query<{ n: number }>("select n from counter.t");
            await tx.query("update counter.t set n = $1", [row!.n + 1]);
          }),
        ),
      );
      assert.deepEqual(await db.query("select n from counter.t"), [{ n: 20 }]);
    });

    test("querying the database inside a transaction is an error instead of a wait for ever", async () => {
      const db = database();
      await assert.rejects(
        db.transaction(async () => {
          await db.query("select 1");
        }),
        (error) => isStoreError(error, "transaction-misuse"),
      );
      await assert.rejects(
        db.transaction(() => db.transaction(async () => 1)),
        (error) => isStoreError(error, "transaction-misuse"),
      );
      const leaked = await db.transaction(async (tx) => tx);
      await assert.rejects(leaked.query("select 1"), (error) => isStoreError(error, "transaction-misuse"));
    });

    test("migrations run once, in order, and only grow", async () => {
      const db = database();
      const first = "create table grow.t (x int); insert into grow.t values (1);";
      const second = "alter table grow.t add column y int default 5";
      await db.migrate("grow", [first]);
      await db.migrate("grow", [first, second]);
      await db.migrate("grow", [first, second]);
      assert.deepEqual(await db.query("select * from grow.t"), [{ x: 1, y: 5 }]);
      await assert.rejects(db.migrate("grow", [`${first} `, second]), (error) =>
        isStoreError(error, "migration-changed"),
      );
      await assert.rejects(db.migrate("grow", [first]), (error) => isStoreError(error, "database-newer"));
    });

    test("a migration that fails leaves nothing of itself or of its batch", async () => {
      const db = database();
      await assert.rejects(
        db.migrate("halves", ["create table halves.a (x int)", "create tabel halves.b (x int)"]),
      );
      await db.migrate("halves", ["create table halves.a (y int)"]);
      assert.deepEqual(await db.query("select y from halves.a"), []);
    });

    test("a snapshot is of one moment, opens as a database, and what is written later is not in it", async () => {
      const db = database();
      await db.migrate("moment", ["create table moment.t (x int)"]);
      const folder = await mkdtemp(join(tmpdir(), "openledger-snapshot-"));
      let stop = false;
      const writing = (async () => {
        for (let x = 0; !stop; x++) {
          await db.transaction(async (tx) => {
            await tx.query("insert into moment.t values ($1)", [x]);
            await tx.query("insert into moment.t values ($1)", [-x - 1]);
          });
          // The embedded database never waits for anything, and timers would not get a turn.
          await sleep(0);
        }
      })();
      const committed = () => db.query<{ n: number }>("select count(*)::int as n from moment.t");
      while ((await committed())[0]!.n < 10) await sleep(5);
      const before = (await committed())[0]!.n;
      let during = false;
      await db.snapshot(join(folder, "db"), async () => {
        await assert.rejects(db.query("select 1"), (error) => isStoreError(error, "transaction-misuse"));
        during = true;
      });
      const after = (await committed())[0]!.n;
      stop = true;
      await writing;
      const copy = await reopen(join(folder, "db"));
      const [{ n } = { n: 0 }] = await copy.query<{ n: number }>("select count(*)::int as n from moment.t");
      assert.ok(during && n % 2 === 0 && n >= before && n <= after, `${before} ≤ ${n} ≤ ${after}`);
      await copy.query("insert into moment.t values (7)");
      await copy.close();
      await rm(folder, { recursive: true });
    });
  });
}
