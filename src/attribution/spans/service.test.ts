import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { textDigest } from "../../protocol/index.ts";
import { openBlobFolder, openScratchDatabase } from "../../store/index.ts";
import { openSpans, type SpanData, SpansNotReadyError } from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "openledger-span-service-"));
const database = await openScratchDatabase();
const blobs = await openBlobFolder(join(folder, "blobs"));
const logged: string[] = [];
const open = (waitMs = 30_000) =>
  openSpans({
    database,
    blobs,
    folder: join(folder, "unfinished"),
    waitMs,
    log: (line) => logged.push(line),
  });
const spans = await open();
after(async () => {
  await spans.close();
  await database.close();
  rmSync(folder, { recursive: true, force: true });
});

let read = 0;
const dataOf = (...texts: string[]): SpanData => ({
  key: textDigest(texts.join("|")),
  sources: [{ datanetId: "3", version: 2, license: "CC-BY-4.0" }],
  documents() {
    read++;
    return texts.map((text, row) => ({ texts: [text], source: 0, row, contributor: `0x${"a".repeat(40)}` }));
  },
});
const mill = dataOf("the old mill by the weir", "the miller keeps the sluice");

test("an index is built once, kept as a blob, and found again after a restart", async () => {
  const [one, two] = await Promise.all([spans.ensure(mill), spans.ensure(mill)]);
  assert.deepEqual(one, two);
  assert.equal(read, 1);
  assert.equal(one.documents, 2);
  assert.ok(await blobs.has(one.digest));
  assert.deepEqual(readdirSync(join(folder, "unfinished")), []);
  const { spans: found } = await spans.find(mill, "he keeps the sluice", { bitsMin: 0 });
  assert.equal(found[0]?.text, "keeps the sluice");
  const again = await open();
  assert.deepEqual(await again.ensure(mill), one);
  await again.close();
  assert.equal(read, 1);
});

test("a kept index that was altered or lost is built again", async () => {
  const data = dataOf("the reeve counts the sheaves");
  const { digest } = await spans.ensure(data);
  const path = await blobs.path(digest);
  const bytes = readFileSync(path);
  bytes[200] = (bytes[200] as number) ^ 1;
  writeFileSync(path, bytes);
  const ask = async () => (await spans.find(data, "counts the sheaves", { bitsMin: 0 })).spans[0]?.text;
  assert.equal(await ask(), "counts the sheaves");
  assert.match(logged.find((line) => /was altered/.test(line)) ?? "", /Build it again/);
  assert.deepEqual((await spans.ensure(data)).digest, digest);
  rmSync(path);
  assert.equal(await ask(), "counts the sheaves");
  assert.ok(await blobs.has(digest));
});

test("who asks while an index is built is told to come back, and a build that fails says why", async () => {
  const { promise: gate, resolve: release } = Promise.withResolvers<[]>();
  const hasty = await open(1);
  await assert.rejects(hasty.find({ ...dataOf("slow"), documents: () => gate }, "x"), SpansNotReadyError);
  release([]);
  await hasty.close();
  const broken = {
    ...dataOf("broken"),
    documents: () => {
      throw new Error("The Datanet cannot be read.");
    },
  };
  await assert.rejects(spans.ensure(broken), /cannot be read/);
  const long = dataOf("x".repeat(2 ** 21 + 1), "y");
  await assert.rejects(spans.ensure(long), /at most 2097152/);
  assert.deepEqual(readdirSync(join(folder, "unfinished")), []);
});
