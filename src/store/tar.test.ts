import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isStoreError } from "./errors.ts";
import { readTar, writeTar } from "./tar.ts";

const folder = mkdtempSync(join(tmpdir(), "openledger-tar-"));
after(() => rmSync(folder, { recursive: true, force: true }));

async function whole(pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return Buffer.concat(parts);
}
const long = `${"folder/".repeat(15)}${"f".repeat(90)}`;
const files = [
  { name: "empty", bytes: 0, mode: 0o600, content: [] },
  { name: "d/e/", bytes: 0, mode: 0o700, content: [] },
  { name: "a/b", bytes: 5, mode: 0o644, content: [Buffer.from("hel"), Buffer.from("lo")] },
  { name: long, bytes: 512, mode: 0o600, content: [Buffer.alloc(512, 65)] },
];

test("files come back, and tar reads them too", async () => {
  const archive = await whole(writeTar(files));
  const read: unknown[] = [];
  for await (const { content, ...entry } of readTar([archive])) read.push([entry, await whole(content)]);
  assert.deepEqual(
    read,
    files.map(({ content, ...entry }) => [entry, Buffer.concat(content)]),
  );
  if (process.platform === "win32") return;
  writeFileSync(join(folder, "archive.tar"), archive);
  execFileSync("tar", ["-xf", "archive.tar"], { cwd: folder });
  assert.equal(readFileSync(join(folder, "a/b"), "utf8"), "hello");
  assert.equal(readFileSync(join(folder, long)).length, 512);
});

test("a file that changes while it is archived is told", async () => {
  for (const content of [[Buffer.alloc(4)], [Buffer.alloc(6)]])
    await assert.rejects(whole(writeTar([{ name: "a", bytes: 5, mode: 0o600, content }])), (error) =>
      isStoreError(error, "archive-invalid"),
    );
});

test("no name leads out of the archive, written or read", async () => {
  for (const name of ["../a", "/a", "a/../b", "a//b", ".", "", "a\\b", "x".repeat(101)])
    await assert.rejects(whole(writeTar([{ name, bytes: 0, mode: 0o600, content: [] }])), (error) =>
      isStoreError(error, "archive-invalid"),
    );
  const archive = await whole(writeTar([{ name: "ab/c", bytes: 0, mode: 0o600, content: [] }]));
  archive.write("../c", 0);
  let sum = 256;
  for (let at = 0; at < 512; at++) if (at < 148 || at >= 156) sum += archive[at]!;
  archive.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  await assert.rejects(
    (async () => {
      for await (const _ of readTar([archive]));
    })(),
    (error) => isStoreError(error, "archive-invalid"),
  );
});

test("every cut is found, and a damaged header", async () => {
  const archive = await whole(writeTar(files));
  const read = async (bytes: Buffer) => {
    for await (const { content } of readTar([bytes])) await whole(content);
  };
  for (let length = 0; length < archive.length; length += 97)
    await assert.rejects(read(archive.subarray(0, length)), (error) =>
      isStoreError(error, "archive-invalid"),
    );
  archive[520]! ^= 1;
  archive[0]! ^= 1;
  await assert.rejects(read(archive), (error) => isStoreError(error, "archive-invalid"));
});
