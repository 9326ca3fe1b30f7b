import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Digest, zeroDigest } from "../protocol/index.ts";
import { openDataKeys, openSealedBlobs, type SealedBlobs } from "../store/index.ts";
import { ada, bo, card, example, lines, openWorld, owner, signed, type World } from "./fixtures/world.ts";
import { createDatanets, type Datanets } from "./service.ts";

let world: World;
let sealed: SealedBlobs;
let service: Datanets;
let made = 0;
const gated = { kind: "request", terms: "For research only." } as const;

before(async () => {
  world = await openWorld();
  const { database, blobs, folder } = world;
  const keys = await openDataKeys(database, join(folder, "master-key"));
  sealed = await openSealedBlobs({ database, blobs, keys, plainFolder: join(folder, "plain") });
  service = await createDatanets({ ...world, sealed });
});
after(() => world.close());

const datanet = async () => (await service.create(owner, { ...card, name: `Texts ${made++}` })).datanetId;
const give = async (datanetId: bigint, by: typeof ada, ...texts: object[]) =>
  service.contribute(await signed(world.registry, datanetId, by, lines(...texts)));
const plainFiles = (text: string) =>
  readdirSync(join(world.folder, "blobs"), { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && readFileSync(join(entry.parentPath, entry.name)).includes(text),
  ).length;

test("a text that an open Datanet has, too, stays as it is; a private one's goes, and both are read", async () => {
  const [open, closed] = [await datanet(), await datanet()];
  await give(open, ada, example("shared"));
  await give(closed, bo, example("shared"));
  await give(closed, bo, example("own"));
  await service.access.setRule(closed, gated);
  assert.deepEqual([plainFiles("number after shared"), plainFiles("number after own")], [1, 0]);
  for (const id of [open, closed]) {
    const { version } = await service.publishVersion(id, owner);
    assert.equal((await service.getVersion(id, version)).rows.length, id === open ? 1 : 2);
  }
  // Once the other is private as well, nothing is left.
  await service.access.setRule(open, gated);
  assert.equal(plainFiles("number after shared"), 0);
  assert.deepEqual(await service.access.privateOnes(), [open, closed]);
  // Opened again, it takes texts as they are, and reads what is encrypted.
  await service.access.setRule(open, { kind: "public" });
  await give(open, ada, example("later"));
  assert.equal(plainFiles("number after later"), 1);
  assert.equal((await service.preview(open, linesOf(example("shared")))).rows[0]?.status, "duplicate");
});

async function* linesOf(...examples: object[]) {
  yield new TextEncoder().encode(lines(...examples));
}

test("bytes that something outside this room names stay", async () => {
  const id = await datanet();
  await give(id, ada, example("filed"));
  const [row] = await world.database.query<{ digest: Digest }>(
    "select text_digest as digest from datanets.contributions where datanet_id = $1",
    [id],
  );
  await world.database.migrate("elsewhere", ["create table elsewhere.files (digest text)"]);
  await world.database.query("insert into elsewhere.files values ($1)", [row?.digest]);
  await service.access.setRule(id, gated);
  assert.equal(plainFiles("number after filed"), 1);
});

test("what a crash cut short, or an older version left, the next start ends: proposals too", async () => {
  const id = await datanet();
  const report = await give(id, ada, example("before"));
  const proposal = JSON.stringify({ prompt: "A curator would have", completion: " it so." });
  await world.database.query(
    `insert into datanets.reviews (row_id, curator, decision, reason, proposal, reviewed_at_ms)
     select id, $2, 'reject', 'unclear', $3, 0 from datanets.rows where contribution_id = $1`,
    [report.contributionId, owner.address.toLowerCase(), proposal],
  );
  await world.database.query("update datanets.datanets set access = $2 where id = $1", [id, gated]);
  assert.equal(plainFiles("number after before"), 1);
  service = await createDatanets({ ...world, sealed });
  assert.equal(plainFiles("number after before"), 0);
  const [row] = (await service.getContribution(report.contributionId)).rows;
  assert.deepEqual(row?.reviews?.[0]?.proposal, JSON.parse(proposal));
  const left = await world.database.query(
    "select 1 from datanets.reviews where proposal like '{%' union select 1 from datanets.datanets where id = $1 and is_plain",
    [id],
  );
  assert.deepEqual(left, []);
});

test("removing waits for what must not lose it meanwhile", async () => {
  const later: (() => Promise<void>)[] = [];
  const busy = await createDatanets({ ...world, sealed, whenQuiet: async (work) => void later.push(work) });
  const id = await datanet();
  await give(id, ada, example("held"));
  await busy.access.setRule(id, gated);
  assert.equal(plainFiles("number after held"), 1, "a backup may be reading it");
  for (const work of later) await work();
  assert.equal(plainFiles("number after held"), 0);
  assert.notEqual((await service.publishVersion(id, owner)).root, zeroDigest);
});
