import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { parquetReadObjects } from "hyparquet";
import { parse } from "yaml";
import { exampleSchema } from "../../protocol/index.ts";
import { ada, bo, card, example, lines, openWorld, owner, signed, type World } from "../fixtures/world.ts";
import { createDatanets, type Datanets } from "../service.ts";
import type { ExportName } from "./index.ts";

let world: World;
let service: Datanets;
let datanetId: bigint;
const talk = {
  messages: [
    { role: "user", content: 'Say "é|\\n",\nplease' },
    { role: "assistant", content: "=1+1" },
  ],
};

before(async () => {
  world = await openWorld();
  service = await createDatanets(world);
  const hostile = { ...card, name: "A | name\n# of `two` lines", description: "<script>alert(1)</script>" };
  ({ datanetId } = await service.create(owner, hostile));
  await service.contribute(await signed(world.registry, datanetId, ada, lines(example(1), talk)));
  const heldout = await signed(world.registry, datanetId, bo, lines(example(3)), { split: "heldout" });
  await service.contribute(heldout);
  await service.publishVersion(datanetId, owner);
});
after(() => world.close());

const url = "http://node/v1/datanets/1/versions/1/files";
const file = (name: ExportName) => service.exportVersion(datanetId, 1, name, url);
const text = async (name: ExportName) => new TextDecoder().decode((await file(name)).bytes);

test("JSON Lines and Parquet hold the same rows, and the examples as they were given", async () => {
  const given = (await text("rows.jsonl"))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    given.map(({ split, digest, contributor, consent, license, ...shown }) => {
      assert.match(`${digest} ${contributor} ${consent} ${license}`, /^0x\w{64} 0x\w{40} 0x\w{64} CC0-1.0$/);
      return [split, exampleSchema.parse(shown)];
    }),
    [
      ["train", example(1)],
      ["train", talk],
      ["heldout", example(3)],
    ],
  );
  const { bytes } = await file("rows.parquet");
  const rows = await parquetReadObjects({ file: new Uint8Array(bytes).buffer });
  assert.deepEqual(
    rows.map(({ messages, prompt, completion, ...facts }) => ({
      ...(messages === null ? { prompt, completion } : { messages: JSON.parse(messages) }),
      ...facts,
    })),
    given,
  );
  assert.deepEqual((await file("rows.parquet")).bytes, bytes, "the same rows give the same bytes");
});

test("Croissant names the files with their digests, and a field for each column", async () => {
  const described = JSON.parse(await text("croissant.json"));
  assert.equal(described.conformsTo, "http://mlcommons.org/croissant/1.1");
  for (const required of [
    "@context",
    "@type",
    "name",
    "description",
    "license",
    "url",
    "creator",
    "datePublished",
  ])
    assert.ok(described[required], required);
  for (const { name, contentUrl, sha256, contentSize } of described.distribution) {
    const { bytes } = await file(name);
    assert.equal(contentUrl, `${url}/${name}`);
    assert.equal(contentSize, `${bytes.length} B`);
    assert.equal(sha256, createHash("sha256").update(bytes).digest("hex"));
  }
  const { bytes } = await file("rows.parquet");
  const [row] = await parquetReadObjects({ file: new Uint8Array(bytes).buffer });
  const columns = described.recordSet[0].field.map(
    (field: { source: { extract: { column: string } } }) => field.source.extract.column,
  );
  assert.deepEqual(columns.sort(), Object.keys(row as object).sort());
});

test("a dataset card says what is in it, and nobody's name breaks out of it", async () => {
  const [, front, body] = (await text("README.md")).split(/^---$/m) as [string, string, string];
  const { license, pretty_name, size_categories } = parse(front);
  assert.deepEqual(
    [license, pretty_name, size_categories],
    ["cc0-1.0", "A | name\n# of `two` lines", ["n<1K"]],
  );
  assert.match(body, /^# A \\\| name \\# of \\`two\\` lines, version 1$/m);
  assert.ok(!body.includes("<script>"));
  assert.match(body, new RegExp(`\\| .${ada.address.toLowerCase()}. \\| 2 \\|`));
});
