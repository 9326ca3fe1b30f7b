import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { serve } from "@hono/node-server";
import { openBlobFolder, openScratchDatabase } from "../store/index.ts";
import { askNode } from "./ask-node.ts";
import { DatanetError } from "./errors.ts";
import { ada, bo, card, example, lines, openWorld, owner, signed, type World } from "./fixtures/world.ts";
import type { Ask } from "./remote-version.ts";
import { datanetRoutes } from "./routes.ts";
import { createDatanets, type Datanets } from "./service.ts";

let world: World;
let here: Datanets;
let datanetId: bigint;
let ask: Ask;
const folder = mkdtempSync(join(tmpdir(), "openledger-import-"));
const closing: (() => Promise<unknown>)[] = [];

before(async () => {
  world = await openWorld();
  const there = await createDatanets(world);
  ({ datanetId } = await there.create(owner, card));
  await there.contribute(await signed(world.registry, datanetId, ada, lines(example(1), example(2))));
  await there.contribute(
    await signed(world.registry, datanetId, bo, lines(example(3)), { split: "heldout" }),
  );
  await there.publishVersion(datanetId, owner);
  const routes = datanetRoutes(there);
  const server = await new Promise<ReturnType<typeof serve>>((ready) => {
    const opened = serve({ fetch: routes.fetch, port: 0, hostname: "127.0.0.1" }, () => ready(opened));
  });
  closing.push(() => new Promise((done) => server.close(done)));
  ask = askNode(`http://127.0.0.1:${(server.address() as { port: number }).port}`);
  const database = await openScratchDatabase();
  closing.push(() => database.close());
  const blobs = await openBlobFolder(join(folder, "blobs"));
  here = await createDatanets({ ...world, database, blobs });
});
after(async () => {
  for (const close of closing) await close();
  await world.close();
  rmSync(folder, { recursive: true, force: true });
});

const refused = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof DatanetError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, message);
  return true;
};

test("what another node says is not believed, and nothing is kept of it", async () => {
  type Json = Record<string, unknown>;
  const changed =
    (at: RegExp, change: (answer: Json) => unknown): Ask =>
    async (path, bytesMax) => {
      const answer = await ask(path, bytesMax);
      return at.test(path) ? change(answer as Json) : answer;
    };
  const rows = /rows\?split=train/;
  const page = (await ask(`/v1/datanets/${datanetId}/versions/1/rows`, 10_000)) as { rows: Json[] };
  const [first, second] = page.rows;
  for (const [asked, message] of [
    [changed(rows, (answer) => ({ ...answer, rows: [second, first] })), /is not example/],
    [changed(rows, (answer) => ({ ...answer, rows: [first] })), /is not example/],
    [changed(rows, (answer) => ({ ...answer, total: 3 })), /2 rows of 3; the version's manifest has 2/],
    [changed(/split=heldout/, (answer) => ({ ...answer, rows: [first] })), /is not example/],
    [changed(/manifest$/, (manifest) => ({ ...manifest, license: "MIT" })), /should be .* and is/],
    [changed(/manifest$/, () => "<html>"), /expected object/],
    [changed(/\d$/, (datanet) => ({ ...datanet, name: "Another" })), /expected a card of digest/],
    [changed(/\d$/, () => null), /got none/],
  ] as const)
    await assert.rejects(here.importVersion(asked, datanetId, 1), refused("bad-import", message));
  await assert.rejects(here.importVersion(ask, datanetId, 2), refused("unknown-version", /chain knows no/));
  await assert.rejects(here.importVersion(ask, 99n, 1), refused("unknown-version", /chain knows no/));
  assert.deepEqual(await here.list({ limit: 10 }), []);
  for (const address of ["file:///etc/passwd", "nonsense", "http://user:secret@127.0.0.1"])
    assert.throws(() => askNode(address), refused("bad-import", /no node's address/));
  const closed = refused("bad-import", /cannot be had: bad port/);
  await assert.rejects(askNode("http://127.0.0.1:1")("/", 10), closed);
});

test("of a node that lies no more is read than shows it, nor longer answers than there can be", async () => {
  const asked: { path: string; bytesMax: number }[] = [];
  const lying =
    (at: RegExp, lie: object): Ask =>
    async (path, bytesMax) => {
      asked.push({ path: path.slice(path.lastIndexOf("/") + 1), bytesMax });
      const answer = (await ask(path, bytesMax)) as object;
      return at.test(path) ? { ...answer, ...lie } : answer;
    };
  const many = Array.from({ length: 10_000 }, () => ({
    contribution: 0,
    position: 0,
    digest: `0x${"1".repeat(64)}`,
  }));
  await assert.rejects(
    here.importVersion(lying(/manifest$/, { rows: many }), datanetId, 1),
    refused("bad-import", /manifest digest should be/),
  );
  assert.deepEqual(
    asked.splice(0).map(({ path }) => path),
    [String(datanetId), "manifest"],
  );
  await assert.rejects(
    here.importVersion(lying(/split=train/, { rows: [{ example: example(9) }] }), datanetId, 1),
    refused("bad-import", /Row 0 of the training rows is not example 0x/),
  );
  const mebibyte = 2 ** 20;
  assert.deepEqual(asked, [
    { path: String(datanetId), bytesMax: mebibyte },
    { path: "manifest", bytesMax: mebibyte + 2 * 2_048 },
    { path: "rows?split=train&offset=0&limit=500", bytesMax: 64 * mebibyte },
  ]);
  const server = serve({ fetch: () => new Response("x".repeat(1_000)), port: 0, hostname: "127.0.0.1" });
  closing.push(() => new Promise((done) => server.close(done)));
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  await assert.rejects(
    askNode(`http://127.0.0.1:${port}`)("/", 999),
    refused("bad-import", /it is longer than 999 bytes/),
  );
});

test("a version is copied to the last byte, once; only its own node publishes the next", async () => {
  const imported = await here.importVersion(ask, datanetId, 1);
  assert.deepEqual([imported.created, imported.count, imported.heldoutCount], [true, 2, 1]);
  assert.equal((await here.importVersion(ask, datanetId, 1)).created, false);
  const copy = await here.getVersion(datanetId, 1);
  assert.deepEqual(
    [...copy.rows, ...copy.heldout].map((row) => [row.contributor, row.example]),
    [
      [ada.address.toLowerCase(), example(1)],
      [ada.address.toLowerCase(), example(2)],
      [bo.address.toLowerCase(), example(3)],
    ],
  );
  assert.equal((await here.get(datanetId)).name, card.name);
  const exported = await here.exportVersion(datanetId, 1, "rows.jsonl", "http://node");
  assert.equal(new TextDecoder().decode(exported.bytes).split("\n").length, 4);
  const elsewhere = refused("imported-datanet", /Publish there/);
  await assert.rejects(here.publishVersion(datanetId, owner), elsewhere);
});
