import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { lockFolder } from "../store/index.ts";
import {
  checkAmount,
  checkBlobs,
  checkDataFolder,
  checkNode,
  checkPackage,
  checkPort,
  examine,
} from "./doctor.ts";

const scratch = mkdtempSync(join(tmpdir(), "openledger-doctor-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

test("this machine, which runs the tests, can run a node", async () => {
  const findings = await examine("127.0.0.1", 0, scratch);
  assert.deepEqual(
    findings.filter(({ verdict }) => verdict === "bad"),
    [],
  );
  assert.equal(findings.length, 9);
});

test("an old Node is bad", () => {
  assert.equal(checkNode("24.0.0").verdict, "good");
  assert.equal(checkNode("22.19.1").verdict, "bad");
});

test("a package that does not load is bad, and says why", async () => {
  const finding = await checkPackage("native", () =>
    Promise.reject(new Error("cannot open shared object\nstack")),
  );
  assert.equal(finding.verdict, "bad");
  assert.equal(finding.actual, "cannot open shared object");
});

test("a taken port is told, and may be a running node", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  assert.equal((await checkPort("127.0.0.1", port)).verdict, "poor");
  server.close();
  await once(server, "close");
  assert.equal((await checkPort("127.0.0.1", port)).verdict, "good");
});

test("an address that is not ours is bad", async () => {
  assert.equal((await checkPort("192.0.2.1", 0)).verdict, "bad");
});

test("a data folder is good when it can be made, bad when it cannot", async () => {
  assert.equal((await checkDataFolder(join(scratch, "a/b/c"))).verdict, "good");
  writeFileSync(join(scratch, "a file"), "");
  assert.equal((await checkDataFolder(join(scratch, "a file/data"))).verdict, "bad");
});

test("a data folder that is held is told, one that was held is not", async () => {
  const data = mkdtempSync(join(scratch, "held-"));
  const lock = lockFolder(join(data, "database"));
  const finding = await checkDataFolder(data);
  lock.release();
  assert.equal(finding.verdict, "poor");
  assert.match(finding.actual, new RegExp(`in use by process ${process.pid} on `));
  assert.equal((await checkDataFolder(data)).verdict, "good");
});

test("too little is bad, tight is poor", () => {
  const verdict = (bytes: number) => checkAmount("Disk", bytes, 100, 200, "Make room.").verdict;
  assert.deepEqual([99, 100, 199, 200].map(verdict), ["bad", "poor", "poor", "good"]);
});

test("a bucket that does not answer is bad, and no secret is told", async () => {
  process.env.AWS_ACCESS_KEY_ID = "id";
  process.env.AWS_SECRET_ACCESS_KEY = "hush-hush";
  const finding = await checkBlobs("s3://bucket?endpoint=http://127.0.0.1:1");
  assert.equal(finding.verdict, "bad");
  assert.match(finding.actual, /bucket bucket at http:\/\/127\.0\.0\.1:1 did not do PUT/);
  assert.doesNotMatch(JSON.stringify(finding), /hush/);
});
