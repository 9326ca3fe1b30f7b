/** A database of any earlier version comes up to this one with what is in it. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { openScratchDatabase } from "../store/index.ts";
import { roomMigrations } from "./fixtures/room-migrations.ts";

const read = (name: string) => readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8");
const released: Record<string, string[]> = JSON.parse(read("released-tables.json"));
const firstRows = read("first-rows.sql");
const now = await roomMigrations();
const database = await openScratchDatabase();
after(() => database.close());

async function forget(): Promise<void> {
  for (const room of now.keys()) await database.query(`drop schema if exists "${room}" cascade`);
  await database.query("delete from store.migrations");
}
const shape = () =>
  database.query(
    `select table_schema, table_name, column_name, data_type, is_nullable, column_default from information_schema.columns
     where table_schema = any($1) order by 1, 2, 3`,
    [[...now.keys()]],
  );
const counts = async () => {
  const tables = [...firstRows.matchAll(/insert into (\S+)/g)].map(([, table]) => table as string);
  const found = new Set(tables);
  return Promise.all(
    [...found].map(
      async (table) => (await database.query(`select '${table}' as table, count(*)::int from ${table}`))[0],
    ),
  );
};

test("what was released never changes, and no room has gone", () => {
  for (const [room, list] of Object.entries(released))
    for (const [i, sql] of list.entries()) assert.equal(now.get(room)?.[i], sql, `migration ${i} of ${room}`);
});

test("from each earlier version of each room, with rows of the first, to the tables of a new node", async () => {
  for (const [room, list] of now) await database.migrate(room, list);
  const expected = await shape();
  const longest = Math.max(...[...now.values()].map((list) => list.length));
  for (let version = 1; version <= longest; version++) {
    await forget();
    for (const [room, list] of now) await database.migrate(room, list.slice(0, 1));
    await database.transaction((tx) => tx.script(firstRows));
    const before = await counts();
    for (const [room, list] of now) await database.migrate(room, list.slice(0, version));
    for (const [room, list] of now) await database.migrate(room, list);
    assert.deepEqual(await shape(), expected, `from version ${version}`);
    assert.deepEqual(await counts(), before, "no row is lost");
  }
});

test("rows of the first version mean the same afterwards", async () => {
  const one = async (sql: string) => (await database.query(sql))[0];
  assert.deepEqual(await database.query("select position, status from datanets.rows order by position"), [
    { position: 0, status: "accepted" },
    { position: 1, status: "duplicate" },
  ]);
  const requests = await database.query(
    `select id, state, reserved_wei as "wei", choice from inference.requests order by id`,
  );
  assert.deepEqual(requests, [
    { id: "a", state: "generated", wei: 2n ** 256n - 1n, choice: 0 },
    { id: "b", state: "receipted", wei: 1n, choice: 0 },
  ]);
  assert.deepEqual(await one("select accepted_to as wei, third from settlement.channels"), {
    wei: 7n,
    third: false,
  });
  assert.deepEqual(
    await one("select manifest -> 'adapter' ->> 'digest' as adapter from modelfactory.releases"),
    { adapter: "0xad" },
  );
});
