import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { databaseSuite } from "./database-suite.ts";
import { isStoreError } from "./errors.ts";
import { openDatabase } from "./pglite.ts";
import { copyEmptyDatabase, openScratchDatabase } from "./scratch.ts";

const shared = await openScratchDatabase();
const folder = mkdtempSync(join(tmpdir(), "openledger-pglite-"));
after(async () => {
  await shared.close();
  rmSync(folder, { recursive: true, force: true });
});

databaseSuite("PGlite", () => shared, openDatabase);

const newFolder = async (name: string) => {
  const at = join(folder, name);
  await copyEmptyDatabase(at);
  return at;
};

/** A child process that opens the database and writes rows one by one, printing each once its transaction has returned. */
const writer = `
  import { openDatabase } from ${JSON.stringify(new URL("./pglite.ts", import.meta.url).href)};
  const database = await openDatabase(process.argv[1]);
  await database.migrate("crash", ["create table crash.rows (n int primary key, pad text)"]);
  const [{ from }] = await database.query("select coalesce(max(n), 0)::int as from from crash.rows");
  console.log("open");
  for (let n = from + 1; ; n++) {
    await database.transaction((tx) => tx.query("insert into crash.rows values ($1, repeat('x', 2000))", [n]));
    console.log(n);
  }
`;

function startWriter(at: string) {
  return spawn(process.execPath, ["--input-type=module", "-e", writer, at], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

test("every commit that was acknowledged survives kill -9, twice, and the dead hold no lock", async () => {
  const at = await newFolder("crash");
  let acknowledged = 0;
  for (const target of [120, 260]) {
    const child = startWriter(at);
    for await (const line of createInterface({ input: child.stdout })) {
      if (line !== "open") acknowledged = Number(line);
      if (acknowledged >= target && !child.killed) child.kill("SIGKILL");
    }
    if (child.signalCode === null) await once(child, "exit");
  }
  const database = await openDatabase(at);
  const [row] = await database.query<{ n: number; last: number }>(
    "select count(*) as n, max(n) as last from crash.rows where length(pad) = 2000",
  );
  assert.ok(row!.last >= acknowledged, `acknowledged ${acknowledged}, found ${row!.last}`);
  assert.equal(row!.n, row!.last, "no hole");
  await database.close();
});

test("a commit reaches the disk through fsync", { skip: process.platform !== "linux" }, async (t) => {
  if (spawnSync("strace", ["-V"]).error) return t.skip("strace is not installed");
  const at = await newFolder("synced");
  const commits = 50;
  const program = writer.replace("; ;", `; n <= ${commits};`).replace("console.log(n);", "");
  const traced = spawnSync(
    "strace",
    [
      "-f",
      "-y",
      "-e",
      "trace=fsync",
      process.execPath,
      "--input-type=module",
      "-e",
      `${program} process.exit();`,
      at,
    ],
    { encoding: "utf8" },
  );
  const syncs = traced.stderr.split("\n").filter((line) => /fsync\(\d+<.*pg_wal.*\) *= 0/.test(line));
  assert.ok(
    syncs.length >= commits,
    `${syncs.length} fsyncs of the log for ${commits} commits\n${traced.stderr.slice(-500)}`,
  );
});

test("a second process is told who holds the folder and what to do", async () => {
  const at = await newFolder("held");
  const child = startWriter(at);
  try {
    await once(child.stdout, "data");
    await assert.rejects(openDatabase(at), (error) => {
      assert.ok(isStoreError(error, "folder-locked"));
      assert.match(
        error.message,
        new RegExp(`in use by process ${child.pid} on ${hostname()} since 20\\d\\d-.*HTTP`),
      );
      return true;
    });
  } finally {
    child.kill("SIGINT");
    await once(child, "exit");
  }
  await (await openDatabase(at)).close();
});

test("the same process cannot open a folder twice, and can after closing", async () => {
  const at = await newFolder("twice");
  const first = await openDatabase(at);
  await assert.rejects(openDatabase(at), (error) => isStoreError(error, "folder-locked"));
  await first.close();
  await first.close();
  await assert.rejects(first.query("select 1"), (error) => isStoreError(error, "database-closed"));
  await (await openDatabase(at)).close();
});

test("of many that start at once, one gets the folder; what its note says later is told, and holds nobody up", async () => {
  const at = await newFolder("many");
  writeFileSync(join(at, "lock.json"), "{");
  const results = await Promise.allSettled(Array.from({ length: 4 }, () => openDatabase(at)));
  const opened = results.filter((result) => result.status === "fulfilled");
  assert.equal(opened.length, 1);
  for (const result of results)
    if (result.status === "rejected") assert.ok(isStoreError(result.reason, "folder-locked"), result.reason);
  writeFileSync(join(at, "lock.json"), "");
  await assert.rejects(openDatabase(at), /in use by another process/);
  await opened[0]!.value.close();
  writeFileSync(join(at, "lock.json"), JSON.stringify({ pid: 1, host: "elsewhere", since: "2020" }));
  await (await openDatabase(at)).close();
});

test("a creation that was cut short is begun again", async () => {
  const at = join(folder, "half");
  mkdirSync(join(at, "data.new", "base"), { recursive: true });
  writeFileSync(join(at, "data.new", "PG_VERSION"), "18\n");
  await (await openDatabase(at)).close();
  assert.ok(!existsSync(join(at, "data.new")));
});
