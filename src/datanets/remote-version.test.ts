import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ada, bo, card, example, lines, openWorld, owner, signed, type World } from "./fixtures/world.ts";
import { type CarriedVersion, fetchVersion, openVersion, type WantedVersion } from "./remote-version.ts";
import { datanetRoutes } from "./routes.ts";
import { createDatanets, type Datanets } from "./service.ts";
import type { VersionManifest } from "./version.ts";

let world: World;
let service: Datanets;
let ask: (path: string) => Promise<unknown>;
let wanted: WantedVersion & { manifestDigest: `0x${string}` };
let carried: CarriedVersion & { manifest: VersionManifest };

before(async () => {
  world = await openWorld();
  service = await createDatanets(world);
  const app = datanetRoutes(service);
  ask = async (path) => {
    const response = await app.request(path);
    if (!response.ok) throw new Error(`${path} answers ${response.status}`);
    return response.json();
  };
  const { datanetId } = await service.create(owner, card);
  const give = async (
    ...args: Parameters<typeof signed> extends [unknown, unknown, ...infer R] ? R : never
  ) => service.contribute(await signed(world.registry, datanetId, ...args));
  // More than a page of rows.
  await give(ada, lines(...Array.from({ length: 510 }, (_, i) => example(i))));
  await give(
    bo,
    lines(example("b"), {
      messages: [
        { role: "user", content: "a" },
        { role: "assistant", content: "é" },
      ],
    }),
  );
  await give(bo, lines(example("h1"), example("h2")), { split: "heldout" });
  const { version, root, count, manifestDigest } = await service.publishVersion(datanetId, owner);
  wanted = { datanetId: datanetId.toString(), version, root, count, manifestDigest };
  carried = (await fetchVersion(ask, wanted)) as typeof carried;
});
after(() => world.close());

test("a version read over HTTP, page by page, is the version as it is kept", async () => {
  const kept = await service.getVersion(BigInt(wanted.datanetId), wanted.version);
  const read = openVersion(JSON.parse(JSON.stringify(carried)), wanted);
  assert.deepEqual([read.rows.length, read.heldout.length], [512, 2]);
  assert.deepEqual(read.rows, kept.rows);
  assert.deepEqual(read.heldout, kept.heldout);
  assert.deepEqual([read.manifest, read.manifestDigest], [kept.manifest, kept.manifestDigest]);
  assert.deepEqual(read.proof(511), kept.proof(511));
});

test("whatever is changed on the way is refused, and named", () => {
  const { manifest, rows, heldout } = carried;
  const swap = <T>(list: readonly T[], at: number, value: T) => list.with(at, value);
  const refused = (changed: Partial<CarriedVersion>, said: RegExp, of: Partial<WantedVersion> = {}) =>
    assert.throws(() => openVersion({ ...carried, ...changed }, { ...wanted, ...of }), said);
  refused({ rows: swap(rows, 505, example(7)) }, /row 506 of contribution 0 is not example 0x/);
  refused({ rows: rows.slice(1) }, /row 1 of contribution 0/);
  refused({ rows: swap(rows, 511, { messages: "none" }) }, /row 2 of contribution 1/);
  refused({ heldout: swap(heldout, 0, example("h3")) }, /row 1 of contribution 2/);
  refused({ manifest: { ...manifest, heldout: [] } }, /manifest digest should be 0x/);
  refused({ manifest: { ...manifest, rows: manifest.rows.slice(1) } }, /its rows give 0x.* of 511/, {
    manifestDigest: undefined as never,
  });
  refused({}, /root should be 0x0{64}/, { root: `0x${"0".repeat(64)}` });
  refused({}, /rows should be 511, and is 512/, { count: 511 });
  refused({}, /Datanet should be 9/, { datanetId: "9" });
  const astray = manifest.rows.with(0, {
    ...(manifest.rows[0] as (typeof manifest.rows)[0]),
    contribution: 9,
  });
  refused({ manifest: { ...manifest, rows: astray } }, /a row names contribution 9 of 3/, {
    manifestDigest: undefined as never,
  });
});

test("a node whose pages do not add up is not asked without end", async () => {
  const short = async (path: string) => (path.includes("/rows") ? { total: 512, rows: [] } : ask(path));
  await assert.rejects(fetchVersion(short, wanted), /answers 0 rows of 512; the version's manifest has 512/);
  await assert.rejects(fetchVersion(ask, { ...wanted, version: 2 }), /answers 404/);
});
