import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Jobs } from "./jobs.ts";
import { openJobs } from "./jobs-database.ts";
import { jobsSuite } from "./jobs-suite.ts";
import { openDatabase } from "./pglite.ts";
import { copyEmptyDatabase, openScratchDatabase } from "./scratch.ts";

const database = await openScratchDatabase();
const folder = mkdtempSync(join(tmpdir(), "openledger-jobs-"));
after(async () => {
  await database.close();
  rmSync(folder, { recursive: true, force: true });
});

jobsSuite(
  "database",
  () => database,
  () => openJobs(database),
);

test("a job that runs when the process is killed runs again after the restart, until its attempts are used up", async () => {
  await copyEmptyDatabase(folder);
  const href = (name: string) => JSON.stringify(new URL(name, import.meta.url).href);
  const program = `
    import { openDatabase } from ${href("./pglite.ts")};
    import { openJobs } from ${href("./jobs-database.ts")};
    const database = await openDatabase(process.argv[1]);
    const jobs = await openJobs(database);
    await database.transaction((tx) => jobs.enqueue(tx, "killer", "a", null));
    jobs.work("killer", ({ attempt }) => { console.log(attempt); return new Promise(() => {}); }, { maxAttempts: 2 });
  `;
  for (const attempt of ["1\n", "2\n"]) {
    const child = spawn(process.execPath, ["--input-type=module", "-e", program, folder], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [output] = await once(child.stdout, "data");
    assert.equal(String(output), attempt);
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  await using reopened = await openDatabase(folder);
  await using jobs = await openJobs(reopened);
  assert.equal((await jobs.list())[0]?.state, "waiting");
  let runs = 0;
  jobs.work("killer", async () => void runs++, { maxAttempts: 2 });
  await jobs.drain();
  assert.equal(runs, 0);
  const [failed] = await jobs.list({ state: "failed" });
  assert.match(failed?.error ?? "", /ended during each of 2 attempts/);
});

test("a job asked for before the clock was set back by hours is done now; one that waits for its next attempt still waits", async () => {
  await using jobs = await openJobs(database);
  await database.transaction((tx) => jobs.enqueue(tx, "clock", "hours", null));
  await database.transaction((tx) => jobs.enqueue(tx, "clock", "minutes", null));
  const later = "update jobs.queue set run_at_ms = run_at_ms + $2 where kind = 'clock' and key = $1";
  await database.query(later, ["hours", 3 * 3_600_000]);
  await database.query(later, ["minutes", 4 * 60_000]);
  const done = Promise.withResolvers<void>();
  const ran: string[] = [];
  jobs.work("clock", async ({ key }) => {
    ran.push(key);
    done.resolve();
  });
  await done.promise;
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(ran, ["hours"]);
});

test("jobs that are done are forgotten once many were asked for after them; one that failed is kept", async () => {
  const own = await openScratchDatabase();
  const ask = (jobs: Jobs, kind: string, key: string) =>
    own.transaction((tx) => jobs.enqueue(tx, kind, key, null));
  const keys = async (jobs: Jobs) => (await jobs.list()).map(({ key }) => key);
  const before = await openJobs(own, { remembered: 3 });
  before.work("bad", () => Promise.reject(new Error("no")), { maxAttempts: 1 });
  before.work("good", async () => {});
  await ask(before, "bad", "failed");
  for (const key of ["a", "b", "c", "d", "e"]) await ask(before, "good", key);
  await before.drain();
  await before.close();
  const jobs = await openJobs(own, { remembered: 3 });
  assert.deepEqual(await keys(jobs), ["e", "d", "c", "failed"]);
  jobs.work("good", async () => {}, { concurrency: 64 });
  await own.query(
    `insert into jobs.queue (kind, key, payload, state, run_at_ms, enqueued_at_ms)
     select 'good', 'many ' || n, 'null', 'waiting', 0, 0 from generate_series(1, 1024) as n`,
  );
  await ask(jobs, "good", "last");
  await jobs.drain();
  const known = await keys(jobs);
  assert.ok(known.length <= 6, `${known.length} are known`);
  assert.deepEqual([known[0], known.at(-1)], ["last", "failed"]);
  await jobs.close();
  await own.close();
});
