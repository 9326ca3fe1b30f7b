import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openBlobFolder } from "./blobs-folder.ts";
import { blobsSuite } from "./blobs-suite.ts";

const folder = await mkdtemp(join(tmpdir(), "openledger-blobs-"));
after(() => rm(folder, { recursive: true, force: true }));

let count = 0;
const newFolder = () => join(folder, `${count++}`);

blobsSuite("folder", async (maxBytes) => {
  const blobs = await openBlobFolder(newFolder(), maxBytes === undefined ? {} : { maxBytes });
  const damage = async (digest: `0x${string}`) => {
    const path = await blobs.path(digest);
    const bytes = await readFile(path);
    bytes[0]! ^= 1;
    await writeFile(path, bytes);
  };
  return { blobs, damage };
});

test("blobs outlive the store that wrote them", async () => {
  const at = newFolder();
  const bytes = new TextEncoder().encode("kept");
  const digest = await (await openBlobFolder(at)).put(bytes);
  assert.deepEqual(await (await openBlobFolder(at)).get(digest), bytes);
});

test("an unfinished write is removed after an hour, not before, and nothing is left by finished ones", async () => {
  const at = newFolder();
  const blobs = await openBlobFolder(at);
  await blobs.put(new Uint8Array(3));
  const unfinished = join(at, "unfinished");
  assert.deepEqual(await readdir(unfinished), []);
  for (const name of ["old", "young"]) await writeFile(join(unfinished, name), "half");
  const twoHoursAgo = new Date(Date.now() - 7_200_000);
  await utimes(join(unfinished, "old"), twoHoursAgo, twoHoursAgo);
  await openBlobFolder(at);
  assert.deepEqual(await readdir(unfinished), ["young"]);
});
