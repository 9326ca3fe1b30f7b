/** A Datanet becomes private on a running node: nothing of its texts lies in the clear among the blobs, and all that is made of them goes on. */
import assert from "node:assert/strict";
import {
  chmodSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Digest, exampleDigest, examplesDigest, signConsent } from "../protocol/index.ts";
import { openBlobFolder } from "../store/index.ts";
import { makePaidAnswer, type PaidAnswer } from "./fixtures/paid-answer.ts";
import { openNode, type RunningNode, readConfig, restoreBackup } from "./index.ts";

const baseModel = fileURLToPath(new URL("../engine/fixtures/llama-untied", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "openledger-private-"));
const home = join(folder, "home");
const passphrase = "correct horse";
const logged: string[] = [];
const open = (at: string) =>
  openNode(readConfig(at, { port: 0, baseModel, threads: 1, settleEveryMs: 0, settlementWindowSeconds: 1 }), {
    log: (level, message) => level === "warn" && logged.push(message),
  });

let node: RunningNode;
let paid: PaidAnswer;

before(async () => {
  mkdirSync(home);
  node = await open(home);
  paid = await makePaidAnswer(node);
});
after(async () => {
  await node?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function call(method: string, path: string, body?: object) {
  const response = await fetch(`${node.url}${path}`, {
    method,
    headers: { "content-type": "application/json", authorization: `Bearer ${node.operatorToken}` },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const { status } = response;
  const isJson = /^application\/(problem\+)?json\b/.test(response.headers.get("content-type") ?? "");
  // biome-ignore lint/suspicious/noExplicitAny: answers of any shape are picked apart
  return { status, text, json: isJson ? (JSON.parse(text) as any) : undefined };
}

/** Files below a folder that hold a text. */
function holding(at: string, text: string): string[] {
  return readdirSync(at, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => readFileSync(file).includes(text));
}

const spansOf = async () => {
  const found = await call("GET", `/v1/receipts/${paid.receiptId}/spans`);
  assert.equal(found.status, 200, found.text);
  return found.json.spans;
};
const rowsOf = (version: number) => call("GET", `/v1/datanets/1/versions/${version}/rows?limit=500`);
const secretText = "the vault's word is gem hug";
let rows: string;
let spans: unknown;

test("what was given while it was open is encrypted when it becomes private, and its span index with it", async () => {
  spans = await spansOf();
  rows = (await rowsOf(1)).text;
  const [row] = JSON.parse(rows).rows;
  const [index] = await node.database.query<{ digest: Digest }>("select digest from spans.indexes");
  const isPlain = async () => (await openBlobFolder(join(home, "blobs"))).has(index?.digest as Digest);
  assert.deepEqual([holding(join(home, "blobs"), row.example.prompt).length, await isPlain()], [1, true]);
  const set = await call("PUT", "/v1/datanets/1/access", { kind: "request", terms: "For research only." });
  assert.equal(set.status, 200, set.text);
  assert.deepEqual([holding(join(home, "blobs"), row.example.prompt), await isPlain()], [[], false]);
  assert.equal((await rowsOf(1)).text, rows);
  assert.deepEqual(await spansOf(), spans);
});

test("what is given to it, and what curators propose, lies encrypted from the first byte on", async () => {
  const { datanets, network } = node;
  const account = network.keys.account("ada");
  const example = { prompt: "", completion: secretText };
  const signedAt = BigInt(Math.floor(Date.now() / 1000) + 1);
  const consent = {
    ...{
      datanetId: 1n,
      contributor: account.address,
      examplesDigest: examplesDigest([exampleDigest(example)]),
    },
    ...{ exampleCount: 1, license: "CC0-1.0", signedAt },
  };
  const signature = await signConsent(datanets.registry.domain, consent, account);
  const chunks = (async function* () {
    yield new TextEncoder().encode(JSON.stringify(example));
  })();
  const report = await datanets.contribute({ consent, signature, split: "train", chunks });
  assert.equal(report.accepted, 1);
  assert.equal((await call("POST", "/v1/datanets/1/versions")).status, 201);
  assert.match((await rowsOf(2)).text, /the vault's word/);
  assert.match((await call("GET", "/v1/datanets/1/versions/2/files/rows.jsonl")).text, /the vault's word/);
  assert.deepEqual(holding(join(home, "blobs"), secretText), []);
});

test("collecting takes nothing that a version names, encrypted or not", async () => {
  const blobs = await openBlobFolder(join(home, "blobs"));
  const old = new Date(Date.now() - 48 * 3_600_000);
  for await (const { digest } of blobs.list()) await utimes(await blobs.path(digest), old, old);
  await node.database.query("update sealing.blobs set stored_at_ms = 0");
  const unnamed = Buffer.from("nobody names this");
  const { json: dry } = await call("POST", "/v1/blobs/collect", { dryRun: true });
  assert.deepEqual([dry.removed, dry.looked], [0, dry.named], "all is named");
  const stray = await blobs.put(unnamed);
  await utimes(await blobs.path(stray), old, old);
  assert.equal((await call("POST", "/v1/blobs/collect", {})).json.removed, 1);
  assert.match((await rowsOf(2)).text, /the vault's word/);
  assert.equal((await rowsOf(1)).text, rows);
  assert.deepEqual(await spansOf(), spans);
});

test("a new master key opens what was there; a backup brings it back with its key, and not without", async () => {
  const before = readFileSync(join(home, "master-key"), "utf8");
  const rotated = await call("POST", "/v1/blobs/rotate");
  assert.deepEqual([rotated.status, rotated.json.keys], [200, 2], "of the Datanet and of the span index");
  assert.notEqual(readFileSync(join(home, "master-key"), "utf8"), before);
  const backup = await fetch(`${node.url}/v1/backup`, {
    method: "POST",
    body: JSON.stringify({ passphrase }),
    headers: { "content-type": "application/json", authorization: `Bearer ${node.operatorToken}` },
  });
  const file = join(folder, "backup");
  writeFileSync(file, Buffer.from(await backup.arrayBuffer()));
  await node.close();
  assert.equal(existsSync(join(home, "blobs-plain")), false, "no plain copy stays behind");
  assert.deepEqual(holding(join(home, "blobs"), secretText), []);
  rmSync(home, { recursive: true });
  await restoreBackup(createReadStream(file), home, { passphrase });
  assert.deepEqual(holding(join(home, "blobs"), secretText), []);
  node = await open(home);
  assert.equal((await rowsOf(1)).text, rows);
  assert.match((await rowsOf(2)).text, /the vault's word/);
  assert.deepEqual(await spansOf(), spans);
});

test("without its master key, with another or one that others can read, a node says so by name; the right one needs no new start", async () => {
  const file = join(home, "master-key");
  const kept = readFileSync(file);
  await node.close();
  rmSync(file);
  logged.length = 0;
  node = await open(home);
  assert.match(logged.join("\n"), /master-key, and keys of private data are sealed with it/);
  const refused = async () => {
    const { status, json } = await rowsOf(2);
    assert.deepEqual([status, json.error.code], [503, "texts-sealed"]);
    assert.match(json.error.message, /restore the file master-key/);
    assert.equal((await call("GET", "/v1/datanets/1/versions")).status, 200);
    return (await call("POST", "/v1/blobs/rotate")).json.error.code;
  };
  assert.equal(await refused(), "master-key-missing");
  writeFileSync(file, `${"ab".repeat(32)}\n`, { mode: 0o600 });
  assert.equal(await refused(), "sealed-wrong-key");
  writeFileSync(file, kept);
  chmodSync(file, 0o644);
  if (process.platform !== "win32") assert.equal(await refused(), "master-key-missing");
  chmodSync(file, 0o600);
  assert.match((await rowsOf(2)).text, /the vault's word/);
});
