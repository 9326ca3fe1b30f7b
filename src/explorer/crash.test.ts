import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { chainClients, type EmbeddedChain } from "../chain/index.ts";
import { type Database, openDatabase, openScratchDatabase, type Transaction } from "../store/index.ts";
import { copyEmptyDatabase } from "../store/scratch.ts";
import {
  alice,
  bob,
  contracts,
  dependencies,
  dump,
  indexAll,
  instances,
  openTestChain,
  runMixed,
  sample,
  sampleCall,
  sendRaw,
} from "./fixtures/world.ts";
import { openExplorer } from "./index.ts";
import { perBlock } from "./tables.ts";
import { forgetAll, readCursor } from "./write.ts";

const folder = mkdtempSync(join(tmpdir(), "openledger-explorer-"));
const chainFolder = join(folder, "chain");
let chain: EmbeddedChain;
let database: Database;
/** All tables after a run that nothing interrupted. */
let whole: Record<string, string[]>;

before(async () => {
  chain = await openTestChain(chainFolder);
  await runMixed(chain);
  const writer = chainClients({ embedded: chain, account: alice });
  for (let i = 0; i < 40; i++) {
    const data = i % 3 === 0 ? sampleCall("requireCount", [10n ** 9n]) : sampleCall("increment");
    await sendRaw(writer, i % 2 === 0 ? alice : bob, { to: sample, data });
  }
  database = await openScratchDatabase();
  await indexAll(chain, database);
  whole = await dump(database);
  assert.ok(whole.transactions!.length > 60 && whole.logs!.length > 30 && whole.contracts!.length > 5);
});
after(async () => {
  await database.close();
  await chain.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Cursor and rows say the same, and no block is missing or too much. */
async function assertAgreement(db: Database): Promise<number | undefined> {
  const cursor = await readCursor(db);
  const [blocks] = await db.query<{ n: number; last: number | null }>(
    "select count(*)::int as n, max(number) as last from explorer.blocks",
  );
  assert.equal(blocks!.last, cursor?.blockNumber ?? null);
  assert.equal(blocks!.n, (cursor?.blockNumber ?? -1) + 1);
  const [rows] = await db.query<{ transactions: number; logs: number; beyond: number }>(
    `select (select count(*)::int from explorer.transactions) as transactions, (select count(*)::int from explorer.logs) as logs,
       (select count(*)::int from explorer.activity where position >= $1) as beyond`,
    [((cursor?.blockNumber ?? -1) + 1) * perBlock || 1],
  );
  if (cursor !== undefined)
    assert.deepEqual([rows!.transactions, rows!.logs, rows!.beyond], [cursor.transactions, cursor.logs, 0]);
  return cursor?.blockNumber;
}

/** Real transactions, with the power cut before or after their nth statement, or right after they are committed. */
function cutAt(
  db: Database,
  at: number | "committed",
  batches: number,
): { database: Database; cuts: () => number } {
  let cuts = 0;
  let seen = 0;
  const transaction: Database["transaction"] = async (body) => {
    const mine = ++seen;
    const result = await db.transaction((tx) => {
      let statements = 0;
      const cutting: Transaction = {
        ...tx,
        query: async (sql, params) => {
          const rows = await tx.query(sql, params);
          if (mine === batches && ++statements === at && cuts++ === 0) throw new Error("power cut");
          return rows as never;
        },
      };
      return body(cutting);
    });
    if (at === "committed" && mine === batches && cuts++ === 0) throw new Error("power cut");
    return result;
  };
  return { database: { ...db, transaction }, cuts: () => cuts };
}

const batch = { blocks: 7, transactions: 12 };

test("a power cut after any statement of a batch, or after its commit, leaves no gap and nothing twice", async () => {
  let cutsAltogether = 0;
  for (const at of [1, 2, 3, 4, 5, 6, 7, 8, 9, "committed"] as const) {
    for (const batches of at === "committed" ? [1, 3] : [1, 2, 3]) {
      await database.transaction(forgetAll);
      const cut = cutAt(database, at, batches);
      // It dies at the first trouble; another process opens the same database and goes on.
      const troubled = Promise.withResolvers<void>();
      const log = (_: string, message: string) => message.includes("power cut") && troubled.resolve();
      const first = await openExplorer(dependencies(chain, cut.database, { batch, log }));
      await Promise.race([troubled.promise, first.reached(chain.status().blockNumber)]);
      await first.close();
      if (cut.cuts() > 0) {
        cutsAltogether++;
        await assertAgreement(database);
      }
      await indexAll(chain, database, { batch });
      assert.deepEqual(await dump(database), whole, `statement ${at} of batch ${batches}`);
    }
  }
  console.log(`${cutsAltogether} cuts, each time the same tables in the end`);
  assert.ok(cutsAltogether >= 20);
});

test("the same process goes on by itself after a failed batch, and after a commit whose answer was lost", async () => {
  for (const at of [2, 4, "committed"] as const) {
    await database.transaction(forgetAll);
    const cut = cutAt(database, at, 2);
    await indexAll(chain, cut.database, { batch });
    assert.equal(cut.cuts(), 1);
    assert.deepEqual(await dump(database), whole, `cut at ${at}`);
  }
});

test("a chain that fails now and then while it is read delays the index and changes nothing", async () => {
  await database.transaction(forgetAll);
  let requests = 0;
  let failures = 0;
  const request: typeof chain.request = (args) => {
    if (++requests % 37 === 0) {
      failures++;
      return Promise.reject(new Error("the connection is gone"));
    }
    return chain.request(args);
  };
  const access = { chainId: chain.chainId, request, trace: chain.trace };
  await indexAll(chain, database, { batch, chain: access });
  assert.ok(failures >= 2, `${failures} failures`);
  assert.deepEqual(await dump(database), whole);
});

test("batches of any size make the same tables", async () => {
  for (const blocks of [1, 1_000]) {
    await database.transaction(forgetAll);
    await indexAll(chain, database, { batch: { blocks, transactions: blocks } });
    assert.deepEqual(await dump(database), whole);
  }
});

test("a process killed again and again in the middle of indexing ends with the same tables", async () => {
  const databaseFolder = join(folder, "db");
  const known = join(folder, "known.json");
  writeFileSync(known, JSON.stringify({ contracts, instances }));
  await copyEmptyDatabase(databaseFolder);
  await chain.close();
  let kills = 0;
  const cameTo: (number | undefined)[] = [];
  for (let done = false; !done; ) {
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL("./fixtures/indexing.ts", import.meta.url)), chainFolder, databaseFolder, known],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    const ended = new Promise((resolve) => child.once("exit", resolve));
    let batches = 0;
    let printed: number | undefined;
    let killing = false;
    for await (const line of createInterface({ input: child.stdout })) {
      if (line === "done") done = true;
      if (/^\d+$/.test(line)) {
        printed = Number(line);
        // Some milliseconds into the next batch: while it is read, while it is written, or as it commits.
        if (++batches === 3 && kills < 4) {
          killing = true;
          setTimeout(() => child.kill("SIGKILL"), kills * 7);
        }
      }
    }
    await ended;
    if (done) break;
    assert.ok(killing, "the process ended by itself");
    kills++;
    await using reopened = await openDatabase(databaseFolder);
    const reached = await assertAgreement(reopened);
    assert.ok(
      reached !== undefined && reached >= printed!,
      `block ${printed} was said to be committed; ${reached} is`,
    );
    cameTo.push(reached);
  }
  console.log(`killed ${kills} times, at blocks ${cameTo.join(", ")}`);
  assert.ok(kills >= 4);
  const killed = await openDatabase(databaseFolder);
  assert.deepEqual(await dump(killed), whole);
  await killed.close();
  chain = await openTestChain(chainFolder);
});
