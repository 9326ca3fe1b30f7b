import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import type { Digest } from "./blobs.ts";
import { openBlobFolder } from "./blobs-folder.ts";
import { collectGarbage } from "./garbage.ts";
import { openScratchDatabase } from "./scratch.ts";

const folder = await mkdtemp(join(tmpdir(), "openledger-garbage-"));
const database = await openScratchDatabase();
await database.migrate("garbage", [
  `create table garbage.plain (digest text);
   create table garbage.nested (value jsonb not null);
   create table garbage.lists (digests text[] not null);
   create table garbage."odd name" ("the ""column""" text);`,
]);
after(async () => {
  await database.close();
  await rm(folder, { recursive: true, force: true });
});
let count = 0;
const newBlobs = () => openBlobFolder(join(folder, `${count++}`));

/** Every way a room may name a blob. */
const places = [
  {
    name: (d: Digest) => database.query("insert into garbage.plain values ($1)", [d]),
    unname: (d: Digest) => database.query("delete from garbage.plain where digest = $1", [d]),
  },
  {
    name: (d: Digest) =>
      database.query("insert into garbage.nested values ($1)", [JSON.stringify({ index: { rows: [1, d] } })]),
    unname: (d: Digest) => database.query("delete from garbage.nested where value::text like $1", [`%${d}%`]),
  },
  {
    name: (d: Digest) => database.query("insert into garbage.lists values (array['other', $1::text])", [d]),
    unname: (d: Digest) => database.query("delete from garbage.lists where $1 = any(digests)", [d]),
  },
  {
    name: (d: Digest) => database.query(`insert into garbage."odd name" values ($1)`, [`see ${d}.`]),
    unname: (d: Digest) =>
      database.query(`delete from garbage."odd name" where "the ""column""" like $1`, [`%${d}%`]),
  },
];
/** As if an hour had passed: everything stored so far is older than the grace. */
const later = { graceMs: 1_000, now: () => Date.now() + 3_600_000 };
const place = fc.nat(places.length - 1);
const blob = fc.nat(5);
const steps = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant("put" as const), blob }),
    fc.record({ do: fc.constant("name" as const), blob, place }),
    fc.record({ do: fc.constant("unname" as const), blob, place }),
    fc.record({
      do: fc.constant("collect" as const),
      dryRun: fc.boolean(),
      batch: fc.integer({ min: 1, max: 3 }),
    }),
  ),
  { maxLength: 25 },
);

test("whatever is stored, named, unnamed and collected in whichever order, nothing named is lost and nothing unnamed stays", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      const blobs = await newBlobs();
      await database.query(`truncate garbage.plain, garbage.nested, garbage.lists, garbage."odd name"`);
      const bytes = (i: number) => new Uint8Array([i, 7]);
      const digests = new Map<number, Digest>();
      const named = new Set<string>();
      for (const step of list) {
        if (step.do === "put") digests.set(step.blob, await blobs.put(bytes(step.blob)));
        else if (step.do === "name") {
          // Who names a blob stores it first.
          const digest = await blobs.put(bytes(step.blob));
          digests.set(step.blob, digest);
          await places[step.place]!.name(digest);
          named.add(`${step.blob} ${step.place}`);
        } else if (step.do === "unname") {
          const digest = digests.get(step.blob);
          if (digest !== undefined) await places[step.place]!.unname(digest);
          named.delete(`${step.blob} ${step.place}`);
        } else {
          const { dryRun, batch } = step;
          const young = await collectGarbage({ database, blobs, batch });
          assert.equal(young.removed, 0, "within the grace nothing is removed");
          const { removed } = await collectGarbage({ database, blobs, dryRun, batch, ...later });
          for (const [i, digest] of digests) {
            const isNamed = places.some((_, p) => named.has(`${i} ${p}`));
            assert.equal(await blobs.has(digest), isNamed || (dryRun && (await blobs.has(digest))));
            if (isNamed) assert.deepEqual(await blobs.get(digest), bytes(i));
            else if (!dryRun) digests.delete(i);
          }
          if (!dryRun)
            assert.equal(
              (await collectGarbage({ database, blobs, ...later })).removed,
              0,
              `${removed} before`,
            );
        }
      }
    }),
    { numRuns: 25 },
  );
});

test("what is stored and named while garbage is collected stays", async () => {
  const blobs = await newBlobs();
  await database.query("truncate garbage.plain");
  let stop = false;
  const collecting = (async () => {
    // Blobs of this test are a second old at most: they are within this grace, as a day is for a node.
    while (!stop) await collectGarbage({ database, blobs, graceMs: 3_000 });
  })();
  const named: Digest[] = [];
  for (let i = 0; i < 60; i++) {
    const digest = await blobs.put(new Uint8Array([i, 1]));
    await blobs.put(new Uint8Array([i, 2]));
    await places[0]!.name(digest);
    named.push(digest);
  }
  stop = true;
  await collecting;
  for (const digest of named) assert.ok(await blobs.has(digest));
  const { looked, named: kept, removed } = await collectGarbage({ database, blobs, ...later });
  assert.deepEqual([looked, kept, removed], [120, 60, 60]);
});

test("a put between mark and sweep keeps its blob", async () => {
  const blobs = await newBlobs();
  const digest = await blobs.put(new Uint8Array([9]));
  const slow = {
    ...blobs,
    remove: async (d: Digest, _: number) => {
      await blobs.put(new Uint8Array([9]));
      return blobs.remove(d, Date.now() - 60_000);
    },
  };
  assert.equal((await collectGarbage({ database, blobs: slow, ...later })).removed, 0);
  assert.ok(await blobs.has(digest));
});
